"""A snapshot that contradicts itself does not leave."""

from __future__ import annotations

import pytest

from egressway.distribution.check import MOST_TOLD, InconsistentSnapshotError, check
from tests.support.snapshots import snapshot, zone


def test_good_snapshot_passes_unchanged():
    good = snapshot(1, zone())
    assert check(good) is good


def test_bad_snapshot_is_stopped_with_its_first_defects():
    zones = [zone(f"z{number}.example.com", pool="lost") for number in range(20)]
    with pytest.raises(InconsistentSnapshotError, match="revision 9 contradicts itself") as stopped:
        check(snapshot(9, *zones))
    assert len(stopped.value.defects) == MOST_TOLD
