"""Of all paths: what is measured about one egress address towards one origin."""

from __future__ import annotations

from dataclasses import dataclass

from egressway.model.address import IPAddress

__all__ = ["Reporter", "UsageRow"]


@dataclass(frozen=True, slots=True)
class Reporter:
    """Who has measured: one process of a server, and the data center it stands in."""

    server: str
    process: str = ""
    """Two processes of a server measure side by side while one takes over from the other."""
    pop: str = "local"


@dataclass(frozen=True, slots=True)
class UsageRow:
    """Connections from `egress_ip` to `origin` (`ip:port`, `[v6]:port`) over one protocol.

    `current` is a level and `peak` the highest since the report before; the other counts only grow.
    """

    egress_ip: IPAddress
    origin: str
    current: int
    peak: int
    capacity: int
    opened: int
    refused: int
    reused: int
    pop: str | None = None
    """Where it was measured; None: everywhere."""

    @property
    def utilization(self) -> float:
        """In use by capacity, 0..1; without capacity there is nothing to be used."""
        return self.current / self.capacity if self.capacity else 0.0
