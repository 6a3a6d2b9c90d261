"""The bus of a process, by the URL it was given."""

from __future__ import annotations

import ssl

from egressway.bus.bus import Bus, BusError
from egressway.bus.nats import NatsBus
from egressway.services.start_error import StartError

__all__ = ["node_client", "open_bus"]


def open_bus(url: str, tls: ssl.SSLContext, *, name: str, manage: bool = False) -> Bus:
    """Connects by itself, now or whenever the bus is there; `StartError` for what is no URL."""
    if not url:
        raise StartError(
            "no bus is named. Set `bus.url` or `EGRESSWAY_BUS`, such as `nats://127.0.0.1:4222`."
        )
    try:
        return NatsBus(url, tls=tls if _is_encrypted(url) else None, name=name, manage=manage)
    except BusError as failure:
        raise StartError(f"`bus.url` cannot be used: {failure}.") from failure


def node_client(server: str) -> str:
    """What a node's connection to the bus is called."""
    return f"egressway node {server}"


def _is_encrypted(url: str) -> bool:
    """`tls://` insists on it; a bus that takes certificates is named so."""
    return url.startswith("tls://")
