"""A server follows what is published, whatever happens to the messages, the bus, the disk or itself."""

from __future__ import annotations

import pytest

from egressway.bus.bus import Unavailable
from egressway.bus.in_process import InProcessBus
from egressway.data_plane.fake import FakeDataPlane, FakeHost
from egressway.data_plane.handle import SnapshotRefused
from egressway.model.rollout import IMMEDIATE, Rollout, Stage
from egressway.node import follow as module
from egressway.node import inbox
from egressway.wire.fleet import FleetAddress, FleetSlice, encode
from tests.support.fleets import address, delta, fleet, pool, server, topology, zone
from tests.support.follow import Control, Node
from tests.support.waiting import eventually

A, B, C = (zone(f"{letter}.example.com") for letter in "abc")


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(module, "TICK_SECONDS", 0.02)
    monkeypatch.setattr(module, "STUCK_SECONDS", 0.02)


@pytest.fixture
def control():
    made = Control()
    yield made
    made.bus.close()


@pytest.fixture
def start(control):
    nodes: list[Node] = []

    def starting(*arguments, bus=None, **settings) -> Node:
        node = Node(bus or control.bus, *arguments, **settings).start()
        nodes.append(node)
        return node

    yield starting
    for node in nodes:
        node.stop()


# Following.


def test_node_begins_with_the_whole_and_follows_every_change(control, start):
    control.whole(fleet(1, zones=(A,)))
    node = start()
    node.runs(1, "a.example.com")
    control.change(1, zones=(B,))
    control.change(2, removed_zones=(A.id,))
    node.runs(3, "b.example.com")


def test_node_that_is_there_first_follows_as_soon_as_something_is_published(control, start):
    node = start()
    control.whole(fleet(1, zones=(A,)))
    node.runs(1, "a.example.com")


def test_node_that_comes_later_reads_what_has_come_since_the_whole(control, start):
    control.whole(fleet(1, zones=(A,)))
    control.change(1, zones=(B,))
    control.change(2, zones=(C,))
    start().runs(3, "a.example.com", "b.example.com", "c.example.com")


def test_every_change_is_acknowledged(control, start):
    control.whole(fleet(1))
    start(epoch=4)
    eventually(lambda: control.hears().revision == 1)
    control.change(1, zones=(A,))
    eventually(lambda: control.hears().revision == 2)
    assert (control.hears().epoch, control.hears().reason) == (4, None)


def test_change_that_is_there_already_is_passed_over(control, start):
    control.whole(fleet(5, zones=(A,)))
    node = start()
    node.runs(5)
    control.change(3, 4, zones=(B,))
    control.change(4, 6, zones=(C,))
    node.runs(6, "a.example.com", "c.example.com")


def test_gap_is_closed_with_the_whole_and_what_came_after_it(control, start):
    control.whole(fleet(1, zones=(A,)))
    node = start()
    node.runs(1)
    control.keep(fleet(4, zones=(B,)), control.bus.last_config("all").sequence)
    control.change(4, zones=(C,))
    node.runs(5, "b.example.com", "c.example.com")


def test_gap_without_a_whole_that_helps_is_told_and_closed_later(control, start):
    control.whole(fleet(1, zones=(A,)))
    node = start()
    node.runs(1)
    sequence = control.bus.last_config("all").sequence
    control.change(4, zones=(C,))
    eventually(lambda: control.hears().wants_whole)
    node.runs(1, "a.example.com")
    control.keep(fleet(4, zones=(B,)), sequence)
    node.runs(5, "b.example.com", "c.example.com")
    eventually(lambda: not control.hears().wants_whole)


def test_store_that_was_restored_from_a_backup_is_followed_back(control, start):
    control.whole(fleet(9, zones=(A, B)))
    node = start()
    node.runs(9)
    control.whole(fleet(4, zones=(C,)))
    node.runs(4, "c.example.com")


def test_changed_limits_without_a_new_revision_are_taken(control, start):
    control.whole(fleet(1))
    node = start()
    node.runs(1)
    control.change(1, 1, topology=topology("ams-1-1", server("ams-1-2")))
    eventually(lambda: [each.server for each in node.plane._running.fleet.peers] == ["ams-1-2"])


# What cannot be used.


