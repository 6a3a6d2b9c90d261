"""Nothing leaves that contradicts itself (CONFIG 3 of 5)."""

from __future__ import annotations

from itertools import islice

from egressway.wire.consistency import zone_at_fault
from egressway.wire.fleet import FleetSnapshot
from egressway.wire.fleet_consistency import fleet_inconsistencies
from egressway.wire.fleet_state import FleetState

__all__ = ["InconsistentSnapshotError", "check"]

MOST_TOLD = 5


class InconsistentSnapshotError(ValueError):
    """A defect of the compiler or of the store: no server would take this snapshot."""

    def __init__(self, revision: int, defects: list[str]) -> None:
        self.revision = revision
        self.defects = tuple(defects)
        self.zone_id = zone_at_fault(defects[0])
        super().__init__(f"revision {revision} contradicts itself: {'; '.join(defects)}")


def check(state: FleetState, change: FleetSnapshot | None = None) -> None:
    """Raise `InconsistentSnapshotError` with the first defects of `state`, of which `change` is new.

    Zones that stay are not in it: what a difference contradicts there is found by the servers.
    """
    defects = list(islice(fleet_inconsistencies(state, change), MOST_TOLD))
    if defects:
        raise InconsistentSnapshotError(state.revision, defects)
