"""The in-memory data plane and the native one take and refuse the same snapshots, in the same way."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator

import pytest

from egressway.data_plane.fake import FakeDataPlane, FakeHost
from egressway.data_plane.handle import (
    DataPlaneHandle,
    Held,
    IdentityRefused,
    ListenerUnavailable,
    PeerState,
    SnapshotRefused,
)
from egressway.data_plane.native import NativeDataPlane
from egressway.wire.consistency import zone_at_fault
from egressway.wire.snapshot import Fleet, Link, Listener, Peer
from tests.support.addresses import listening_port
from tests.support.certificates import Authority
from tests.support.fleet import node_identity
from tests.support.snapshots import pool, snapshot, zone
from tests.unit.wire.test_consistency import BAD

Make = Callable[..., DataPlaneHandle]


@pytest.fixture(params=["fake", "native"])
def make(request: pytest.FixtureRequest) -> Iterator[Make]:
    """Starts data planes of one kind and stops them at the end."""
    started: list[DataPlaneHandle] = []

    def start(taken: frozenset[tuple[str, int]] = frozenset()) -> DataPlaneHandle:
        fake = request.param == "fake"
        plane = FakeDataPlane(FakeHost(taken)) if fake else NativeDataPlane(workers=1)
        started.append(plane)
        return plane

    yield start
    for plane in started:
        plane.stop(0.0)


@pytest.fixture
def plane(make: Make) -> DataPlaneHandle:
    return make()


def test_applied_tells_revision_zones_and_real_ports(plane):
    applied = plane.apply(snapshot(7, zone(), zone("example.net")))
    assert (applied.revision, applied.zones) == (7, 2)
    (listener,) = applied.listeners
    assert (listener.address, listener.tls) == ("127.0.0.1", False)
    assert listener.port > 0


def test_status_tells_what_runs(plane):
    plane.apply(snapshot(7, zone(), zone("example.net")))
    status = plane.status()
    assert (status.revision, status.zones, status.hosts) == (7, 2, 2)
    assert not status.is_draining
    assert status.foreign_egress == status.panics == status.connections == 0


def test_status_before_the_first_snapshot_is_revision_zero(plane):
    assert (plane.status().revision, plane.status().listeners) == (0, ())


@pytest.mark.parametrize("case", BAD)
def test_inconsistent_snapshot_is_refused_and_the_old_state_stays(plane, case):
    plane.apply(snapshot(1, zone("kept.example.com")))
    bad, _ = BAD[case]
    with pytest.raises(SnapshotRefused):
        plane.apply(bad)
    assert (plane.status().revision, plane.status().zones) == (1, 1)


@pytest.mark.parametrize("case", ["no streams", "an unknown pool", "a hostname with a space"])
def test_refusal_about_a_zone_names_it(plane, case):
    bad, _ = BAD[case]
    with pytest.raises(SnapshotRefused) as refused:
        plane.apply(bad)
    assert zone_at_fault(str(refused.value)) == "zone-example.com"


def test_refusal_about_something_else_names_no_zone(plane):
    with pytest.raises(SnapshotRefused) as refused:
        plane.apply(BAD["no shared pool"][0])
    assert zone_at_fault(str(refused.value)) is None


def test_same_revision_again_is_harmless(plane):
    first = plane.apply(snapshot(5, zone()))
    again = plane.apply(snapshot(5, zone()))
    assert (again.revision, again.zones) == (5, 1)
    assert len(again.listeners) == len(first.listeners)


def test_delta_adds_replaces_and_removes_zones(plane):
    plane.apply(snapshot(1, zone("a.example.com"), zone("b.example.com")))
    applied = plane.apply(
        snapshot(
            2,
            zone("c.example.com"),
            zone("a.example.com", tls_to_clients=False),
            base_revision=1,
            removed_zones=("zone-b.example.com",),
        )
    )
    assert (applied.revision, applied.zones) == (2, 2)


def test_delta_on_another_base_is_refused(plane):
    plane.apply(snapshot(1, zone()))
    with pytest.raises(SnapshotRefused):
        plane.apply(snapshot(9, base_revision=8))
    assert plane.status().revision == 1


def test_delta_on_nothing_is_refused(plane):
    with pytest.raises(SnapshotRefused):
        plane.apply(snapshot(2, base_revision=1))


def test_delta_that_takes_a_hostname_of_a_zone_that_stays_is_refused(plane):
    plane.apply(snapshot(1, zone()))
    with pytest.raises(SnapshotRefused):
        plane.apply(snapshot(2, zone(id="thief"), base_revision=1))
    assert plane.status().zones == 1


def test_delta_may_hand_a_hostname_from_one_zone_to_another(plane):
    plane.apply(snapshot(1, zone()))
    applied = plane.apply(
        snapshot(2, zone(id="heir"), base_revision=1, removed_zones=("zone-example.com",))
    )
    assert applied.zones == 1


def test_delta_that_drops_a_pool_still_in_use_is_refused(plane):
    plane.apply(snapshot(1, zone(pool="own"), pools=(pool(), pool("own", "127.77.0.1"))))
    with pytest.raises(SnapshotRefused):
        plane.apply(snapshot(2, base_revision=1, pools=(pool(),)))
    assert plane.status().revision == 1


def test_taken_port_is_told_by_name_and_the_old_state_stays(make):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        plane = make(frozenset({("127.0.0.1", port)}))
        plane.apply(snapshot(1, zone()))
        with pytest.raises(ListenerUnavailable, match=str(port)):
            plane.apply(snapshot(2, listeners=(Listener("127.0.0.1", port, tls=False),)))
        assert plane.status().revision == 1


def test_drained_counters_start_empty(plane):
    plane.apply(snapshot())
    drained = plane.drain_counters()
    assert drained.totals.requests == drained.totals.foreign_egress == 0
    assert drained.requests == {}
    assert (drained.egress, drained.log) == ((), b"")


def test_stopped_plane_listens_nowhere_and_refuses_snapshots(plane):
    plane.apply(snapshot())
    assert plane.stop(1.0) == 0
    assert plane.status().is_draining
    assert plane.status().listeners == ()
    with pytest.raises(SnapshotRefused):
        plane.apply(snapshot(2))


def test_stopping_twice_is_harmless(plane):
    plane.apply(snapshot())
    plane.stop(1.0)
    assert plane.stop(1.0) == 0


def test_nothing_is_held_where_nothing_is_open(plane):
    plane.apply(snapshot(1, zone()))
    assert plane.held() == plane.held(everything=True) == ()


def test_what_others_hold_is_taken_note_of_and_is_not_held_here(plane):
    plane.exclude((Held("127.0.0.1", "127.0.0.1:9", (20_000, 20_001)),))
    plane.apply(snapshot(1, zone()))
    assert plane.held(everything=True) == ()
    plane.exclude(())


def test_what_is_not_open_cannot_be_cut(plane):
    plane.apply(snapshot())
    assert plane.cut((Held("127.0.0.1", "127.0.0.1:9", (20_000, 20_001)),)) == 0
    assert plane.cut(()) == 0


def alone(port: int) -> Fleet:
    """A server whose only peer nobody has needed yet."""
    peer = Peer("server-2", "ams-1", "ams", "127.0.0.1", 9)
    return Fleet("server-1", "ams-1", "ams", Link("127.0.0.1", port), (peer,))


def test_peers_are_unknown_until_they_are_needed(plane):
    plane.apply(snapshot(fleet=alone(listening_port())))
    assert plane.status().peers == (PeerState("server-2", "unknown"),)
    plane.apply(snapshot(2))
    assert plane.status().peers == ()


def test_link_that_cannot_be_listened_on_leaves_the_old_state(make):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        plane = make(frozenset({("127.0.0.1", port)}))
        plane.apply(snapshot(1))
        with pytest.raises(ListenerUnavailable, match=str(port)):
            plane.apply(snapshot(2, fleet=alone(port)))
        assert plane.status().revision == 1


def test_identity_is_taken_whole_or_refused(plane):
    ca, chain, key = node_identity(Authority(), "server-1")
    plane.set_identity(ca, chain, key)
    for wrong in ((b"", chain, key), (ca, b"", key), (ca, chain, b"")):
        with pytest.raises(IdentityRefused):
            plane.set_identity(*wrong)


def test_a_part_of_the_ports_is_a_cap_of_its_own_and_the_whole_comes_back(plane):
    for part in ("arriving", "leaving", "whole", "whole"):
        plane.set_part(part)
        plane.apply(snapshot(1, zone()))
    assert plane.held() == ()