def test_corrupted_message_is_told_and_replaced_by_the_whole(control, start):
    control.whole(fleet(1, zones=(A,)))
    node = start()
    node.runs(1)
    broken = bytearray(encode(delta(1, zones=(B,))))
    broken[-3] ^= 1
    control.publish(bytes(broken), 2, 1)
    eventually(lambda: node.follower.state.alarm)
    assert "checksum" in node.follower.state.alarm
    eventually(lambda: control.hears().wants_whole)
    node.runs(1, "a.example.com")
    control.keep(fleet(2, zones=(A, B)), control.bus.last_config("all").sequence)
    node.runs(2, "a.example.com", "b.example.com")
    eventually(lambda: node.follower.state.alarm is None)


OVERLAP = FleetAddress(
    "192.0.2.1", (FleetSlice(20_000, 30_000, "ams-1-1"), FleetSlice(30_000, 40_000, "fra-1-1"))
)


def test_overlapping_slices_are_refused_as_a_whole_and_the_last_good_goes_on(control, start):
    control.whole(fleet(1, topology=topology("ams-1-1", "fra-1-1"), zones=(A,)))
    node = start()
    node.runs(1)
    control.change(1, pools=(pool("p", OVERLAP),), zones=(B,))
    eventually(lambda: node.follower.state.alarm)
    assert "overlap" in node.follower.state.alarm
    eventually(lambda: "overlap" in (control.hears().reason or ""))
    node.runs(1, "a.example.com")


def test_whole_that_contradicts_itself_is_not_begun_with(control, start):
    control.whole(fleet(1, topology=topology("ams-1-1", "fra-1-1"), pools=(pool("p", OVERLAP),)))
    node = start()
    eventually(lambda: node.follower.state.alarm)
    assert node.revision == 0
    control.whole(fleet(2, zones=(A,)))
    node.runs(2, "a.example.com")


class Picky(FakeDataPlane):
    """Refuses some zones, or everything, as the native one does."""

    def __init__(self) -> None:
        super().__init__()
        self.refused: set[str] = set()
        self.is_ill = False

    def apply(self, snapshot):
        for each in snapshot.zones:
            if each.id in self.refused:
                raise SnapshotRefused(f"zone {each.id}, certificate: no")
        if self.is_ill:
            raise SnapshotRefused("the data plane is ill")
        return super().apply(snapshot)


def test_zone_that_the_data_plane_refuses_does_not_hold_up_the_others(control, start):
    plane = Picky()
    control.whole(fleet(1, zones=(A,)))
    node = start(plane=plane)
    node.runs(1)
    plane.refused = {A.id, B.id}
    changed = zone("a.example.com", tls_to_clients=False)
    control.change(1, zones=(changed, B, C))
    node.runs(2, "a.example.com", "c.example.com")
    assert plane.zone(A.id) == A, "what it had of the zone goes on"
    eventually(lambda: set(control.hears().withheld) == {A.id, B.id})
    assert "certificate: no" in control.hears().withheld[A.id]
    plane.refused.clear()
    control.change(2, zones=(changed,))
    node.runs(3)
    assert plane.zone(A.id) == changed
    eventually(lambda: set(control.hears().withheld) == {B.id})


def test_refusal_without_a_zone_is_over_as_soon_as_the_data_plane_takes_it(control, start):
    plane = Picky()
    control.whole(fleet(1, zones=(A,)))
    node = start(plane=plane)
    node.runs(1)
    plane.is_ill = True
    control.change(1, zones=(B,))
    eventually(lambda: control.hears().reason == "the data plane is ill")
    control.change(2, zones=(C,))
    plane.is_ill = False
    node.runs(3, "a.example.com", "b.example.com", "c.example.com")


def on_disk(node: Node) -> int:
    found = node.last_good.load()
    return found.state.revision if found else 0


def test_what_the_data_plane_refused_is_on_disk_once_it_has_taken_it(control, start, tmp_path):
    plane = Picky()
    control.whole(fleet(1, zones=(A,)))
    node = start(plane=plane, disk=tmp_path)
    node.runs(1)
    plane.is_ill = True
    control.change(1, zones=(B,))
    eventually(lambda: control.hears().reason == "the data plane is ill")
    eventually(lambda: on_disk(node) == 1)
    plane.is_ill = False
    node.runs(2)
    eventually(lambda: on_disk(node) == 2)


def test_data_plane_that_lost_its_state_is_given_everything(control, start):
    control.whole(fleet(1, zones=(A,)))
    node = start()
    node.runs(1)
    node.plane._running = None
    control.change(1, zones=(B,))
    node.runs(2, "a.example.com", "b.example.com")


# Without the bus.


