"""A state that contradicts itself does not leave."""

from __future__ import annotations

import pytest

from egressway.distribution.check import MOST_TOLD, InconsistentSnapshotError, check
from egressway.wire.fleet_state import FleetState
from tests.support.fleets import fleet, zone


def test_good_state_passes():
    check(FleetState(fleet(zones=(zone(),))))


def test_bad_state_is_stopped_with_its_first_defects_and_the_zone_at_fault():
    zones = tuple(zone(f"z{number}.example.com", pool="lost") for number in range(20))
    with pytest.raises(InconsistentSnapshotError, match="revision 9 contradicts itself") as stopped:
        check(FleetState(fleet(9, zones=zones)))
    assert len(stopped.value.defects) == MOST_TOLD
    assert stopped.value.zone_id == zones[0].id
