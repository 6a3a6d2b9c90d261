"""Publishes each change of the store to all servers as soon as it is there (CONFIG 3 of 5).

A change only says "look again": any number of them while one is on its way make one more message.
Several control planes may do this over one store: each message says which one it follows, the bus
refuses whoever has not seen the last, and a difference fits any state between its two revisions, so
it does not matter who publishes what. What fails is tried again with growing pauses. A zone that
contradicts itself is withheld until it changes: it must not hold up the others.
"""

from __future__ import annotations

import logging
import threading
from typing import Final

import msgspec

from egressway.bus.bus import Bus, Conflict, Position, Unavailable, Whole
from egressway.distribution.check import InconsistentSnapshotError, check
from egressway.distribution.compile import compile_since, compile_topology, compile_whole
from egressway.distribution.wholes import EVERY_REVISIONS, WholeKeeper
from egressway.distribution.withheld import WithheldZones
from egressway.model.errors import StoreError
from egressway.model.ids import ZoneId
from egressway.store import Read, Store
from egressway.wire.fleet import FleetSnapshot, encode
from egressway.wire.fleet_state import FleetState
from egressway.wire.region_class import EVERYWHERE, classes, for_class
from egressway.wire.snapshot import Settings

__all__ = ["POLL_SECONDS", "Publisher"]

POLL_SECONDS: Final = 0.2
"""How often the store is asked for changes that another replica has made."""

MOST_ATTEMPTS: Final = 50
FIRST_PAUSE_SECONDS: Final = 0.5
LONGEST_PAUSE_SECONDS: Final = 60.0
AWAY_PAUSE_SECONDS: Final = 1.0
"""Bus and store come back by themselves; a defect mostly does not."""

_log = logging.getLogger(__name__)


