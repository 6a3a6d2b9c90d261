"""Every change reaches the node soon, whatever goes wrong once."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from egressway.data_plane.fake import FakeDataPlane
from egressway.distribution.push import Distributor
from egressway.distribution.server import ServerSettings
from egressway.model.pool import PoolChange
from egressway.node.apply import Applier
from egressway.wire.acknowledgement import Acknowledgement
from egressway.wire.snapshot import Snapshot
from tests.support.waiting import eventually

SERVER = ServerSettings(shared_ips=(ip_address("127.0.0.1"),))


class Node:
    """A fake node that remembers what it was sent and can be made to fail."""

    def __init__(self) -> None:
        self.plane = FakeDataPlane()
        self.applier = Applier(self.plane)
        self.sent: list[Snapshot] = []
        self.failures: list[Exception] = []
        self.refused_zones: set[str] = set()

    def receive(self, snapshot: Snapshot) -> Acknowledgement:
        self.sent.append(snapshot)
        if self.failures:
            raise self.failures.pop()
        for zone in snapshot.zones:
            if zone.id in self.refused_zones:
                runs = self.applier.state.applied_revision
                return Acknowledgement(runs, f"zone {zone.id}, certificate: no", zone.id)
        return self.applier.receive(snapshot)


@pytest.fixture
def node() -> Node:
    return Node()


@pytest.fixture
def distributor(installation, node) -> Distributor:
    return Distributor(installation.store, SERVER, node.receive)


@pytest.fixture
def started(installation, distributor):
    unsubscribe = installation.store.on_change(lambda _: distributor.wake())
    distributor.start()
    yield distributor
    unsubscribe()
    distributor.stop()


def runs(node: Node, revision: int) -> bool:
    return node.plane.status().revision == revision


def test_first_push_is_whole_and_the_next_a_difference(installation, node, distributor):
    assert distributor.push_once()
    since = installation.revision
    installation.zone("example.com")
    assert distributor.push_once()
    assert [each.base_revision for each in node.sent] == [None, since]
    assert runs(node, installation.revision)


def test_without_a_change_nothing_is_sent(node, distributor):
    distributor.push_once()
    assert distributor.push_once()
    assert len(node.sent) == 1


def test_pools_are_compiled_anew_only_when_one_is_touched(installation, node, distributor):
    pool_id = installation.pool("127.77.0.1")
    distributor.push_once()
    installation.zone("example.com")
    distributor.push_once()
    with installation.write() as write:
        write.pools.patch(installation.account_id, pool_id, PoolChange(ips=()))
    distributor.push_once()
    whole, difference, changed = node.sent
    assert difference.pools is whole.pools
    assert [pool.addresses for pool in changed.pools if pool.id == pool_id] == [()]


def test_node_that_lost_its_state_gets_the_whole_at_once(installation, node, distributor):
    distributor.push_once()
    node.applier = Applier(FakeDataPlane())
    installation.zone("example.com")
    assert distributor.push_once()
    assert [each.base_revision is None for each in node.sent] == [True, False, True]
    assert node.applier.state.applied_revision == installation.revision


def test_refused_whole_is_told_and_sent_whole_again(installation, node, distributor):
    node.plane.stop(0.0)
    assert not distributor.push_once()
    node.applier = Applier(FakeDataPlane())
    assert distributor.push_once()
    assert node.sent[-1].base_revision is None


def test_each_change_reaches_the_node_by_itself(installation, node, started):
    for number in range(5):
        installation.zone(f"z{number}.example.com")
        eventually(lambda: runs(node, installation.revision))
    assert node.plane.status().zones == 5


def test_many_changes_at_once_are_few_snapshots_and_none_is_lost(installation, node, started):
    zones = [installation.zone(f"z{number}.example.com") for number in range(30)]
    eventually(lambda: runs(node, installation.revision))
    assert all(node.plane.zone(zone_id) for zone_id in zones)
    assert len(node.sent) <= 31


def test_failed_delivery_is_tried_again_without_another_change(installation, node, started):
    installation.zone("a.example.com")
    eventually(lambda: runs(node, installation.revision))
    node.failures.append(ConnectionError("the node did not answer"))
    installation.zone("b.example.com")
    eventually(lambda: runs(node, installation.revision))
    assert node.failures == []


def test_zone_that_no_node_takes_does_not_hold_up_the_others(installation, node, distributor):
    good = installation.zone("good.example.com")
    bad = [installation.zone(f"bad{number}.example.com") for number in range(3)]
    node.refused_zones.update(bad)
    assert distributor.push_once()
    assert runs(node, installation.revision)
    assert node.plane.zone(good) is not None
    assert set(distributor.withheld) == set(bad)
    assert "certificate: no" in distributor.withheld[bad[0]]


def test_withheld_zone_goes_on_as_the_node_had_it(installation, node, distributor):
    zone_id = installation.zone("example.com")
    distributor.push_once()
    before = node.plane.zone(zone_id)
    node.refused_zones.add(zone_id)
    installation.set(zone_id, "ssl", "off")
    other = installation.zone("example.net")
    assert distributor.push_once()
    assert node.plane.zone(zone_id) == before
    assert node.plane.zone(other) is not None


def test_withheld_zone_is_served_after_it_changed(installation, node, distributor):
    zone_id = installation.zone("example.com")
    node.refused_zones.add(zone_id)
    distributor.push_once()
    node.refused_zones.clear()
    installation.zone("example.net")
    distributor.push_once()
    assert set(distributor.withheld) == {zone_id}
    installation.set(zone_id, "ssl", "off")
    distributor.push_once()
    assert distributor.withheld == {}
    assert node.plane.zone(zone_id) is not None


def test_withheld_zone_that_is_deleted_is_removed(installation, node, distributor):
    zone_id = installation.zone("example.com")
    distributor.push_once()
    node.refused_zones.add(zone_id)
    installation.set(zone_id, "ssl", "off")
    distributor.push_once()
    installation.remove_zone(zone_id)
    assert distributor.push_once()
    assert distributor.withheld == {}
    assert node.plane.zone(zone_id) is None


def test_failure_is_told_until_it_is_over(installation, node, distributor):
    node.failures.append(ConnectionError("the node did not answer"))
    assert not distributor.push_once()
    assert distributor.failure == "the node did not answer"
    assert distributor.push_once()
    assert distributor.failure is None


def test_stopped_distributor_sends_nothing_more(installation, node, distributor):
    distributor.start()
    distributor.stop()
    distributor.wake()
    installation.zone("example.com")
    assert node.sent == []
