"""When tokens were last used, on its way to the store.

CONFIG 1 of 5, beside the gate. Noted in memory with every request, written at most once a minute
and off the request's way: no caller waits for it, and a store that cannot be written costs nothing
but the note.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from egressway.model.errors import StoreError
from egressway.model.ids import TokenId
from egressway.store import Store

__all__ = ["TokenUse"]

EVERY_SECONDS: Final = 60.0
_log = logging.getLogger(__name__)


class TokenUse:
    """`note` is called for every request with a token, from many threads."""

    def __init__(self, store: Store, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._clock = clock
        self._lock = threading.Lock()
        self._used: dict[TokenId, datetime] = {}
        self._due_at = clock()

    def note(self, token_id: TokenId) -> None:
        """This token is used now."""
        with self._lock:
            self._used[token_id] = datetime.now(UTC)

    def write_when_due(self) -> None:
        """Called in the event loop after a request; returns at once."""
        with self._lock:
            now = self._clock()
            if not self._used or now < self._due_at:
                return
            self._due_at = now + EVERY_SECONDS
            used, self._used = self._used, {}
        asyncio.get_running_loop().run_in_executor(None, self._write, used)

    def _write(self, used: dict[TokenId, datetime]) -> None:
        try:
            with self._store.write("token use") as write:
                write.tokens.note_use(used)
        except StoreError as failure:
            _log.warning("the last use of %d tokens is not written: %s", len(used), failure)
