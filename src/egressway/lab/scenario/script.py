"""What a scenario file says, as frozen types."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address

from egressway.lab.scenario.steps import Step
from egressway.lab.topology import Topology

__all__ = ["Expectation", "Given", "PlacedAddress", "Pool", "Scenario", "When", "Zone"]


@dataclass(frozen=True, slots=True)
class PlacedAddress:
    """An egress address and how many of its ports each server has. Without servers: nobody has any."""

    ip: IPv4Address
    shares: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Pool:
    """Leased addresses under a name."""

    name: str
    ips: tuple[str, ...]
    overflow: str


@dataclass(frozen=True, slots=True)
class Zone:
    """A hostname, its pool, and the origin its record leads to."""

    host: str
    pool: str
    origin: str
    port: int
    family: int
    region: str
    tls: bool


@dataclass(frozen=True, slots=True)
class Given:
    """The configuration a scenario brings along; gone when it ends."""

    addresses: tuple[PlacedAddress, ...] = ()
    pools: tuple[Pool, ...] = ()
    zones: tuple[Zone, ...] = ()


@dataclass(frozen=True, slots=True)
class When:
    """Steps, one after the other, all of it as often as `times` says."""

    steps: tuple[tuple[Step, str], ...]
    """Each with the line that says it."""
    times: int
    line: int


@dataclass(frozen=True, slots=True)
class Expectation:
    """A table that a view must show, at once or `within` so many seconds."""

    view: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    within: float
    line: int


@dataclass(frozen=True, slots=True)
class Scenario:
    """One file."""

    title: str
    prose: str
    topology: Topology | None
    """Its own, when the default will not do."""
    given: Given
    blocks: tuple[When | Expectation, ...]
