"""No snapshot leaves that contradicts itself (CONFIG 3 of 5)."""

from __future__ import annotations

from itertools import islice

from egressway.wire.consistency import inconsistencies, zone_at_fault
from egressway.wire.snapshot import Pool, Snapshot

__all__ = ["InconsistentSnapshotError", "check"]

MOST_TOLD = 5


class InconsistentSnapshotError(ValueError):
    """A defect of the compiler or of the store: no node would take this snapshot."""

    def __init__(self, revision: int, defects: list[str]) -> None:
        self.revision = revision
        self.defects = tuple(defects)
        self.zone_id = zone_at_fault(defects[0])
        super().__init__(f"revision {revision} contradicts itself: {'; '.join(defects)}")


def check(snapshot: Snapshot, checked_pools: tuple[Pool, ...] | None = None) -> Snapshot:
    """Give back `snapshot`, or raise `InconsistentSnapshotError` with its first defects.

    Pools that are the very ones of `checked_pools` are not looked through again.

    A difference is checked by itself: what it contradicts in the zones that stay is found by the
    node, which has them, and the whole snapshot is sent then.
    """
    are_pools_known = snapshot.pools is checked_pools
    found = inconsistencies(snapshot, are_pools_known=are_pools_known)
    defects = list(islice(found, MOST_TOLD))
    if defects:
        raise InconsistentSnapshotError(snapshot.revision, defects)
    return snapshot
