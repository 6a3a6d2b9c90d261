"""When what runs goes to the disk, and as what (CONFIG 4 of 5): changes one by one, or the whole.

Only what the data plane has taken is good enough to be started from. While a rollout is under way, the
files must go on leading to the stable revision.
"""

from __future__ import annotations

from egressway.node.gatekeeper import Gatekeeper
from egressway.node.last_good import LastGood, Restored
from egressway.node.running import Running

__all__ = ["Keeping"]


class Keeping:
    """For the follower's thread. Without a disk nothing is kept, and nothing is there."""

    def __init__(self, last_good: LastGood | None, running: Running, gate: Gatekeeper) -> None:
        self._last_good = last_good
        self._running = running
        self._gate = gate
        self._is_behind = False

    @property
    def failure(self) -> str | None:
        """Why what runs is not on disk."""
        return self._last_good.failure if self._last_good else None

    def load(self) -> Restored | None:
        """What can be started from."""
        return self._last_good.load() if self._last_good else None

    def change(self, content: bytes, sequence: int) -> None:
        """A message has been followed that stands at this place on the bus."""
        if self._last_good is None or not self._running.is_brought or self._is_behind:
            self._is_behind = True
            return
        self._last_good.keep_change(content, sequence)

    def whole(self, sequence: int) -> None:
        """What runs has not come about by changes alone."""
        if self._last_good is not None and self._running.state is not None:
            self._is_behind = not self._running.is_brought
            if self._running.is_brought:
                self._last_good.keep_whole(self._running.state.whole(), sequence)

    def whole_if_wanted(self, sequence: int) -> None:
        """Changes have gathered, or some could not be kept."""
        if self._last_good is None or not self._running.is_brought:
            return
        is_wanted = self._last_good.wants_whole or self._is_behind
        if is_wanted and not self._gate.is_beyond_stable(self._running.revision):
            self.whole(sequence)
