"""What a node knows of itself, from its own configuration (CONFIG 4 of 5): parsed, frozen."""

from __future__ import annotations

from dataclasses import dataclass

from egressway.model.address import IPAddress
from egressway.model.server import LOCAL
from egressway.wire.snapshot import Link, Listener

__all__ = ["NodeSettings"]


@dataclass(frozen=True, slots=True)
class NodeSettings:
    """Everything about one server that is not the same for the whole fleet."""

    server: str = LOCAL
    epoch: int = 0
    """Of this process's identity; when the fleet knows a higher one, another has taken the name."""
    listeners: tuple[Listener, ...] = ()
    server_name: str = "egressway"
    shared_ips: tuple[IPAddress, ...] = ()
    """Of the shared pool; zones without dedicated addresses leave from them."""
    link: Link | None = None
    """Where other servers are listened for; None: where the fleet says that they connect to."""
