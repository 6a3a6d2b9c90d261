"""Ends moves of ports whose former owner has nothing open in them any more (CONFIG 3 of 5).

Each source tells over the bus what it still holds. A move is finished when it holds nothing of it; at
the deadline it closes what it has. One that says nothing then is waited for no longer. The end of a move
is a change of the store like any other.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from egressway.bus.bus import Bus, BusError, Cancel
from egressway.model.errors import EgresswayError, NotFound
from egressway.model.slice_move import CLOSING_SECONDS, SliceMove
from egressway.store import Store
from egressway.wire.held import HeldTuples, decode

__all__ = ["MoveKeeper", "is_drained"]

EVERY_SECONDS: Final = 1.0
_ACTOR: Final = "distribution"
_log = logging.getLogger(__name__)


def is_drained(move: SliceMove, told: HeldTuples | None) -> bool:
    """Whether the source knows of the move and has nothing open in its ports."""
    if told is None or move.id not in told.moves:
        return False
    return not any(
        move.ports.low <= port <= move.ports.high
        for held in told.held
        if held.egress_ip == str(move.ip)
        for port in held.ports
    )


class MoveKeeper:
    """A thread between `start` and `stop`. Several replicas may run it: what one has ended is ended."""

    def __init__(
        self,
        store: Store,
        bus: Bus,
        *,
        every_seconds: float = EVERY_SECONDS,
        closing_seconds: float = CLOSING_SECONDS,
    ) -> None:
        self._store = store
        self._bus = bus
        self._every_seconds = every_seconds
        self._closing = timedelta(seconds=closing_seconds)
        self._told: dict[str, HeldTuples] = {}
        self._watches: dict[str, Cancel] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="moves", daemon=True)

    def start(self) -> None:
        """End moves from now on."""
        self._thread.start()

    def stop(self) -> None:
        """End none any more."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()
        self._watch(())

    def look(self) -> None:
        """End the moves that are done."""
        with self._store.read() as read:
            moves = read.fleet_for_snapshot(()).moves
        self._watch({move.source for move in moves})
        if not moves:
            return
        for move in moves:
            if is_drained(move, self._told.get(move.source)):
                self._finish(move)
        given_up = datetime.now(UTC) - self._closing
        if any(move.deadline <= given_up for move in moves):
            with self._store.write(_ACTOR) as write:
                write.placements.finish_overdue(given_up)

    def _finish(self, move: SliceMove) -> None:
        with suppress(NotFound), self._store.write(_ACTOR) as write:
            write.placements.finish_move(move.ip, move.id)
            _log.info("%s of %s is %s's now", move.ports, move.ip, move.target)

    def _watch(self, sources: Iterable[str]) -> None:
        wanted = set(sources)
        for source in self._watches.keys() - wanted:
            with suppress(BusError):
                self._watches.pop(source)()
            self._told.pop(source, None)
        for source in wanted - self._watches.keys():
            with suppress(BusError):
                self._watches[source] = self._bus.watch_held(source, self._hearer(source))

    def _hearer(self, source: str) -> Callable[[bytes], None]:
        def hear(content: bytes) -> None:
            try:
                self._told[source] = decode(content)
            except msgspec.MsgspecError as defect:
                _log.error("what server %s holds cannot be read: %s", source, defect)

        return hear

    def _run(self) -> None:
        while not self._stopping.wait(self._every_seconds):
            try:
                self.look()
            except EgresswayError as failure:
                _log.warning("moves are not ended yet, it is tried again: %s", failure.text)
            except Exception:
                _log.exception("moves could not be ended")
