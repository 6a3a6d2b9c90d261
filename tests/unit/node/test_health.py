"""A server is ready exactly when nothing speaks against it, and every reason is told."""

from __future__ import annotations

from egressway.data_plane.fake import FakeDataPlane, FakeHost
from egressway.node.apply import Applier
from egressway.node.health import Readiness, readiness
from egressway.wire.snapshot import Listener
from tests.support.snapshots import snapshot, zone


def judged(fake: FakeDataPlane, *snapshots) -> Readiness:
    applier = Applier(fake)
    for each in snapshots:
        applier.receive(each)
    return readiness(applier.state, fake.status())


def codes(verdict: Readiness) -> list[str]:
    return [reason.code for reason in verdict.reasons]


def test_server_with_an_applied_snapshot_is_ready():
    verdict = judged(FakeDataPlane(), snapshot(4))
    assert verdict.is_ready
    assert (verdict.desired_revision, verdict.applied_revision) == (4, 4)


def test_server_without_a_snapshot_is_not_ready():
    assert codes(judged(FakeDataPlane())) == ["no_snapshot"]


def test_unbindable_address_is_named_with_its_reason():
    fake = FakeDataPlane(FakeHost(unbindable={"127.0.0.1": "not on this machine"}))
    (reason,) = judged(fake, snapshot()).reasons
    assert (reason.code, reason.subject) == ("egress_address_unbindable", "127.0.0.1")
    assert "not on this machine" in reason.message


def test_refused_snapshot_tells_both_revisions():
    verdict = judged(FakeDataPlane(), snapshot(1), snapshot(2, zone(pool="lost")))
    assert codes(verdict) == ["snapshot_refused"]
    assert "Revision 2" in verdict.reasons[0].message
    assert "Revision 1 goes on" in verdict.reasons[0].message


def test_listener_in_use_is_named():
    fake = FakeDataPlane(FakeHost(frozenset({("127.0.0.1", 80)})))
    verdict = judged(fake, snapshot(1, listeners=(Listener("127.0.0.1", 80, tls=False),)))
    assert codes(verdict) == ["listener_unavailable"]
    assert "127.0.0.1 port 80" in verdict.reasons[0].message


def test_stopping_server_is_not_ready():
    fake = FakeDataPlane()
    applier = Applier(fake)
    applier.receive(snapshot())
    fake.stop(0.0)
    assert codes(readiness(applier.state, fake.status())) == ["draining"]
