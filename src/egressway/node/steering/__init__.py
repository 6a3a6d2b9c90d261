"""Return packets find the server that opened the connection (beside CONFIG 4).

One address is used by several servers, each with its own ports; routers bring its packets to any of
them. `desired` decides who gets a packet, `nft` writes that down for the packet filter, `packet_filter`,
`routing`, `tunnel` and `kernel_settings` give it to the kernel and take it back, `steering` puts the
steps in order, `from_fleet` reads the situation out of the fleet's state.
"""

from egressway.node.steering.desired import Owner, Pinned, Server, Situation, SlicesOverlap
from egressway.node.steering.errors import (
    SteeringBusy,
    SteeringError,
    SteeringFailed,
    SteeringRefused,
    SteeringUnavailable,
)
from egressway.node.steering.from_fleet import keeping, move_sources, owned, situation
from egressway.node.steering.steering import Steering, SteeringSettings, SteeringStatus
from egressway.node.steering.tunnel import TunnelSettings

__all__ = [
    "Owner",
    "Pinned",
    "Server",
    "Situation",
    "SlicesOverlap",
    "Steering",
    "SteeringBusy",
    "SteeringError",
    "SteeringFailed",
    "SteeringRefused",
    "SteeringSettings",
    "SteeringStatus",
    "SteeringUnavailable",
    "TunnelSettings",
    "keeping",
    "move_sources",
    "owned",
    "situation",
]
