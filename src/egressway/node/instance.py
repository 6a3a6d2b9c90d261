"""Of two nodes with one identity, the one that was started later (beside CONFIG 4).

A data directory that was copied is an identity that was copied: same name, same certificate, same epoch.
Each start is an instance of its own, which puts its mark on the bus; whoever finds another's mark there
has been superseded. A process that takes over from an older one on its host goes on with its instance.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from egressway.bus.bus import Bus, BusError, Cancel

__all__ = ["Instance"]

AGAIN_SECONDS: Final = 10.0
_log = logging.getLogger(__name__)


class Instance:
    """For the follower's thread; `heard` is called by the bus and only has to wake it."""

    def __init__(self, bus: Bus, server: str, heard: Callable[[bytes], None]) -> None:
        self._bus = bus
        self._server = server
        self._heard = heard
        self._cancel: Cancel | None = None
        self._again_at = 0.0
        self.mark = secrets.token_hex(8)
        """Before the first `claim` it may be replaced by that of the process before."""

    def claim(self) -> None:
        """Say that this instance is the newest, once, as soon as that is possible."""
        if self._cancel is not None or not self._bus.is_connected:
            return
        if time.monotonic() < self._again_at:
            return
        # A bus that does not let it through costs the time of an answer at each attempt.
        self._again_at = time.monotonic() + AGAIN_SECONDS
        try:
            self._bus.put_instance(self._server, self.mark.encode("ascii"))
            # Only now: what was there before is older.
            self._cancel = self._bus.watch_instance(self._server, self._heard)
        except BusError as failure:
            _log.debug("this instance cannot be told yet: %s", failure)

    def is_superseded_by(self, mark: bytes) -> bool:
        """Whether the mark is another's."""
        return mark != self.mark.encode("ascii")

    def close(self) -> None:
        """Hear of no other any more."""
        if self._cancel is not None:
            with suppress(BusError):
                self._cancel()
