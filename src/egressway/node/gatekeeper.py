"""How far this server may follow (CONFIG 4 of 5): the rollout document, and the state to go back to.

The stable state is kept in memory beside the one that runs, and on disk: to return takes no message
from anywhere.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

import msgspec

from egressway.bus.bus import Bus, BusError, Value
from egressway.model.rollout import IMMEDIATE, Rollout, RolloutMode
from egressway.node.last_good import LastGood, Restored
from egressway.wire.fleet_state import FleetState
from egressway.wire.gate import decode

__all__ = ["Gatekeeper"]

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Gatekeeper:
    """For the follower's thread."""

    last_good: LastGood | None
    rollout: Rollout = IMMEDIATE
    is_known: bool = False
    _number: int = 0
    _stable: Restored | None = None

    def ask(self, bus: Bus) -> bool:
        """Look at the document itself, once: a watch says nothing while there is none."""
        if not self.is_known:
            try:
                self.hear(bus.get_gate())
            except BusError:
                return False
        return True

    def hear(self, value: Value) -> None:
        """The document has changed."""
        try:
            self.rollout = decode(value.content)
        except msgspec.MsgspecError as defect:
            # Whoever wrote it is newer; what it permitted before still holds.
            _log.error("the rollout document cannot be read: %s", defect)
        self.is_known, self._number = True, value.number
        if self.rollout.mode is RolloutMode.IMMEDIATE:
            self._stable = None

    def before_going_on(self, state: FleetState, sequence: int, revision: int) -> None:
        """Remember the stable state before the first step beyond it."""
        rollout = self.rollout
        is_leaving = (
            rollout.mode is RolloutMode.STAGED and state.revision <= rollout.stable < revision
        )
        if is_leaving and (self._stable is None or self._stable.state.revision != state.revision):
            self._stable = Restored(state.copy(), sequence)

    def is_beyond_stable(self, revision: int) -> bool:
        """Whether what is on disk must still lead back to the stable revision."""
        return self.rollout.mode is RolloutMode.STAGED and revision > self.rollout.stable

    def way_back(self, permitted: int) -> Restored | None:
        """The newest state known that is permitted."""
        if self._stable is not None and self._stable.state.revision <= permitted:
            # Given away as a copy: it will be changed, and be needed again.
            return Restored(self._stable.state.copy(), self._stable.sequence)
        return self.last_good.load(permitted) if self.last_good else None
