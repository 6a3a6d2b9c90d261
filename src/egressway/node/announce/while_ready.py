"""Ties announcements to readiness (beside CONFIG 4): one place decides both, and it looks all the time.

Readiness is asked four times a second. Not ready, no answer, or an answer that is an error: everything is
withdrawn. So routers and `/readyz` never disagree for more than a second.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from typing import Final

from egressway.node.announce.announcer import Announcer, AnnouncerStatus
from egressway.node.announce.desired import Route

__all__ = ["AnnounceWhileReady"]

TICK_SECONDS: Final = 0.25
_LOOK_SECONDS: Final = 0.05
_MOST_LOOKS: Final = 10
"""So many looks without an answer: not ready. Looks are counted, and not time, so that a process that
was stopped as a whole does not take its own sleep for silence."""
_log = logging.getLogger(__name__)


class AnnounceWhileReady:
    """Owns its announcer between `start` and `stop`.

    `is_ready` is asked in a thread of its own and may take its time; it must not depend on the
    announcer's own state, or the two would wait for each other.
    """

    def __init__(self, announcer: Announcer, is_ready: Callable[[], bool]) -> None:
        self._announcer = announcer
        self._ask = is_ready
        self._routes: tuple[Route, ...] = ()
        self._answer = False
        self._answers = 0
        self._is_announcing = False
        self._one_at_a_time = threading.Lock()
        self._stopping = threading.Event()
        self._threads = (
            threading.Thread(target=self._listen, name="readiness", daemon=True),
            threading.Thread(target=self._decide, name="announcements", daemon=True),
        )

    @property
    def status(self) -> AnnouncerStatus:
        """Of the announcer."""
        return self._announcer.status

    @property
    def is_announcing(self) -> bool:
        """What the last look has decided."""
        return self._is_announcing

    def start(self) -> None:
        """Open the sessions and watch readiness."""
        self._announcer.start()
        for thread in self._threads:
            thread.start()

    def set(self, routes: Iterable[Route]) -> None:
        """What is to be announced while this server is ready."""
        with self._one_at_a_time:
            self._routes = tuple(routes)
            if self._is_announcing and not self._stopping.is_set():
                self._announcer.set(self._routes)

    def stop(self, within: float = 3.0) -> None:
        """Withdraw, see it sent, end; then the data plane may stop."""
        with self._one_at_a_time:
            self._stopping.set()
            self._is_announcing = False
        self._announcer.stop(within)

    def _listen(self) -> None:
        while not self._stopping.wait(TICK_SECONDS):
            try:
                self._answer = self._ask()
            except Exception:
                _log.exception("readiness cannot be told, so nothing is announced")
                self._answer = False
            self._answers += 1

    def _decide(self) -> None:
        seen = silent = 0
        while not self._stopping.wait(_LOOK_SECONDS):
            silent = silent + 1 if self._answers == seen else 0
            seen = self._answers
            self._follow(is_ready=self._answer and silent < _MOST_LOOKS)

    def _follow(self, *, is_ready: bool) -> None:
        with self._one_at_a_time:
            if is_ready == self._is_announcing or self._stopping.is_set():
                return
            self._is_announcing = is_ready
            self._announcer.set(self._routes if is_ready else ())
        _log.warning("this server %s", "announces" if is_ready else "withdraws what it announces")
