"""What has to be in step with the data plane: return steering (beside CONFIG 4).

    before   the data plane is about to get other ports
    after    it has them, and opens nothing any more in ports that have left
    heard    it is about to get tuples that the source of a move has given back
    telling  others are about to hear which tuples this server has given back

Whatever packets come meanwhile reach the connections that there are, and those that are opened next.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Protocol

from egressway.wire.fleet_state import FleetState
from egressway.wire.held import HeldTuples

__all__ = ["Alone", "Beside", "guarded"]

_log = logging.getLogger(__name__)


class Beside(Protocol):
    """Called in the follower's thread; each returns when it is done."""

    def before(self, state: FleetState, told: Mapping[str, HeldTuples]) -> None:
        """The fleet will be like this; `told` is what the sources of moves to this server hold."""
        ...

    def after(self) -> None:
        """The data plane runs what `before` was told last."""
        ...

    def heard(self, told: Mapping[str, HeldTuples]) -> None:
        """A source has told; what it no longer holds may be used next."""
        ...

    def telling(self) -> None:
        """What is open in ports that have left is about to be told."""
        ...


class Alone:
    """Nothing has to be in step."""

    def before(self, state: FleetState, told: Mapping[str, HeldTuples]) -> None:
        """Nothing to do."""

    def after(self) -> None:
        """Nothing to do."""

    def heard(self, told: Mapping[str, HeldTuples]) -> None:
        """Nothing to do."""

    def telling(self) -> None:
        """Nothing to do."""


def guarded(step: Callable[[], None]) -> None:
    """Take a step; a defect in it must not keep a change from the data plane."""
    try:
        step()
    except Exception:
        _log.exception("return steering could not keep in step with the data plane")
