"""Messages of the bus on their way into the data plane, in order (CONFIG 4 of 5).

Those that must wait are kept here, but not any number of them: then the bus keeps them, and this server
only its place among them. It goes on hearing of each.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from egressway.bus.bus import Bus, BusError, Cancel, ConfigMessage
from egressway.wire.region_class import EVERYWHERE

__all__ = ["Inbox"]

MOST_WAITING: Final = 10_000
_log = logging.getLogger(__name__)


class Inbox:
    """For the follower's thread. `deliver` is called by the bus with each message and the watch's number."""

    def __init__(self, bus: Bus, deliver: Callable[[int, ConfigMessage], None]) -> None:
        self._bus = bus
        self._cls = EVERYWHERE
        self._deliver = deliver
        self._waiting: deque[ConfigMessage] = deque()
        self._cancel: Cancel | None = None
        self._number = 0
        self._is_left_to_the_bus = False

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def is_open(self) -> bool:
        """Whether messages come."""
        return self._cancel is not None

    @property
    def first(self) -> ConfigMessage | None:
        """What is to be taken next."""
        return self._waiting[0] if self._waiting else None

    def open(self, cls: str, after: int) -> bool:
        """Have everything of a class sent that comes after a place; false while that is not possible."""
        self.close()
        self._cls = cls
        number = self._number
        try:
            self._cancel = self._bus.watch_config(
                self._cls, after, lambda message: self._deliver(number, message)
            )
        except BusError as failure:
            _log.debug("the bus cannot be followed yet: %s", failure)
            return False
        return True

    def close(self) -> None:
        """Take nothing more, and forget what waits."""
        if self._cancel is not None:
            with suppress(BusError):
                self._cancel()
        self._cancel = None
        self._is_left_to_the_bus = False
        self._waiting.clear()
        self._number += 1  # what is on its way belongs to the watch that has ended

    def put(self, number: int, message: ConfigMessage) -> None:
        """Keep it until it can be taken."""
        if number != self._number or self._is_left_to_the_bus:
            return
        self._waiting.append(message)
        if len(self._waiting) > MOST_WAITING:
            self._waiting.clear()
            self._is_left_to_the_bus = True

    def look_again(self, after: int) -> None:
        """Something may be permitted that was not: fetch what was left to the bus."""
        if self._is_left_to_the_bus:
            self.open(self._cls, after)

    def take(self, message: ConfigMessage) -> None:
        """It has been dealt with, unless everything was sent anew meanwhile."""
        if self._waiting and self._waiting[0] is message:
            self._waiting.popleft()
