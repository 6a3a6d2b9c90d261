"""The thread of a bus that calls handlers, one after another."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
from typing import Any

__all__ = ["Dispatcher"]

_log = logging.getLogger(__name__)


class Dispatcher:
    """Runs from construction until `close`."""

    def __init__(self) -> None:
        self._calls: queue.SimpleQueue[tuple[Callable[..., None], tuple[Any, ...]] | None]
        self._calls = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="bus", daemon=True)
        self._thread.start()

    def call(self, handler: Callable[..., None], *arguments: object) -> None:
        """Returns at once; the handler is called after all that came before."""
        self._calls.put((handler, arguments))

    def close(self) -> None:
        """Let the calls that wait happen, and end. A second call does nothing."""
        self._calls.put(None)
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _run(self) -> None:
        while (call := self._calls.get()) is not None:
            handler, arguments = call
            try:
                handler(*arguments)
            except Exception:
                # One defect must not end what all other handlers live by.
                _log.exception("a handler of the bus has failed")
