"""Renews this node's certificate in time, by itself (beside CONFIG 4).

After two thirds of its life the last third is left for a control plane that is away: it is asked
again and again with growing pauses. When it says no, the node is no longer who it was, and `refused`
tells that; a certificate that ends all the same stops peers from forwarding here, and nothing else.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from egressway.node.enrolment import ControlRefused, ControlUnreachable, renew
from egressway.node.identity import Identity, IdentityFile

__all__ = ["Renewal"]

LOOK_SECONDS: Final = 5.0
FIRST_PAUSE_SECONDS: Final = 1.0
LONGEST_PAUSE_SECONDS: Final = 300.0
_log = logging.getLogger(__name__)


class Renewal:
    """A thread between `start` and `stop`; `renew_once` is what it does when it is time."""

    def __init__(
        self,
        identity: Identity,
        file: IdentityFile,
        use: Callable[[Identity], None],
        refused: Callable[[ControlRefused], None],
        ask: Callable[[Identity], Identity] = renew,
    ) -> None:
        self._identity = identity
        self._file = file
        self._use = use
        self._refused = refused
        self._ask = ask
        self._failure: str | None = None
        self._due_at = time.monotonic() + _seconds_until(identity.renew_at)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="renewal", daemon=True)

    @property
    def identity(self) -> Identity:
        """The newest."""
        return self._identity

    @property
    def failure(self) -> str | None:
        """Why it could not be renewed the last time; None when it could."""
        return self._failure

    def start(self) -> None:
        """Renew whenever it is time from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Renew no more; waits for an answer under way."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()

    def renew_once(self) -> bool:
        """Whether there is a new certificate."""
        try:
            renewed = self._ask(self._identity)
        except ControlUnreachable as unreachable:
            self._failure = f"the certificate could not be renewed: {unreachable}"
            _log.warning("%s; it ends at %s", self._failure, self._identity.not_after)
            return False
        except ControlRefused as refused:
            self._failure = str(refused)
            _log.error("the certificate is not renewed: %s", refused)
            self._refused(refused)
            return False
        self._file.write(renewed)
        self._identity, self._failure = renewed, None
        self._due_at = time.monotonic() + _seconds_until(renewed.renew_at)
        self._use(renewed)
        _log.info("the certificate was renewed; it ends at %s", renewed.not_after)
        return True

    def _run(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        while not self._stopping.wait(self._seconds_to_wait()):
            if not self._is_due():
                continue
            try:
                renewed = self.renew_once()
            except Exception:
                # Without this thread the node falls out of its fleet: it must outlive any one defect.
                _log.exception("a renewal has failed")
                renewed = False
            pause = FIRST_PAUSE_SECONDS if renewed else min(2 * pause, LONGEST_PAUSE_SECONDS)
            if self._stopping.wait(pause * random.uniform(0.5, 1.0)):  # noqa: S311 - spreads nodes
                return

    def _seconds_to_wait(self) -> float:
        return min(LOOK_SECONDS, max(0.0, self._due_at - time.monotonic()))

    def _is_due(self) -> bool:
        """By either clock: one may jump, the other stands still while the machine sleeps."""
        return time.monotonic() >= self._due_at or _seconds_until(self._identity.renew_at) <= 0


def _seconds_until(moment: datetime) -> float:
    return (moment - datetime.now(UTC)).total_seconds()
