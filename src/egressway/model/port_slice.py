"""Of all paths: port ranges, and slices of one address that never overlap."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address
from itertools import pairwise
from typing import Final

from egressway.model.address import IPAddress
from egressway.model.errors import Invalid

__all__ = ["PortRange", "PortSlice", "first_overlap", "parse_port_range", "parse_port_ranges"]

_ANY: Final = IPv4Address(0)
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
    """One address, one port range, one server: who may open connections from there."""

    ip: IPAddress
    ports: PortRange
    server: str


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
    overlap = first_overlap(PortSlice(_ANY, ports, "") for ports in ranges)
    if overlap is not None:
        first, second = overlap
        raise Invalid(f"{first.ports} and {second.ports} overlap.", pointer=pointer)
    return ranges


def first_overlap(slices: Iterable[PortSlice]) -> tuple[PortSlice, PortSlice] | None:
    """Two slices of the same address that share a port, if there are any."""
    ordered = sorted(slices, key=lambda each: (each.ip.version, each.ip.packed, each.ports))
    for before, each in pairwise(ordered):
        if before.ip == each.ip and before.ports.overlaps(each.ports):
            return before, each
    return None
