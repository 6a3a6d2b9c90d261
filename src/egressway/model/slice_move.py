"""Of all paths: moves of slices between servers, make before break.

The new owner opens connections at once; until the move is finished the old one keeps those it has.
Invariants among the pending moves of an address: where the source is not the target, the target owns
the ports; where it is, the ports were given up and nobody owns them. A source never owns what it
moved, and holds every port in one move only.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from ipaddress import IPv4Address
from typing import NewType

from egressway.model.ids import new_id
from egressway.model.members import as_int, as_text, refuse_unknown
from egressway.model.place_name import parse_label
from egressway.model.placement import Handover, handovers
from egressway.model.port_slice import PortRange, PortSlice, common, parse_port_range, without
from egressway.model.server import ServerName

__all__ = [
    "CLOSING_SECONDS",
    "DEFAULT_DEADLINE_SECONDS",
    "MoveDraft",
    "MoveId",
    "SliceMove",
    "moves_after",
    "parse_deadline",
]

MoveId = NewType("MoveId", str)

DEFAULT_DEADLINE_SECONDS = 3600
CLOSING_SECONDS = 5
"""After its deadline a source has so long to close what it still has, clocks being apart as they are.

Later it is taken to be gone, and waited for no more.
"""
_LONGEST_DEADLINE_SECONDS = 30 * 24 * 3600


@dataclass(frozen=True, slots=True)
class SliceMove:
    """Ports on their way. `source` keeps established connections until the end or the deadline.

    What is still open then, it closes.
    """

    id: MoveId
    ip: IPv4Address
    ports: PortRange
    source: ServerName
    target: ServerName
    """Who opens new connections; the source itself where the ports are merely given up."""
    deadline: datetime
    created_on: datetime


@dataclass(frozen=True, slots=True)
class MoveDraft:
    """Which ports of an address shall be whose. Without `ports`: all that the source has."""

    source: ServerName
    target: ServerName
    ports: PortRange | None = None
    deadline_seconds: int = DEFAULT_DEADLINE_SECONDS

    @classmethod
    def parse(cls, body: Mapping[str, object]) -> MoveDraft:
        """From the body of a request: `source`, `target`, `ports`, `deadline_seconds`."""
        refuse_unknown(body, {"source", "target", "ports", "deadline_seconds"})
        ports = body.get("ports")
        return cls(
            source=ServerName(parse_label(body.get("source"), "/source")),
            target=ServerName(parse_label(body.get("target"), "/target")),
            ports=None if ports is None else parse_port_range(as_text(ports, "/ports"), "/ports"),
            deadline_seconds=parse_deadline(body.get("deadline_seconds")),
        )


def parse_deadline(value: object) -> int:
    """How long established connections may take, in seconds."""
    if value is None:
        return DEFAULT_DEADLINE_SECONDS
    return as_int(value, "/deadline_seconds", 0, _LONGEST_DEADLINE_SECONDS)


def moves_after(
    pending: Iterable[SliceMove],
    before: Iterable[PortSlice],
    after: Collection[PortSlice],
    deadline: datetime,
    now: datetime,
) -> list[SliceMove]:
    """The moves of an address once its slices are `after`: pending ones follow their ports."""
    followed = [part for move in pending for part in _following(move, after)]
    return followed + [
        SliceMove(
            MoveId(new_id()), ip, each.ports, each.source, each.target or each.source, deadline, now
        )
        for ip, each in _handovers(before, after)
    ]


def _following(move: SliceMove, after: Iterable[PortSlice]) -> list[SliceMove]:
    """`move` cut along the new owners. What comes back to its source is done; the first part keeps the id."""
    owned = [(ports, each.server) for each in after if (ports := common(move.ports, each.ports))]
    lost = without([move.ports], [ports for ports, _ in owned])
    parts = sorted([*owned, *((ports, None) for ports in lost)], key=lambda part: part[0])
    found: list[SliceMove] = []
    for ports, owner in parts:
        target = owner or move.source
        if owner == move.source:
            continue
        last = found[-1] if found else None
        if last and last.target == target and last.ports.high + 1 == ports.low:
            found[-1] = replace(last, ports=PortRange(last.ports.low, ports.high))
        else:
            move_id = MoveId(new_id()) if found else move.id
            found.append(replace(move, id=move_id, ports=ports, target=target))
    return found


def _handovers(
    before: Iterable[PortSlice], after: Collection[PortSlice]
) -> list[tuple[IPv4Address, Handover]]:
    return [(old.ip, each) for old in before for each in handovers([old], after)]
