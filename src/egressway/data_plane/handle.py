"""The verbs of a data plane and what they answer (CONFIG 5 of 5, MEASUREMENT 1).

Invariants every implementation keeps, checked by `tests/contract/test_data_plane_conformance.py`: a
refused snapshot changes nothing; applying the revision that runs is harmless; counts are told once;
no verb raises anything but the two errors here.
"""

from __future__ import annotations

from typing import Literal, Protocol, TypeAlias

import msgspec

from egressway.wire.snapshot import Snapshot

__all__ = [
    "ActiveListener",
    "Applied",
    "DataPlaneHandle",
    "Drained",
    "DrainedEgress",
    "EgressInUse",
    "Held",
    "IdentityRefused",
    "ListenerUnavailable",
    "Part",
    "PeerState",
    "SnapshotRefused",
    "Status",
    "Totals",
    "Unbindable",
]


class SnapshotRefused(ValueError):
    """The snapshot contradicts itself, or its base is not what runs. The old state stays."""


class IdentityRefused(ValueError):
    """Authority, chain and key cannot be used together. The identity before stays."""


class ListenerUnavailable(OSError):
    """An address and port cannot be listened on. The old state stays."""


class ActiveListener(msgspec.Struct, frozen=True):
    """A listening socket, with the port it really has."""

    address: str
    port: int
    tls: bool


class Unbindable(msgspec.Struct, frozen=True):
    """An egress address this server cannot use, and why."""

    ip: str
    reason: str


class Applied(msgspec.Struct, frozen=True):
    """The state that runs from now on."""

    revision: int
    zones: int
    listeners: tuple[ActiveListener, ...]
    unbindable: tuple[Unbindable, ...]


class Totals(msgspec.Struct, frozen=True):
    """Counts of the whole data plane since the drain before."""

    requests: int = 0
    connections: int = 0
    foreign_egress: int = 0
    panics: int = 0
    log_dropped: int = 0


class DrainedEgress(msgspec.Struct, frozen=True):
    """One egress address towards one origin: gauges as they are, counts since the drain before."""

    egress_ip: str
    origin: str
    protocol: str
    current: int
    peak: int
    capacity: int
    opened: int = 0
    refused: int = 0
    reused: int = 0
    handshakes: int = 0
    queued: int = 0
    sent: int = 0
    received: int = 0


class Drained(msgspec.Struct, frozen=True):
    """What happened since the drain before."""

    totals: Totals
    requests: dict[str, int]
    """`status:2xx` and its like, `error:<code>`, `link`: requests sent on for another server, `passed`:
    connections that another server serves."""
    egress: tuple[DrainedEgress, ...]
    log: bytes = b""
    """Access log: JSON lines, complete."""


class PeerState(msgspec.Struct, frozen=True):
    """Another server of the fleet, as this one sees it."""

    server: str
    state: Literal["up", "down", "unknown"]
    """`unknown` while no request has needed it."""
    connections: int = 0
    rtt_us: int = 0


class EgressInUse(msgspec.Struct, frozen=True):
    """Connections of one egress address to one origin, now."""

    egress_ip: str
    origin: str
    protocol: str
    current: int
    capacity: int


class Held(msgspec.Struct, frozen=True, array_like=True):
    """Source ports in use from one egress address towards one origin."""

    egress_ip: str
    origin: str
    ports: tuple[int, ...]


Part: TypeAlias = Literal["whole", "leaving", "arriving"]
"""Of two processes on one host the one that leaves keeps a sixteenth of the ports, the other has the rest."""


class Status(msgspec.Struct, frozen=True):
    """What the data plane is and does now; totals are since its start."""

    revision: int
    zones: int
    hosts: int
    memory_table_bytes: int
    workers: int
    connections: int
    """Open client connections."""
    origin_connections: int
    waiting: int
    """Requests waiting for an origin connection."""
    panics: int
    foreign_egress: int
    log_dropped: int
    is_draining: bool
    listeners: tuple[ActiveListener, ...]
    unbindable: tuple[Unbindable, ...]
    egress: tuple[EgressInUse, ...]
    peers: tuple[PeerState, ...] = ()


class DataPlaneHandle(Protocol):
    """What a node agent needs of a data plane."""

    def apply(self, snapshot: Snapshot) -> Applied:
        """Make `snapshot` the running state, whole or not at all.

        Raises `SnapshotRefused` or `ListenerUnavailable`; the old state then goes on.
        """
        ...

    def drain_counters(self) -> Drained:
        """Everything counted since the call before; each count is told once."""
        ...

    def status(self) -> Status:
        """What runs now; changes nothing."""
        ...

    def held(self, *, everything: bool = False) -> tuple[Held, ...]:
        """Open connections whose ports this server has no more, or that are beyond its cap by now.

        With `everything`, all open connections. None is missing that the last `apply` concerned.
        """
        ...

    def set_part(self, part: Part) -> None:
        """From the next `apply` on: which part of its server's ports this process has."""
        ...

    def exclude(self, held: tuple[Held, ...]) -> None:
        """Keep off exactly these tuples, which another process or server holds; count them to the cap."""
        ...

    def cut(self, held: tuple[Held, ...]) -> int:
        """End exactly these connections, as far as their ports are this server's no more; how many.

        They close at once, though `held` may name them for a moment longer.
        """
        ...

    def set_identity(self, ca_pem: bytes, chain_pem: bytes, key_pem: bytes) -> None:
        """Prove this server to its peers, and demand proof of them, with these from now on.

        Connections between servers that are open stay. Raises `IdentityRefused`.
        """
        ...

    def stop(self, deadline_seconds: float) -> int:
        """Stop accepting, let open requests end, cut the rest at the deadline and say how many."""
        ...
