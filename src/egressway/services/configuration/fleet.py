"""The sections that only a fleet needs: the bus, what `egressway control` gives to servers, and what
`egressway node` is.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from typing import Annotated, Final

from egressway.model.address import IPAddress
from egressway.services.configuration.key import Key
from egressway.services.configuration.values import (
    ADDRESS,
    OPTIONAL_TEXT,
    PORT,
    choice,
    hours,
    number,
    seconds,
)

__all__ = ["Bus", "Fleet", "Node"]

_LOOPBACK: Final[IPAddress] = ip_address("127.0.0.1")


@dataclass(frozen=True, slots=True)
class Bus:
    """What carries snapshots to servers and reports back."""

    url: Annotated[
        str,
        Key(
            OPTIONAL_TEXT,
            "`nats://HOST:4222` or `tls://HOST:4222`; several servers of one bus are separated by "
            "commas. Needed by `egressway control`; servers are told it when they join, and one set "
            "here, such as a leaf node near by, is used instead.",
        ),
    ] = ""
    node_url: Annotated[
        str,
        Key(
            OPTIONAL_TEXT,
            "What servers are told as the bus when they join; empty is `url`.",
        ),
    ] = ""
    files: Annotated[
        str,
        Key(
            OPTIONAL_TEXT,
            "Directory that `egressway prepare-bus` has written, on the machine of a NATS server: "
            "`egressway control` keeps the users in it current and tells the NATS server; empty: "
            "somebody else does.",
        ),
    ] = ""


@dataclass(frozen=True, slots=True)
class Fleet:
    """How `egressway control` lets servers in."""

    enrolment_address: Annotated[
        IPAddress, Key(ADDRESS, "Address where servers join and renew their certificates.")
    ] = _LOOPBACK
    enrolment_port: Annotated[int, Key(PORT, "Port of it; 0 lets the kernel choose.")] = 8601
    certificate_hours: Annotated[
        float,
        Key(
            hours(0.001, 8_760),
            "A server's certificate is good for this long; it renews it after two thirds.",
        ),
    ] = 24.0


@dataclass(frozen=True, slots=True)
class Node:
    """What `egressway node` is."""

    server: Annotated[
        str,
        Key(OPTIONAL_TEXT, "Name of this server in the fleet; empty: as given with `--server`."),
    ] = ""
    link_address: Annotated[
        IPAddress, Key(ADDRESS, "Address where other servers of the fleet reach this one.")
    ] = _LOOPBACK
    link_port: Annotated[
        int, Key(PORT, "Port of it; 0 keeps other servers from forwarding to this one.")
    ] = 8644
    admin_address: Annotated[
        IPAddress, Key(ADDRESS, "Address of the server's own `/healthz`, `/readyz`, `/metrics`.")
    ] = _LOOPBACK
    admin_port: Annotated[int, Key(PORT, "Port of it; 0 lets the kernel choose.")] = 8610
    steering: Annotated[
        str,
        Key(
            choice("auto", "on", "off"),
            "Local routes for egress addresses, and return packets steered to the owner of their "
            "port. `auto` steers where the process has CAP_NET_ADMIN, `on` refuses to start "
            "without, `off` leaves the host's routes and rules alone.",
        ),
    ] = "auto"
    tunnel_port: Annotated[
        int,
        Key(
            number(1, 65_535),
            "UDP port of the tunnel that brings return packets to servers of other data centers; "
            "the same on every server.",
        ),
    ] = 8_645
    tunnel_network: Annotated[
        int, Key(number(1, 2**24 - 1), "Network identifier of the tunnel; the same everywhere.")
    ] = 4_547
    tunnel_mtu: Annotated[
        int, Key(number(576, 65_485), "Of packets inside; what is below carries 50 bytes more.")
    ] = 1_450
    handover_seconds: Annotated[
        float,
        Key(
            seconds(0, 604_800),
            "When a newer process has taken over, what is open on the older one may take this long "
            "before it is cut.",
        ),
    ] = 3_600.0
