"""Request quotas per token and per client address, in memory.

CONFIG 1 of 5, before a change is looked at. A window starts with a key's first request; when the
quota is used up, every call is refused until the penalty is over. Thread-safe; keys that are no
longer interesting are dropped, so hostile keys cannot fill the memory.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from egressway.api.settings import Quota

__all__ = ["Allowance", "RateLimiter"]

_PRUNE_ABOVE = 10_000


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a caller may still do, as told in `Ratelimit` and `Ratelimit-Policy`."""

    name: str
    quota: Quota
    remaining: int
    reset_seconds: float
    is_refused: bool = False

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """The two headers that every REST answer carries, and `retry-after` when limited."""
        reset = math.ceil(self.reset_seconds)
        window = math.ceil(self.quota.window_seconds)
        lines = [
            (b"ratelimit", f'"{self.name}";r={self.remaining};t={reset}'.encode()),
            (b"ratelimit-policy", f'"{self.name}";q={self.quota.requests};w={window}'.encode()),
        ]
        return [*lines, (b"retry-after", b"%d" % max(reset, 1))] if self.is_refused else lines


@dataclass(slots=True)
class _Window:
    ends_at: float
    used: int
    is_blocked: bool


class RateLimiter:
    """Counts requests by key against one quota."""

    def __init__(
        self, name: str, quota: Quota, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._name = name
        self._quota = quota
        self._clock = clock
        self._windows: dict[str, _Window] = {}
        self._lock = threading.Lock()

    def take(self, key: str) -> Allowance:
        """Counts one request of `key` and says whether it is allowed."""
        with self._lock:
            now = self._clock()
            window = self._current_window(key, now)
            if not window.is_blocked:
                window.used += 1
                if window.used > self._quota.requests:
                    window.is_blocked = True
                    window.ends_at = now + self._quota.penalty_seconds
            return self._allowance(window, now)

    def untouched(self) -> Allowance:
        """The allowance of somebody who is not counted."""
        quota = self._quota
        return Allowance(self._name, quota, quota.requests, quota.window_seconds)

    def _current_window(self, key: str, now: float) -> _Window:
        window = self._windows.get(key)
        if window is None or window.ends_at <= now:
            if len(self._windows) >= _PRUNE_ABOVE:
                self._prune(now)
            window = _Window(now + self._quota.window_seconds, 0, is_blocked=False)
            self._windows[key] = window
        return window

    def _prune(self, now: float) -> None:
        self._windows = {k: w for k, w in self._windows.items() if w.ends_at > now}

    def _allowance(self, window: _Window, now: float) -> Allowance:
        remaining = max(self._quota.requests - window.used, 0)
        return Allowance(
            self._name, self._quota, remaining, window.ends_at - now, window.is_blocked
        )
