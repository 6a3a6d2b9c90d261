"""Ports change hands between two servers without a tuple that both use."""

from __future__ import annotations

import pytest

from egressway.node import follow as module
from egressway.wire.fleet import FleetAddress, FleetSlice
from tests.support.fleets import fleet, move, pool, topology, zone
from tests.support.follow import Control, Node
from tests.support.waiting import eventually

IP = "192.0.2.1"
ORIGIN = "198.51.100.1:443"
ZONE = zone(pool="p")


def held_by(*owners: tuple[str, int, int]):
    slices = tuple(FleetSlice(low, high, name) for name, low, high in owners)
    return pool("p", FleetAddress(IP, slices))


BEFORE = held_by(("ams-1-1", 20_000, 29_999), ("fra-1-1", 30_000, 39_999))
AFTER = held_by(("ams-1-1", 20_000, 24_999), ("fra-1-1", 25_000, 39_999))
MOVE = move("ams-1-1", "fra-1-1", 25_000, 29_999, id="move-1")
MOVED = topology("ams-1-1", "fra-1-1", moves=(MOVE,))


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(module, "TICK_SECONDS", 0.02)


@pytest.fixture
def control():
    made = Control()
    made.whole(fleet(1, topology=topology("ams-1-1", "fra-1-1"), pools=(BEFORE,), zones=(ZONE,)))
    yield made
    made.bus.close()


@pytest.fixture
def start(control):
    nodes: list[Node] = []

    def starting(name: str, **settings) -> Node:
        nodes.append(Node(control.bus, name, **settings).start())
        return nodes[-1]

    yield starting
    for node in nodes:
        node.stop()


def slices(node: Node) -> list[tuple[int, int]]:
    running = node.plane._running
    pools = running.pools if running else ()
    addresses = [address for each in pools if each.id == "p" for address in each.addresses]
    return [part for address in addresses for part in address.slices]


def excluded(node: Node) -> dict:
    return {key: ports for key, ports in node.plane._excluded.items() if ports}


def test_target_takes_the_ports_once_the_source_has_let_go(control, start):
    source, target = start("ams-1-1"), start("fra-1-1")
    source.runs(1)
    target.runs(1)
    control.change(1, topology=MOVED, pools=(AFTER,))
    eventually(lambda: slices(target) == [(25_000, 39_999)])
    assert slices(source) == [(20_000, 24_999)]


def test_target_waits_for_a_source_that_has_not_heard_of_the_move(control, start):
    target = start("fra-1-1")
    target.runs(1)
    control.change(1, topology=MOVED, pools=(AFTER,))
    target.runs(2)
    assert slices(target) == [(30_000, 39_999)]
    start("ams-1-1")
    eventually(lambda: slices(target) == [(25_000, 39_999)])


def test_tuples_that_the_source_still_holds_are_kept_off_before_the_ports_are_used(
    control, start, monkeypatch
):
    source, target = start("ams-1-1"), start("fra-1-1")
    source.runs(1)
    target.runs(1)
    source.plane.connect(IP, ORIGIN, 3)
    order: list[str] = []
    exclude, apply = target.plane.exclude, target.plane.apply

    def noting_exclude(held) -> None:
        order.append("exclude" if held else "exclude nothing")
        exclude(held)

    def noting_apply(snapshot):
        done = apply(snapshot)
        order.append("apply")
        return done

    monkeypatch.setattr(target.follower._handover._exclusions, "_exclude", noting_exclude)
    monkeypatch.setattr(target.plane, "apply", noting_apply)
    held = tuple(
        type(each)(each.egress_ip, each.origin, (25_000, 25_001, 20_005))
        for each in source.plane.held(everything=True)
    )
    monkeypatch.setattr(source.plane, "held", lambda **_: held)
    control.change(1, topology=MOVED, pools=(AFTER,))
    eventually(lambda: slices(target) == [(25_000, 39_999)])
    assert excluded(target) == {(IP, ORIGIN): {25_000, 25_001}}, "only what is on its way here"
    assert order.index("exclude") < len(order) - 1 - order[::-1].index("apply")
    monkeypatch.setattr(source.plane, "held", lambda **_: ())
    eventually(lambda: excluded(target) == {})


def test_move_that_is_finished_is_waited_for_no_longer(control, start):
    target = start("fra-1-1")
    target.runs(1)
    control.change(1, topology=MOVED, pools=(AFTER,))
    target.runs(2)
    control.change(2, topology=topology("ams-1-1", "fra-1-1"))
    eventually(lambda: slices(target) == [(25_000, 39_999)])


