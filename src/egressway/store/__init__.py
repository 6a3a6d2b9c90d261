"""CONFIG 2 of 5: the SQL truth. What is acknowledged here survives a power cut.

One `Store` per process. `store.read()` is a consistent view, `store.write(actor)` one transaction; every
change is written into a journal whose counter is the revision. Values go in and come out as the frozen
types of `model`; no row and no session leaves this package.
"""

from egressway.store.changes import Change, ChangeKind
from egressway.store.fleet import SnapshotFleet
from egressway.store.read import Read
from egressway.store.snapshots import (
    SnapshotCertificate,
    SnapshotPool,
    SnapshotRecord,
    SnapshotRegional,
    SnapshotZone,
)
from egressway.store.store import Store
from egressway.store.write import Write

__all__ = [
    "Change",
    "ChangeKind",
    "Read",
    "SnapshotCertificate",
    "SnapshotFleet",
    "SnapshotPool",
    "SnapshotRecord",
    "SnapshotRegional",
    "SnapshotZone",
    "Store",
    "Write",
]