class Away(InProcessBus):
    """A bus that can be cut off."""

    is_away = False

    def _open(self):
        if self.is_away:
            raise Unavailable("the bus is away")
        return super()._open()


def test_node_starts_and_serves_from_disk_while_the_bus_is_away(tmp_path, start):
    control = Control(Away())
    control.whole(fleet(1, zones=(A,)))
    node = start(bus=control.bus, disk=tmp_path)
    control.change(1, zones=(B,))
    node.runs(2)
    node.stop()
    control.bus.is_away = True
    again = Node(control.bus, disk=tmp_path)
    assert again.follower.restore()
    again.follower.start()
    again.runs(2, "a.example.com", "b.example.com")
    control.bus.is_away = False
    control.change(2, zones=(C,))
    again.runs(3, "a.example.com", "b.example.com", "c.example.com")
    again.stop()
    control.bus.close()


def test_node_without_anything_on_disk_waits_for_the_bus(tmp_path, start):
    control = Control(Away())
    control.whole(fleet(1, zones=(A,)))
    control.bus.is_away = True
    node = start(bus=control.bus, disk=tmp_path)
    assert node.revision == 0
    control.bus.is_away = False
    node.runs(1, "a.example.com")
    control.bus.close()


def test_corrupted_disk_is_ignored_and_everything_fetched(tmp_path, control, start):
    control.whole(fleet(1, zones=(A,)))
    first = start(disk=tmp_path)
    first.runs(1)
    first.stop()
    content = bytearray((tmp_path / "fleet.whole").read_bytes())
    content[40] ^= 1
    (tmp_path / "fleet.whole").write_bytes(content)
    node = start("ams-1-1", disk=tmp_path)
    node.runs(1, "a.example.com")
    assert "fleet.whole" in node.last_good.defect


def test_what_cannot_be_kept_is_told_and_served_all_the_same(tmp_path, control, start):
    control.whole(fleet(1, zones=(A,)))
    node = start(disk=tmp_path / "absent")
    node.runs(1, "a.example.com")
    eventually(lambda: node.follower.state.not_kept)
    control.change(1, zones=(B,))
    node.runs(2)


def test_new_bus_with_nothing_on_it_takes_nothing_away(tmp_path, control, start):
    control.whole(fleet(1, zones=(A,)))
    node = start(disk=tmp_path)
    node.runs(1)
    node.stop()
    other = Control()
    again = start(bus=other.bus, disk=tmp_path)
    again.runs(1, "a.example.com")
    other.whole(fleet(2, zones=(B,)))
    again.runs(2, "b.example.com")
    other.bus.close()


# Standing.


def test_node_whose_name_another_has_taken_opens_nothing_more(control, start):
    control.whole(fleet(1, pools=(pool("p", address("192.0.2.1", "ams-1-1")),)))
    node = start(epoch=1)
    node.runs(1)
    control.change(1, topology=topology(server("ams-1-1", epoch=2)))
    node.runs(2)
    assert node.follower.state.standing == "fenced"
    drains = {each.draining for pool in node.plane._running.pools for each in pool.addresses}
    assert drains == {True}


def test_of_two_nodes_with_a_copied_identity_the_older_opens_nothing_more(control, start):
    dedicated = zone("a.example.com", pool="p")
    control.whole(fleet(1, pools=(DEDICATED,), zones=(dedicated,)))
    older = start()
    older.runs(1)
    eventually(lambda: older.follower._instance._cancel)
    newer = start()
    newer.runs(1)
    eventually(lambda: older.follower.state.standing == "fenced")
    eventually(lambda: is_draining(older))
    control.change(1, zones=(B,))
    older.runs(2)
    newer.runs(2)
    assert (newer.follower.state.standing, is_draining(newer)) == ("active", False)
    assert older.follower.state.standing == "fenced"
    eventually(lambda: any(each.reason == module.SUPERSEDED for each in control.acknowledged))


def test_process_that_takes_over_supersedes_nobody(control, start):
    control.whole(fleet(1, zones=(A,)))
    older = start()
    older.runs(1)
    eventually(lambda: older.follower._instance._cancel)
    newer = Node(control.bus)
    newer.follower.instance = older.follower.instance
    newer.start()
    newer.runs(1)
    eventually(lambda: newer.follower._instance._cancel)
    control.change(1, zones=(B,))
    older.runs(2)
    newer.stop()
    assert older.follower.state.standing == "active"


