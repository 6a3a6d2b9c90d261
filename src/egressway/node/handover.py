"""Ports that come from another server, and ports that go to one (beside CONFIG 4).

    source: its snapshot no longer has the ports -> it opens nothing in them -> tells what is left open
    target: hears that -> keeps off those tuples -> and only then takes the ports
    source: the deadline is over, or the move is finished -> it closes what is left open

Return packets go the right way before a word has effect: `heard_of` is called before the tuples that a
source has given back may be used here, `telling` before others hear that this server has given some back.

So no tuple of address, port and origin is ever used by both. A target waits for its source no longer
when the move is finished, as those of a revoked server are, or when it should have closed everything.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Final

import msgspec

from egressway.bus.bus import Bus, BusError, Cancel
from egressway.data_plane.handle import DataPlaneHandle, Held
from egressway.model.slice_move import CLOSING_SECONDS
from egressway.node.exclusions import OLDER_PROCESS, Exclusions
from egressway.wire.fleet import FleetMove, Topology
from egressway.wire.held import HeldPorts, HeldTuples, decode, encode

__all__ = ["Handover"]

REPEAT_SECONDS: Final = 5.0
_log = logging.getLogger(__name__)


class Handover:
    """For one server. All calls come from the follower's thread; `heard` only wakes it."""

    def __init__(
        self,
        bus: Bus,
        server: str,
        data_plane: DataPlaneHandle,
        exclusions: Exclusions,
        heard: Callable[[str, bytes], None],
        *,
        heard_of: Callable[[], None] = lambda: None,
        telling: Callable[[], None] = lambda: None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._bus = bus
        self._server = server
        self._data_plane = data_plane
        self._exclusions = exclusions
        self._heard = heard
        self._heard_of = heard_of
        self._telling = telling
        self._now = now
        self._watches: dict[str, Cancel] = {}
        self._told: dict[str, HeldTuples] = {}
        self._incoming: tuple[FleetMove, ...] = ()
        self._outgoing: tuple[FleetMove, ...] = ()
        self._ended: tuple[FleetMove, ...] = ()
        """Outgoing ones that are no more: nothing is to be open in their ports."""
        self._put: HeldTuples | None = None
        self._put_at = 0.0

    def close(self) -> None:
        """Watch nobody any more."""
        for cancel in self._watches.values():
            with suppress(BusError):
                cancel()
        self._watches.clear()

    # As the target.

    def look_at(self, topology: Topology) -> None:
        """Learn which moves there are; watch their sources from now on."""
        self._incoming = tuple(
            move
            for move in topology.moves
            if move.target == self._server and move.source != self._server
        )
        before = self._outgoing
        self._outgoing = tuple(move for move in topology.moves if move.source == self._server)
        self._ended += tuple(move for move in before if move not in self._outgoing)
        sources = {move.source for move in self._incoming}
        for source in self._watches.keys() - sources:
            self._unwatch(source)
        for source in sources - self._watches.keys():
            self._watch(source)

    @property
    def told(self) -> Mapping[str, HeldTuples]:
        """What the sources of moves to this server have told last."""
        return dict(self._told)

    def waiting(self) -> frozenset[str]:
        """Moves whose ports are not to be used yet."""
        return frozenset(move.id for move in self._incoming if not self._may_use(move))

    def hear(self, source: str, content: bytes) -> None:
        """What a source has told; in force for the data plane on return."""
        if source not in self._watches:
            return
        try:
            self._told[source] = decode(content)
        except msgspec.MsgspecError as defect:
            _log.error("what server %s holds cannot be read: %s", source, defect)
            return
        self._heard_of()
        self._exclude(source)

    def _may_use(self, move: FleetMove) -> bool:
        told = self._told.get(move.source)
        is_told = told is not None and move.id in told.moves
        return is_told or move.deadline + CLOSING_SECONDS <= self._now()

    def _exclude(self, source: str) -> None:
        told = self._told.get(source)
        moves = [move for move in self._incoming if move.source == source]
        held = told.held if told else ()
        self._exclusions.put(f"server {source}", _within(held, moves))

    def _watch(self, source: str) -> None:
        with suppress(BusError):
            self._watches[source] = self._bus.watch_held(
                source, lambda content: self._heard(source, content)
            )

    def _unwatch(self, source: str) -> None:
        with suppress(BusError):
            self._watches.pop(source)()
        self._told.pop(source, None)
        self._exclude(source)

    # As the source.

    def close_overdue(self) -> None:
        """Close what is still open in ports whose time here is over.

        Called while the data plane runs what `look_at` was told last: ports that have come back are its
        own again, and it leaves them alone. Those on their way back are not its own yet, but will be.
        """
        now = self._now()
        lasting = [*self._incoming, *(move for move in self._outgoing if move.deadline > now)]
        over = [*self._ended, *(move for move in self._outgoing if move.deadline <= now)]
        self._ended = ()
        if over and (overdue := tuple(_without(_within(self._held(), over), lasting))):
            closed = self._data_plane.cut(overdue)
            _log.warning("%d connections are closed: their ports are another server's", closed)

    def tell(self) -> None:
        """Publish what is still open in ports that have left, when that has changed."""
        if not self._outgoing and self._put is None:
            return
        held = HeldTuples(
            tuple(move.id for move in self._outgoing),
            tuple(self._all_held()),
        )
        is_old = self._now() - self._put_at > REPEAT_SECONDS
        if held == self._put and not (is_old and self._outgoing):
            return
        if held != self._put:
            self._telling()
        try:
            self._bus.put_held(self._server, encode(held))
        except BusError as failure:
            _log.debug("what this server holds is told later: %s", failure)
            return
        self._put, self._put_at = held, self._now()

    def _all_held(self) -> Iterator[HeldPorts]:
        """Also of a process that this one has replaced: its connections are this server's still."""
        yield from self._held()
        for each in self._exclusions.of(OLDER_PROCESS):
            yield HeldPorts(each.egress_ip, each.origin, each.ports)

    def _held(self) -> Iterator[HeldPorts]:
        for each in self._data_plane.held():
            yield HeldPorts(each.egress_ip, each.origin, each.ports)


def _within(held: Iterable[HeldPorts], moves: Collection[FleetMove]) -> Iterator[Held]:
    """Only tuples in ports that are on their way; the rest is nobody's business."""
    for each in held:
        ports = tuple(port for port in each.ports if _is_moving(each.egress_ip, port, moves))
        if ports:
            yield Held(each.egress_ip, each.origin, ports)


def _without(held: Iterable[Held], moves: Collection[FleetMove]) -> Iterator[Held]:
    for each in held:
        ports = tuple(port for port in each.ports if not _is_moving(each.egress_ip, port, moves))
        if ports:
            yield Held(each.egress_ip, each.origin, ports)


def _is_moving(ip: str, port: int, moves: Iterable[FleetMove]) -> bool:
    return any(move.ip == ip and move.low <= port <= move.high for move in moves)