def test_source_that_never_answers_is_waited_for_until_the_deadline(control, start):
    target = start("fra-1-1")
    target.runs(1)
    overdue = move("ams-1-1", "fra-1-1", 25_000, 29_999, id="move-1", deadline=1)
    control.change(1, topology=topology("ams-1-1", "fra-1-1", moves=(overdue,)), pools=(AFTER,))
    eventually(lambda: slices(target) == [(25_000, 39_999)])


def open_at(source: Node) -> set[int]:
    return {port for held in source.plane.held(everything=True) for port in held.ports}


ALL, STAYING = set(range(20_000, 20_010)), set(range(20_000, 20_005))
FULL = held_by(("ams-1-1", 20_000, 20_009), ("fra-1-1", 20_010, 20_019))
HALF = held_by(("ams-1-1", 20_000, 20_004), ("fra-1-1", 20_005, 20_019))


def half_moves(**more):
    leaving = move("ams-1-1", "fra-1-1", 20_005, 20_009, id="move-1", **more)
    return topology("ams-1-1", "fra-1-1", moves=(leaving,))


@pytest.fixture
def full(control, start) -> Node:
    """The source, with a connection on each of its ports: half of them are about to leave."""
    control.change(1, pools=(FULL,))
    source = start("ams-1-1")
    source.runs(2)
    source.plane.connect(IP, ORIGIN, 10)
    assert open_at(source) == ALL
    return source


def follows_one_more_change(control, source: Node) -> None:
    control.change(source.revision, zones=(zone("other"),))
    source.runs(source.revision + 1)


def test_source_closes_what_it_holds_when_the_deadline_is_over(control, full, start):
    target = start("fra-1-1")
    target.runs(2)
    control.change(2, topology=half_moves(deadline=1), pools=(HALF,))
    eventually(lambda: open_at(full) == STAYING)
    eventually(lambda: excluded(target) == {} and slices(target) == [(20_005, 20_019)])


def test_source_closes_what_it_holds_when_the_move_is_finished(control, full):
    control.change(2, topology=half_moves(), pools=(HALF,))
    full.runs(3)
    assert open_at(full) == ALL, "nothing is cut before its time"
    control.change(3, topology=topology("ams-1-1", "fra-1-1"))
    eventually(lambda: open_at(full) == STAYING)


def test_ports_that_come_back_keep_their_connections(control, full):
    control.change(2, topology=half_moves(), pools=(HALF,))
    full.runs(3)
    control.change(3, topology=topology("ams-1-1", "fra-1-1"), pools=(FULL,))
    full.runs(4)
    follows_one_more_change(control, full)
    assert open_at(full) == ALL


def test_ports_that_are_on_their_way_back_keep_their_connections(control, full):
    control.change(2, topology=half_moves(), pools=(HALF,))
    full.runs(3)
    back = move("fra-1-1", "ams-1-1", 20_005, 20_009, id="move-2")
    control.change(3, topology=topology("ams-1-1", "fra-1-1", moves=(back,)), pools=(FULL,))
    full.runs(4)
    follows_one_more_change(control, full)
    assert slices(full) == [(20_000, 20_004)], "the other one has not told yet"
    assert open_at(full) == ALL


def test_a_refused_change_closes_nothing(control, full):
    control.change(2, topology=half_moves(), pools=(HALF,))
    full.runs(3)
    overlapping = held_by(("ams-1-1", 20_000, 20_009), ("fra-1-1", 20_005, 20_019))
    control.change(3, topology=topology("ams-1-1", "fra-1-1"), pools=(overlapping,))
    eventually(lambda: full.follower.state.alarm)
    after = fleet(5, topology=half_moves(), pools=(HALF,))
    control.whole(after)
    full.runs(5)
    follows_one_more_change(control, full)
    assert open_at(full) == ALL


def test_a_move_that_goes_on_in_parts_closes_nothing(control, full):
    control.change(2, topology=half_moves(), pools=(HALF,))
    full.runs(3)
    parts = (
        move("ams-1-1", "fra-1-1", 20_005, 20_006, id="move-1"),
        move("ams-1-1", "sjc-1-1", 20_007, 20_009, id="move-2"),
    )
    control.change(3, topology=topology("ams-1-1", "fra-1-1", "sjc-1-1", moves=parts))
    full.runs(4)
    follows_one_more_change(control, full)
    assert open_at(full) == ALL


def test_ports_that_are_merely_given_up_wait_for_nobody(control, start):
    source = start("ams-1-1")
    source.runs(1)
    given_up = move("ams-1-1", "ams-1-1", 25_000, 29_999, id="move-1")
    left = held_by(("ams-1-1", 20_000, 24_999), ("fra-1-1", 30_000, 39_999))
    control.change(1, topology=topology("ams-1-1", "fra-1-1", moves=(given_up,)), pools=(left,))
    eventually(lambda: slices(source) == [(20_000, 24_999)])
