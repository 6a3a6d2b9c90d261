"""Keeps a whole on the bus that is not too far behind (CONFIG 3 of 5).

Servers that cannot build on what they have begin with it: new ones, and those that were away for
longer than the bus keeps messages. It is compiled beside the publishing of changes, which go on
meanwhile: differences that have been published before it was read fit it too.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Mapping
from typing import Final

from egressway.bus.bus import Bus, BusError, Position, Whole
from egressway.distribution.compile import compile_whole
from egressway.model.errors import StoreError
from egressway.model.ids import ZoneId
from egressway.store import Store
from egressway.wire.acknowledgement import Acknowledgement
from egressway.wire.fleet import encode
from egressway.wire.region_class import for_class
from egressway.wire.snapshot import Settings

__all__ = ["EVERY_REVISIONS", "WholeKeeper"]

EVERY_REVISIONS: Final = 1_000
"""A whole further behind is replaced; the bus keeps more messages than this.

Where the only reader is in the same process and misses nothing, none has to be.
"""

_AGAIN_SECONDS: Final = 5.0
_log = logging.getLogger(__name__)


class WholeKeeper:
    """A thread between `start` and `stop`; works when it is told to look."""

    def __init__(
        self,
        store: Store,
        bus: Bus,
        settings: Settings,
        withheld: Callable[[], Collection[ZoneId]],
        *,
        every_revisions: int | None = EVERY_REVISIONS,
    ) -> None:
        self._store = store
        self._bus = bus
        self._settings = settings
        self._withheld = withheld
        self._every_revisions = every_revisions
        self._published: Mapping[str, Position] = {}
        self._kept: dict[str, Position] = {}
        self._is_wanted = False
        self._look = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="wholes", daemon=True)

    def start(self) -> None:
        """Keep one from now on."""
        self._cancel = self._bus.acknowledgements(self._heard)
        self._thread.start()

    def stop(self) -> None:
        """Wait for what is under way, and end."""
        self._stopping.set()
        self._look.set()
        if self._thread.ident is not None:
            self._thread.join()
            self._cancel()

    def published(self, positions: Mapping[str, Position]) -> None:
        """So far are the changes, by class of servers. Returns at once."""
        self._published = positions
        if any(self._is_behind(cls, at) for cls, at in positions.items()):
            self._look.set()

    def put_newest(self, positions: Mapping[str, Position]) -> int:
        """Put what the store holds now, for messages after these; its revision."""
        with self._store.read() as read:
            whole = compile_whole(read, self._settings, self._withheld())
        for cls, at in positions.items():
            content = encode(for_class(whole, cls))
            self._bus.put_whole(cls, Whole(whole.revision, at.sequence, content))
            self._kept[cls] = Position(at.sequence, whole.revision)
        return whole.revision

    def _is_behind(self, cls: str, at: Position) -> bool:
        if self._every_revisions is None:
            return False
        kept = self._kept.get(cls)
        return kept is None or not 0 <= at.revision - kept.revision < self._every_revisions

    def _heard(self, acknowledgement: Acknowledgement) -> None:
        if acknowledgement.wants_whole:
            self._is_wanted = True
            self._look.set()

    def _run(self) -> None:
        while True:
            self._look.wait()
            self._look.clear()
            if self._stopping.is_set():
                return
            try:
                self._keep()
            except (BusError, StoreError) as failure:
                _log.warning("the whole is not kept yet, it is tried again: %s", failure)
                self._look.set()
                self._stopping.wait(_AGAIN_SECONDS)
            except Exception:
                _log.exception("the whole could not be kept")

    def _keep(self) -> None:
        published = self._published
        if not self._is_wanted:
            for cls in published:
                # Another replica may have done it.
                kept = self._bus.last_whole(cls)
                if kept is not None:
                    self._kept[cls] = kept
            published = {cls: at for cls, at in published.items() if self._is_behind(cls, at)}
        if not published:
            return
        self.put_newest(published)
        self._is_wanted = False
        # Many may ask at once, and one answer is enough for all of them.
        self._stopping.wait(1.0)
