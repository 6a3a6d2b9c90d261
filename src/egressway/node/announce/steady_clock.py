"""ExaBGP with a clock that nobody sets (beside CONFIG 4): `python -P steady_clock.py server FILE`.

ExaBGP measures silence and pauses by the time of day. When a machine's clock is set forward, every session
would end for want of a sign of life; when it is set back, none would begin again until the old time is
reached. Here the time of day goes on from the start as the monotonic clock does.
"""

from __future__ import annotations

import runpy
import time
from collections.abc import Callable

__all__ = ["steady"]


def steady(time_of_day: float, monotonic: Callable[[], float]) -> Callable[[], float]:
    """A time of day that begins at `time_of_day` and never jumps."""
    began = monotonic()
    return lambda: time_of_day + monotonic() - began


def _main() -> None:
    time.time = steady(time.time(), time.monotonic)
    runpy.run_module("exabgp", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    _main()