def test_listener_that_is_in_use_is_told_and_tried_again(control, start):
    plane = FakeDataPlane(FakeHost(frozenset({("127.0.0.1", 0)})))
    control.whole(fleet(1, zones=(A,)))
    node = start(plane=plane)
    eventually(lambda: node.applier.state.refusal)
    assert node.applier.state.refusal.kind == "listener"
    plane._host = FakeHost()
    node.runs(1, "a.example.com")


# The rollout.


def test_staged_change_reaches_only_those_that_a_stage_is_about(control, start):
    control.whole(fleet(1, topology=topology("ams-1-1", "ams-1-2"), zones=(A,)))
    control.rollout(IMMEDIATE.start(1))
    first, second = start("ams-1-1"), start("ams-1-2")
    first.runs(1)
    second.runs(1)
    control.change(1, zones=(B,))
    rollout = IMMEDIATE.start(1).advance(Stage(2, servers=("ams-1-1",)))
    control.rollout(rollout)
    first.runs(2)
    eventually(lambda: second.follower.state.waiting == 1)
    assert second.revision == 1
    control.rollout(rollout.advance(Stage(2, data_centers=("ams-1",))))
    second.runs(2)


def test_everything_that_waited_comes_when_the_rollout_is_finished(control, start):
    control.whole(fleet(1, zones=(A,)))
    control.rollout(IMMEDIATE.start(1))
    node = start()
    node.runs(1)
    control.change(1, zones=(B,))
    control.change(2, zones=(C,))
    eventually(lambda: node.follower.state.waiting == 2)
    control.rollout(IMMEDIATE)
    node.runs(3, "a.example.com", "b.example.com", "c.example.com")


def test_nodes_that_are_ahead_return_to_the_stable_revision_and_come_again(control, start):
    control.whole(fleet(1, zones=(A,)))
    started = IMMEDIATE.start(1)
    control.rollout(started)
    node = start()
    node.runs(1)
    control.change(1, zones=(B,), removed_zones=(A.id,))
    control.change(2, zones=(C,))
    ahead = started.advance(Stage(3, servers=("ams-1-1",)))
    control.rollout(ahead)
    node.runs(3, "b.example.com", "c.example.com")
    control.rollout(ahead.back())
    node.runs(1, "a.example.com")
    control.change(3, zones=(A,))
    eventually(lambda: node.follower.state.waiting == 3)
    assert node.revision == 1
    control.rollout(IMMEDIATE)
    node.runs(4, "a.example.com", "b.example.com", "c.example.com")


def test_node_that_was_started_anew_returns_with_what_is_on_disk(tmp_path, control, start):
    control.whole(fleet(1, zones=(A,)))
    started = IMMEDIATE.start(1)
    control.rollout(started)
    node = start(disk=tmp_path)
    node.runs(1)
    control.change(1, zones=(B,))
    ahead = started.advance(Stage(2, servers=("ams-1-1",)))
    control.rollout(ahead)
    node.runs(2)
    node.stop()
    again = start(disk=tmp_path)
    again.runs(2)
    control.rollout(ahead.back())
    again.runs(1, "a.example.com")


def test_way_back_that_is_not_there_is_told(control, start):
    control.whole(fleet(5, zones=(A,)))
    node = start()
    node.runs(5)
    control.rollout(Rollout("staged", 3))
    eventually(lambda: node.follower.state.alarm)
    assert "revision 3" in node.follower.state.alarm
    assert node.revision == 5


BOTH = topology("ams-1-1", "ams-1-2")
DEDICATED = pool("p", address("192.0.2.1", "ams-1-1"))
DRAINED = pool("p", address("192.0.2.1", "ams-1-1", draining=True))


def revoking(name: str, *others: str):
    return topology(*others, server(name, state="revoked"))


def peers(node: Node) -> list[str]:
    running = node.plane._running
    return [each.server for each in running.fleet.peers] if running else []


def is_draining(node: Node) -> bool:
    running = node.plane._running
    pools = running.pools if running else ()
    return all(each.draining for own in pools if own.id == "p" for each in own.addresses)


@pytest.fixture
def staged(control):
    """Nothing goes beyond revision 1, in which all is well."""
    dedicated = zone("a.example.com", pool="p")
    control.whole(fleet(1, topology=BOTH, pools=(DEDICATED,), zones=(dedicated,)))
    control.rollout(IMMEDIATE.start(1))
    return control


