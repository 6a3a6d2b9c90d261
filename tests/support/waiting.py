"""Waiting for what must come to pass, with a deadline instead of a guess."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

DEADLINE = 10.0
"""Seconds after which a wait has failed; generous, since the machine may be busy."""

_PAUSE = 0.005


def eventually(
    look: Callable[[], T], *, within: float = DEADLINE, why: str = "", pause: float = _PAUSE
) -> T:
    """Look again and again until something true is seen; return it.

    Raises:
        AssertionError: the deadline passed; the message holds what was seen last.
    """
    end = time.monotonic() + within
    while not (seen := look()):
        assert time.monotonic() < end, f"not within {within:.0f} s: {why or look}; last: {seen!r}"
        time.sleep(pause)
    return seen
