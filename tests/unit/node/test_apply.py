"""The node knows what is wanted and what runs, and does not forget a refusal."""

from __future__ import annotations

import pytest

from egressway.data_plane.fake import FakeDataPlane, FakeHost
from egressway.data_plane.handle import ListenerUnavailable, SnapshotRefused
from egressway.node.apply import Applier
from egressway.wire.snapshot import Listener
from tests.support.snapshots import snapshot, zone

BAD = snapshot(2, zone(pool="lost"))


@pytest.fixture
def applier() -> Applier:
    return Applier(FakeDataPlane(FakeHost(frozenset({("127.0.0.1", 80)}))))


def test_applied_snapshot_is_desired_and_applied(applier):
    applier.apply(snapshot(1, zone()))
    state = applier.state
    assert (state.desired_revision, state.applied_revision, state.refusal) == (1, 1, None)


def test_refusal_is_remembered_with_its_reason_and_the_old_revision_stays(applier):
    applier.apply(snapshot(1))
    with pytest.raises(SnapshotRefused):
        applier.apply(BAD)
    state = applier.state
    assert (state.desired_revision, state.applied_revision) == (2, 1)
    assert (state.refusal.revision, state.refusal.kind) == (2, "snapshot")
    assert "`lost`" in state.refusal.reason


def test_listener_in_use_is_a_refusal_of_its_own_kind(applier):
    with pytest.raises(ListenerUnavailable):
        applier.apply(snapshot(1, listeners=(Listener("127.0.0.1", 80, tls=False),)))
    assert applier.state.refusal.kind == "listener"
    assert applier.state.applied is None


def test_refusal_is_over_with_the_next_applied_snapshot(applier):
    assert applier.receive(BAD).revision == 0
    assert applier.receive(snapshot(3)).revision == 3
    assert applier.state.refusal is None
    assert applier.state.refused_total == 1


def test_unbindable_address_is_logged_once(caplog):
    applier = Applier(FakeDataPlane(FakeHost(unbindable={"127.0.0.1": "not on this machine"})))
    for revision in (1, 2, 3):
        applier.apply(snapshot(revision))
    assert [address.ip for address in applier.state.unbindable] == ["127.0.0.1"]
    assert caplog.text.count("not on this machine") == 1


def test_receiving_a_bad_snapshot_answers_with_what_runs_and_the_zone_at_fault(applier):
    applier.receive(snapshot(1))
    answer = applier.receive(BAD)
    assert (answer.revision, answer.zone_id) == (1, "zone-example.com")
    assert "`lost`" in answer.reason


def test_what_runs_is_applied_again_with_its_zones():
    plane = FakeDataPlane()
    applier = Applier(plane)
    applier.again()
    assert applier.state.applied is None
    applier.apply(snapshot(1, zone()))
    applier.again()
    assert applier.state.applied_total == 2
    assert (plane.status().revision, plane.status().zones) == (1, 1)