def test_no_rollout_holds_back_a_revocation(staged, start):
    revoked, other = start("ams-1-1"), start("ams-1-2")
    revoked.runs(1)
    other.runs(1)
    assert peers(other) == ["ams-1-1"]
    staged.change(1, topology=revoking("ams-1-1", "ams-1-2"), zones=(B,))
    eventually(lambda: revoked.follower.state.standing == "revoked")
    eventually(lambda: peers(other) == [])
    assert other.plane.zone(B.id) is None, "the rest of the message waits"
    assert other.revision == 1
    assert other.follower.state.waiting == 1


def test_no_rollout_holds_back_the_fencing_of_an_older_node(staged, start):
    node = start(epoch=1)
    node.runs(1)
    staged.change(1, topology=topology(server("ams-1-1", epoch=2), "ams-1-2"))
    eventually(lambda: node.follower.state.standing == "fenced")
    assert node.revision == 1


def test_no_rollout_holds_back_the_drain_of_an_address(staged, start):
    node = start()
    node.runs(1)
    assert not is_draining(node)
    staged.change(1, pools=(DRAINED,), zones=(B,))
    eventually(lambda: is_draining(node))
    assert (node.revision, node.plane.zone(B.id)) == (1, None)
    staged.change(2, pools=(DEDICATED,))
    eventually(lambda: not is_draining(node))


def test_drain_that_was_taken_back_stays_so_when_a_stage_permits_only_the_drain(staged, start):
    node = start()
    node.runs(1)
    staged.change(1, pools=(DRAINED,))
    staged.change(2, pools=(DEDICATED,))
    eventually(lambda: node.follower.state.waiting == 2)
    staged.rollout(IMMEDIATE.start(1).advance(Stage(2, servers=("ams-1-1",))))
    node.runs(2)
    assert not is_draining(node)


def test_going_back_brings_back_no_revoked_server(staged, start):
    node = start("ams-1-2")
    node.runs(1)
    staged.change(1, topology=revoking("ams-1-1", "ams-1-2"), zones=(B,))
    ahead = IMMEDIATE.start(1).advance(Stage(2, servers=("ams-1-2",)))
    staged.rollout(ahead)
    node.runs(2)
    seen: list[list[str]] = []
    apply = node.plane.apply

    def noting(snapshot):
        seen.append([each.server for each in snapshot.fleet.peers])
        return apply(snapshot)

    node.plane.apply = noting
    staged.rollout(ahead.back())
    node.runs(1)
    eventually(lambda: node.follower.state.waiting == 1)
    assert seen
    assert not any(seen), "not even for a moment"


def test_revocation_outlives_a_restart_without_the_bus(tmp_path, staged, start):
    node = start("ams-1-2", disk=tmp_path)
    node.runs(1)
    staged.change(1, topology=revoking("ams-1-1", "ams-1-2"))
    eventually(lambda: peers(node) == [])
    node.stop()
    again = Node(InProcessBus(), "ams-1-2", disk=tmp_path)
    again.follower.restore()
    try:
        assert again.revision == 1
        assert peers(again) == []
    finally:
        again.last_good.close()


def test_revocation_is_heard_among_more_changes_than_are_kept(staged, start, monkeypatch):
    monkeypatch.setattr(inbox, "MOST_WAITING", 3)
    node = start("ams-1-2")
    node.runs(1)
    for base in range(1, 6):
        staged.change(base, zones=(B,))
    staged.change(6, topology=revoking("ams-1-1", "ams-1-2"))
    eventually(lambda: peers(node) == [])
    assert node.revision == 1
    staged.rollout(IMMEDIATE)
    node.runs(7)


def test_revocation_within_a_new_whole_is_heard(staged, start):
    node = start("ams-1-2")
    node.runs(1)
    staged.whole(fleet(4, topology=revoking("ams-1-1", "ams-1-2"), zones=(B,)))
    eventually(lambda: peers(node) == [])
    assert node.revision == 1


def test_too_many_waiting_changes_are_left_to_the_bus(control, start, monkeypatch):
    monkeypatch.setattr(inbox, "MOST_WAITING", 5)
    control.whole(fleet(1, zones=(A,)))
    control.rollout(IMMEDIATE.start(1))
    node = start()
    node.runs(1)
    for revision in range(1, 30):
        control.change(revision, zones=(zone(f"z{revision}.example.com"),))
    eventually(lambda: node.follower._inbox._is_left_to_the_bus)
    assert node.revision == 1
    control.rollout(IMMEDIATE)
    node.runs(30)
    assert node.plane.status().zones == 30
