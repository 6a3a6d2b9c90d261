"""What tests ask of any BGP router, whichever program it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class RouterPeer:
    """A session that a router waits for."""

    name: str
    address: str
    asn: int
    hold: int = 6
    password: str | None = None
    carries: tuple[int, ...] = ()
    """Families; that of the address when nothing is said."""

    @property
    def version(self) -> int:
        return 6 if ":" in self.address else 4

    @property
    def families(self) -> tuple[int, ...]:
        return self.carries or (self.version,)


@dataclass(frozen=True)
class SeenRoute:
    """A route as a router has it."""

    next_hop: str
    path: tuple[int, ...]
    med: int | None
    communities: tuple[str, ...] = ()
    large_communities: tuple[str, ...] = ()


class Router(Protocol):
    """BIRD or FRR."""

    def start(self) -> None: ...

    def kill(self) -> None: ...

    def disable(self, peer: str) -> None: ...

    def enable(self, peer: str) -> None: ...

    def is_up(self, peer: str) -> bool: ...

    def seen(self, version: int) -> dict[str, SeenRoute]: ...

    def prefixes(self, version: int) -> set[str]: ...
