"""Return packets are steered before the data plane needs it, and until it needs it no more."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from egressway.bus.in_process import InProcessBus
from egressway.data_plane.handle import SnapshotRefused
from egressway.node import follow as module
from egressway.wire.fleet import FleetAddress, FleetSlice
from egressway.wire.fleet_state import FleetState
from egressway.wire.held import HeldTuples
from tests.support.fleets import fleet, move, pool, topology, zone
from tests.support.follow import Control, Node
from tests.support.waiting import eventually

IP = "192.0.2.1"
ORIGIN = "198.51.100.1:443"
SOURCE, TARGET = "ams-1-1", "fra-1-1"
ZONE = zone(pool="p")
MOVE = move(SOURCE, TARGET, 20_000, 29_999, id="move-1")
MOVED = topology(SOURCE, TARGET, moves=(MOVE,))


def all_of(server: str):
    return pool("p", FleetAddress(IP, (FleetSlice(20_000, 29_999, server),)))


class Diary:
    """Everything that happens to one server, in order."""

    def __init__(self, node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
        self.entries: list[str] = []
        for step in ("apply", "exclude"):
            monkeypatch.setattr(node.plane, step, self._noting(step, getattr(node.plane, step)))
        node.follower._handover._exclusions._exclude = node.plane.exclude
        put = node.follower._handover._bus.put_held
        node.follower._handover._bus = _Told(node.follower._handover._bus, self._noting("put", put))
        node.follower.keep_beside(self)

    def _noting(self, what: str, step: Any) -> Any:
        def noted(*arguments: Any) -> Any:
            done = step(*arguments)
            self.entries.append(what)
            return done

        return noted

    def before(self, state: FleetState, told: Mapping[str, HeldTuples]) -> None:
        self.entries.append("before")

    def after(self) -> None:
        self.entries.append("after")

    def heard(self, told: Mapping[str, HeldTuples]) -> None:
        self.entries.append("heard")

    def telling(self) -> None:
        self.entries.append("telling")


class _Told:
    """A bus that notes what is told."""

    def __init__(self, bus: InProcessBus, put_held: Any) -> None:
        self._bus = bus
        self.put_held = put_held

    def __getattr__(self, name: str) -> Any:
        return getattr(self._bus, name)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(module, "TICK_SECONDS", 0.02)


@pytest.fixture
def control():
    made = Control()
    places = topology(SOURCE, TARGET)
    made.whole(fleet(1, topology=places, pools=(all_of(SOURCE),), zones=(ZONE,)))
    yield made
    made.bus.close()


@pytest.fixture
def start(control, monkeypatch):
    nodes: list[Node] = []

    def starting(name: str) -> tuple[Node, Diary]:
        node = Node(control.bus, name)
        diary = Diary(node, monkeypatch)
        nodes.append(node.start())
        node.runs(1)
        diary.entries.clear()
        return node, diary

    yield starting
    for node in nodes:
        node.stop()


def test_source_steers_before_and_after_its_data_plane_and_tells_last(control, start):
    _, diary = start(SOURCE)
    control.change(1, topology=MOVED, pools=(all_of(TARGET),))
    eventually(lambda: "put" in diary.entries)
    # What the start still had to do may come first.
    began = diary.entries.index("before")
    assert diary.entries[began : began + 5] == ["before", "apply", "after", "telling", "put"]


def test_source_steers_before_others_hear_that_a_connection_has_ended(control, start):
    source, diary = start(SOURCE)
    source.plane.connect(IP, ORIGIN, 2)
    control.change(1, topology=MOVED, pools=(all_of(TARGET),))
    eventually(lambda: "put" in diary.entries)
    diary.entries.clear()
    source.plane.disconnect(IP, ORIGIN, 1)
    eventually(lambda: "put" in diary.entries)
    assert diary.entries == ["telling", "put"]


def test_target_steers_before_it_may_use_what_the_source_has_given_back(control, start):
    target, diary = start(TARGET)
    control.change(1, topology=MOVED, pools=(all_of(TARGET),))
    target.runs(2)
    source = Node(control.bus, SOURCE).start()
    try:
        eventually(lambda: "heard" in diary.entries and diary.entries[-1] == "after")
    finally:
        source.stop()
    heard = diary.entries[diary.entries.index("heard") :]
    assert heard[:5] == ["heard", "exclude", "before", "apply", "after"]


def test_zones_alone_need_no_steering(control, start):
    node, diary = start(SOURCE)
    control.change(1, zones=(zone("other"),))
    node.runs(2)
    assert set(diary.entries) == {"apply"}


def test_what_the_data_plane_refuses_is_not_told_of(control, start, monkeypatch):
    source, diary = start(SOURCE)

    def refuse(_snapshot: object) -> None:
        raise SnapshotRefused("not today")

    monkeypatch.setattr(source.plane, "apply", refuse)
    control.change(1, topology=MOVED, pools=(all_of(TARGET),))
    eventually(lambda: source.applier.state.refusal is not None)
    eventually(lambda: source.follower.state.revision == 2)
    assert "before" in diary.entries
    assert not {"after", "put"} & set(diary.entries)


def test_a_defect_in_steering_keeps_no_change_from_the_data_plane(control, start, monkeypatch):
    source, diary = start(SOURCE)

    def fail(*_: object) -> None:
        raise RuntimeError("the kernel is away")

    monkeypatch.setattr(diary, "before", fail)
    control.change(1, topology=MOVED, pools=(all_of(TARGET),))
    source.runs(2)
