"""Sends each change of the store to the node as soon as it is there (CONFIG 3 of 5).

A change only says "look again": any number of them while a snapshot is on its way make one more.
The node answers with the revision it runs. A difference that does not fit what the node has is
followed by the whole; what fails all the same is tried again with growing pauses, so that no defect
keeps a processor busy. A zone that no node takes is withheld until it changes: it must not hold up
the others.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Final

from egressway.distribution.check import InconsistentSnapshotError, check
from egressway.distribution.compile import compile_since
from egressway.distribution.server import ServerSettings
from egressway.distribution.withheld import WithheldZones
from egressway.model.ids import ZoneId
from egressway.store import Store
from egressway.wire.acknowledgement import Acknowledgement
from egressway.wire.snapshot import Pool, Snapshot

__all__ = ["Distributor", "Send"]

Send = Callable[[Snapshot], Acknowledgement]
"""Delivers a snapshot and brings the node's answer."""

MOST_ATTEMPTS: Final = 50
FIRST_PAUSE_SECONDS: Final = 0.5
LONGEST_PAUSE_SECONDS: Final = 60.0
_log = logging.getLogger(__name__)


class Distributor:
    """A thread between `start` and `stop`; `push_once` is what it repeats."""

    def __init__(self, store: Store, server: ServerSettings, send: Send) -> None:
        self._store = store
        self._server = server
        self._send = send
        self._acknowledged: int | None = None
        self._pools: tuple[Pool, ...] | None = None  # of the acknowledged revision
        self._withheld = WithheldZones()
        self._failure: str | None = None
        self._changed = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="distribution", daemon=True)

    @property
    def failure(self) -> str | None:
        """Why the node does not run the newest revision; None when it does."""
        return self._failure

    @property
    def withheld(self) -> dict[ZoneId, str]:
        """Zones that are not served as they are stored, and why."""
        return self._withheld.reasons

    def start(self) -> None:
        """Push every change from now on; also what an earlier `push_once` could not."""
        if self._failure is not None:
            self._changed.set()
        self._thread.start()

    def stop(self) -> None:
        """Push nothing more; waits for a push under way."""
        self._stopping = True
        self._changed.set()
        if self._thread.ident is not None:
            self._thread.join()

    def wake(self) -> None:
        """The store has changed. Returns at once; for `Store.on_change`."""
        self._changed.set()

    def push_once(self) -> bool:
        """Bring the node to the newest revision; when that fails, `failure` says why."""
        try:
            self._failure = self._push()
        except Exception as defect:
            # The thread is the only way of a change to the node: it must outlive any one defect.
            self._acknowledged = None
            self._failure = str(defect)
            _log.exception("a change could not be distributed; it is tried again")
        return self._failure is None

    def _push(self) -> str | None:
        for _ in range(MOST_ATTEMPTS):
            snapshot = self._compile()
            if snapshot.revision == self._acknowledged:
                return None
            answer = self._deliver(snapshot)
            if answer.revision == snapshot.revision:
                self._acknowledged, self._pools = snapshot.revision, snapshot.pools
                return None
            if not self._make_way(snapshot, answer):
                return answer.reason or f"the node runs revision {answer.revision}"
        return "too many zones are refused at once"

    def _compile(self) -> Snapshot:
        with self._store.read() as read:
            self._withheld.release_changed(read)
            return compile_since(
                read, self._server, self._acknowledged, self._withheld.ids, self._pools
            )

    def _deliver(self, snapshot: Snapshot) -> Acknowledgement:
        try:
            return self._send(check(snapshot, self._pools))
        except InconsistentSnapshotError as defect:
            return Acknowledgement(self._acknowledged or 0, str(defect), defect.zone_id)

    def _make_way(self, snapshot: Snapshot, answer: Acknowledgement) -> bool:
        """Whether another snapshot may be taken where this one was refused."""
        if answer.zone_id is not None:
            reason = answer.reason or "refused"
            if self._withheld.add(ZoneId(answer.zone_id), snapshot.revision, reason):
                return True
        is_difference = snapshot.base_revision is not None
        self._acknowledged = None
        return is_difference

    def _run(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        while not self._stopping:
            self._changed.wait(None if self._failure is None else pause)
            self._changed.clear()
            if self._stopping:
                return
            was_failing = self._failure is not None
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS) if was_failing else FIRST_PAUSE_SECONDS
            if not self.push_once():
                _log.error("the node does not run the newest revision: %s", self._failure)