class Publisher:
    """A thread between `start` and `stop`; `publish_once` is what it repeats."""

    def __init__(
        self,
        store: Store,
        bus: Bus,
        settings: Settings,
        *,
        poll_seconds: float | None = POLL_SECONDS,
        whole_every: int | None = EVERY_REVISIONS,
    ) -> None:
        self._store = store
        self._bus = bus
        self._settings = settings
        self._poll_seconds = poll_seconds
        self._last: dict[str, Position] = {}  # by class of servers
        self._told: frozenset[str] | None = None  # classes that servers may be in
        self._fleet: FleetState | None = None  # as published, without zones
        self._withheld = WithheldZones()
        self._wholes = WholeKeeper(
            store, bus, settings, lambda: self._withheld.ids, every_revisions=whole_every
        )
        self._failure: str | None = None
        self._longest_pause = LONGEST_PAUSE_SECONDS
        self._changed = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="distribution", daemon=True)

    @property
    def failure(self) -> str | None:
        """Why the newest revision is not published; None when it is."""
        return self._failure

    @property
    def published(self) -> Position | None:
        """Where the configuration stands on the bus, as far as this process has seen."""
        return self._last.get(EVERYWHERE)

    @property
    def withheld(self) -> dict[ZoneId, str]:
        """Zones that are not published as they are stored, and why."""
        return self._withheld.reasons

    def start(self) -> None:
        """Publish every change from now on; also what an earlier `publish_once` could not."""
        if self._failure is not None:
            self._changed.set()
        self._wholes.start()
        self._thread.start()

    def stop(self) -> None:
        """Publish nothing more; waits for what is under way."""
        self._stopping = True
        self._changed.set()
        self._wholes.stop()
        if self._thread.ident is not None:
            self._thread.join()

    def wake(self) -> None:
        """The store has changed. Returns at once; for `Store.on_change`."""
        self._changed.set()

    def publish_once(self) -> bool:
        """Bring the bus to the newest revision; when that fails, `failure` says why."""
        try:
            self._longest_pause = LONGEST_PAUSE_SECONDS
            self._failure = self._publish()
        except (Conflict, Unavailable, StoreError) as failure:
            self._begin_anew()
            self._failure, self._longest_pause = str(failure), AWAY_PAUSE_SECONDS
            _log.warning("a change is not published yet, it is tried again: %s", failure)
        except Exception as defect:
            # The thread is the only way of a change to the servers: it must outlive any one defect.
            self._begin_anew()
            self._failure = str(defect)
            _log.exception("a change could not be published; it is tried again")
        return self._failure is None

    def _begin_anew(self) -> None:
        self._last, self._fleet = {}, None

    def _publish(self) -> str | None:
        for _ in range(MOST_ATTEMPTS):
            try:
                if self._publish_newest():
                    self._wholes.published(dict(self._last))
                    return None
            except Conflict:
                self._begin_anew()
            except InconsistentSnapshotError as defect:
                self._fleet = None
                if defect.zone_id is None or not self._withheld.add(
                    ZoneId(defect.zone_id), defect.revision, str(defect)
                ):
                    return str(defect)
        return "others publish at the same time, or too many zones contradict themselves"

    def _publish_newest(self) -> bool:
        """Whether what is on the bus is now what the store held, for every class of servers."""
        is_first = not self._last
        if self._told is None:
            # Also those that have ended while nobody published: their servers are to hear of it.
            self._told = self._bus.classes()
        last = self._bus.last_config(EVERYWHERE) if is_first else self._last[EVERYWHERE]
        with self._store.read() as read:
            if not is_first and last and read.revision() == last.revision:
                return True
            self._withheld.release_changed(read)
            change = self._compile(read, last)
            if is_first and change.base_revision is not None:
                change = self._with_topology(read, change)
            present = classes(self._check(read, change).topology)
            # Servers of a class that ends hear of it there alone, so it comes first: who publishes may
            # end at any moment, and whoever goes on knows the present classes only.
            to_send: list[tuple[str, Position | None, FleetSnapshot]] = []
            in_turn = sorted(self._told.union(present), key=lambda cls: (cls in present, cls))
            for cls in in_turn:
                if cls == EVERYWHERE:
                    to_send.append((cls, last, change))
                    continue
                own = self._last.get(cls) or self._bus.last_config(cls)
                is_alike = own and last and own.revision == last.revision
                to_send.append((cls, own, change if is_alike else self._compile(read, own)))
        for cls, own, snapshot in to_send:
            self._last[cls] = self._send(cls, for_class(snapshot, cls), own)
        self._last = {cls: self._last[cls] for cls in present}
        self._told = frozenset(present)
        return True

    def _compile(self, read: Read, last: Position | None) -> FleetSnapshot:
        since = last.revision if last else None
        return compile_since(read, self._settings, since, self._withheld.ids)

    def _with_topology(self, read: Read, change: FleetSnapshot) -> FleetSnapshot:
        """The limits may be others than those that were published before this process began."""
        return msgspec.structs.replace(change, topology=compile_topology(read, self._settings))

    def _check(self, read: Read, change: FleetSnapshot) -> FleetState:
        """What is published once it is, without zones."""
        if change.base_revision is None:
            self._fleet = FleetState(msgspec.structs.replace(change, zones=()))
            check(FleetState(change))
            return self._fleet
        bare = msgspec.structs.replace(change, zones=(), removed_zones=())
        if self._fleet is None:
            self._fleet = FleetState(compile_whole(read, self._settings, with_zones=False))
        else:
            self._fleet.apply(bare)
        check(self._fleet, change)
        return self._fleet

    def _send(self, cls: str, change: FleetSnapshot, last: Position | None) -> Position:
        content = encode(change)
        if change.base_revision is None or len(content) > self._bus.largest_message:
            return self._send_whole(cls, change, content, last)
        sequence = self._bus.publish_config(
            cls,
            content,
            revision=change.revision,
            base_revision=change.base_revision,
            expect_last=last.sequence if last else 0,
        )
        return Position(sequence, change.revision)

    def _send_whole(
        self, cls: str, change: FleetSnapshot, content: bytes, last: Position | None
    ) -> Position:
        """Everything is put where it can be fetched, and a message without content says so."""
        sequence = last.sequence if last else 0
        revision = change.revision
        if change.base_revision is None:
            self._bus.put_whole(cls, Whole(revision, sequence, content))
        else:
            revision = self._wholes.put_newest({cls: Position(sequence, revision)})
        sequence = self._bus.publish_config(
            cls, b"", revision=revision, base_revision=None, expect_last=sequence
        )
        return Position(sequence, revision)

    def _run(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        while not self._stopping:
            self._changed.wait(self._poll_seconds if self._failure is None else pause)
            self._changed.clear()
            if self._stopping:
                return
            was_failing = self._failure is not None
            pause = min(2 * pause, self._longest_pause) if was_failing else FIRST_PAUSE_SECONDS
            if not self.publish_once() and not was_failing:
                _log.error("the newest revision is not published: %s", self._failure)
