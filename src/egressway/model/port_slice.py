"""Of all paths: port ranges, and slices of one address that never overlap."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address
from itertools import pairwise
from typing import Final

from egressway.model.errors import Invalid
from egressway.model.server import ServerName

__all__ = [
    "PortRange",
    "PortSlice",
    "common",
    "first_overlap",
    "merged",
    "parse_port_range",
    "parse_port_ranges",
    "without",
]

_ANY: Final = IPv4Address(0)
_NOBODY: Final = ServerName("")
_RANGE: Final = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?\Z")


@dataclass(frozen=True, slots=True, order=True)
class PortRange:
    """Ports `low` to `high`, both included."""

    low: int
    high: int

    def __post_init__(self) -> None:
        if not 1 <= self.low <= self.high <= 65535:
            raise Invalid(f"{self.low}-{self.high} is not a range of ports within 1-65535.")

    def __len__(self) -> int:
        return self.high - self.low + 1

    def __contains__(self, port: object) -> bool:
        return isinstance(port, int) and self.low <= port <= self.high

    def __str__(self) -> str:
        return f"{self.low}-{self.high}"

    def overlaps(self, other: PortRange) -> bool:
        """Whether a port lies in both."""
        return self.low <= other.high and other.low <= self.high


@dataclass(frozen=True, slots=True)
class PortSlice:
    """One address, one port range, one server: who may open connections from there.

    IPv4 only: of an IPv6 range every server has an address of its own.
    """

    ip: IPv4Address
    ports: PortRange
    server: ServerName


def parse_port_range(text: str, pointer: str | None = None) -> PortRange:
    """`20000-59999`, or `20000` for one port."""
    found = _RANGE.match(text)
    if found is None:
        raise Invalid(f"{text[:64]!r} is not a port range such as 20000-59999.", pointer=pointer)
    low = int(found[1])
    try:
        return PortRange(low, int(found[2] or low))
    except Invalid as error:
        raise Invalid(error.text, pointer=pointer) from None


def parse_port_ranges(text: str, pointer: str | None = None) -> tuple[PortRange, ...]:
    """`20000-29999,40000-49999`: ascending in the answer, never overlapping."""
    ranges = tuple(sorted(parse_port_range(part.strip(), pointer) for part in text.split(",")))
    overlap = first_overlap(PortSlice(_ANY, ports, _NOBODY) for ports in ranges)
    if overlap is not None:
        first, second = overlap
        raise Invalid(f"{first.ports} and {second.ports} overlap.", pointer=pointer)
    return ranges


def first_overlap(slices: Iterable[PortSlice]) -> tuple[PortSlice, PortSlice] | None:
    """Two slices of the same address that share a port, if there are any."""
    ordered = sorted(slices, key=lambda each: (each.ip, each.ports))
    for before, each in pairwise(ordered):
        if before.ip == each.ip and before.ports.overlaps(each.ports):
            return before, each
    return None


def common(first: PortRange, second: PortRange) -> PortRange | None:
    """The ports that lie in both."""
    low, high = max(first.low, second.low), min(first.high, second.high)
    return PortRange(low, high) if low <= high else None


def merged(ranges: Iterable[PortRange]) -> list[PortRange]:
    """The same ports, ascending, in as few ranges as there can be."""
    found: list[PortRange] = []
    for ports in sorted(ranges):
        if found and ports.low <= found[-1].high + 1:
            found[-1] = PortRange(found[-1].low, max(found[-1].high, ports.high))
        else:
            found.append(ports)
    return found


def without(ranges: Iterable[PortRange], taken: Iterable[PortRange]) -> list[PortRange]:
    """Ports of `ranges` that are not `taken`, ascending."""
    left = merged(ranges)
    for each in merged(taken):
        left = [part for ports in left for part in _cut(ports, each)]
    return left


def _cut(ports: PortRange, taken: PortRange) -> list[PortRange]:
    if not ports.overlaps(taken):
        return [ports]
    ends = ((ports.low, taken.low - 1), (taken.high + 1, ports.high))
    return [PortRange(low, high) for low, high in ends if low <= high]
