"""The kernel is led to what the fleet says, and to what others still hold."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from egressway.bus.in_process import InProcessBus
from egressway.data_plane.handle import Held
from egressway.node.steering import Situation, SteeringBusy, SteeringUnavailable
from egressway.services.configuration.types import Node
from egressway.services.node_steering import NodeSteering, steering_of
from egressway.services.start_error import StartError
from egressway.wire.fleet import (
    FleetAddress,
    FleetLocation,
    FleetMove,
    FleetPool,
    FleetServer,
    FleetSlice,
    FleetSnapshot,
    Topology,
)
from egressway.wire.fleet_state import FleetState
from egressway.wire.held import HeldPorts, HeldTuples, encode
from egressway.wire.snapshot import Settings
from tests.support.waiting import eventually

IP = "192.0.2.1"


@dataclass
class Kernel:
    """What steering has been told, instead of a host that would be changed."""

    refusal: Exception | None = None
    applied: list[Situation] = field(default_factory=list)
    stopped: list[bool] = field(default_factory=list)
    checks: int = 0

    def start(self) -> None:
        if self.refusal is not None:
            raise self.refusal

    def apply(self, situation: Situation) -> None:
        self.applied.append(situation)

    def check(self) -> bool:
        self.checks += 1
        return False

    def stop(self, *, hand_over: bool) -> None:
        self.stopped.append(hand_over)


def fleet(*slices: FleetSlice, moves: tuple[FleetMove, ...] = ()) -> FleetState:
    """Two servers of a data center with an address."""
    topology = Topology(
        settings=Settings(),
        locations=(FleetLocation("lisbon", 38.7, -9.1),),
        servers=(
            FleetServer("s1", 1, "lis1", "lisbon", "198.51.100.1:8644"),
            FleetServer("s2", 2, "lis1", "lisbon", "198.51.100.2:8644"),
        ),
        moves=moves,
    )
    pool = FleetPool("a" * 32, (FleetAddress(IP, slices),))
    return FleetState(FleetSnapshot(revision=1, topology=topology, pools=(pool,)))


@pytest.fixture
def bus() -> Iterator[InProcessBus]:
    made = InProcessBus()
    yield made
    made.close()


def owners(kernel: Kernel) -> set[tuple[int, int, str]]:
    return {(each.low, each.high, each.server) for each in kernel.applied[-1].owners}


def test_what_was_noted_before_the_start_is_in_force_after_it(bus):
    kernel = Kernel()
    steering = NodeSteering(kernel, "s1", bus, tuple)
    steering.note(fleet(FleetSlice(20_000, 29_999, "s1"), FleetSlice(30_000, 39_999, "s2")))
    steering.start()
    assert owners(kernel) == {(20_000, 29_999, "s1"), (30_000, 39_999, "s2")}
    steering.note(fleet(FleetSlice(20_000, 39_999, "s2")))
    eventually(lambda: owners(kernel) == {(20_000, 39_999, "s2")})
    steering.stop(hand_over=False)
    assert kernel.stopped == [False]


def test_connections_that_a_source_still_holds_stay_with_it(bus):
    move = FleetMove("m1", IP, 20_000, 29_999, "s2", "s1", int(time.time()) + 3_600)
    kernel = Kernel()
    steering = NodeSteering(kernel, "s1", bus, tuple)
    steering.note(fleet(FleetSlice(20_000, 29_999, "s1"), moves=(move,)))
    steering.start()
    assert owners(kernel) == {(20_000, 29_999, "s2")}
    held = HeldPorts(IP, "203.0.113.7:443", (20_005,))
    bus.put_held("s2", encode(HeldTuples(("m1",), (held,))))
    eventually(lambda: owners(kernel) == {(20_000, 29_999, "s1")})
    (pinned,) = kernel.applied[-1].pinned
    assert (pinned.ip, pinned.port, pinned.server) == (IPv4Address(IP), 20_005, "s2")
    steering.stop(hand_over=True)
    assert kernel.stopped == [True]


def made_with(kernel: Kernel, bus: InProcessBus, steering: str) -> NodeSteering | None:
    return steering_of(Node(steering=steering), Path(), "s1", bus, tuple, lambda _: kernel)


UNAVAILABLE = SteeringUnavailable("the capability CAP_NET_ADMIN", "Give it.")


def test_missing_capability_is_a_remark_unless_steering_is_wanted(bus, caplog):
    assert made_with(Kernel(UNAVAILABLE), bus, "auto") is not None
    assert "CAP_NET_ADMIN" in caplog.text
    with pytest.raises(StartError, match=r"CAP_NET_ADMIN.*`node\.steering`"):
        made_with(Kernel(UNAVAILABLE), bus, "on")


def test_host_is_left_alone_when_told_so(bus):
    assert made_with(Kernel(UNAVAILABLE), bus, "off") is None


def test_older_process_that_still_steers_is_no_hindrance(bus):
    assert made_with(Kernel(SteeringBusy("the older one")), bus, "on") is not None


OWN = FleetSlice(20_000, 29_999, "s1")
OTHERS = FleetSlice(30_000, 39_999, "s2")
GIVEN = (FleetSlice(20_000, 24_999, "s1"), FleetSlice(25_000, 39_999, "s2"))
TAKEN = (FleetSlice(20_000, 34_999, "s1"), FleetSlice(35_000, 39_999, "s2"))


@pytest.fixture
def kernel():
    return Kernel()


@pytest.fixture
def steering(kernel, bus):
    """With nothing in force yet, and no thread that would look by itself."""
    return NodeSteering(kernel, "s1", bus, tuple)


def brought(steering: NodeSteering, *slices: FleetSlice) -> None:
    steering.before(fleet(*slices), {})
    steering.after()


def test_ports_that_leave_are_this_servers_until_the_data_plane_has_let_go(kernel, steering):
    brought(steering, OWN, OTHERS)
    steering.before(fleet(*GIVEN), {})
    assert owners(kernel) == {(20_000, 29_999, "s1"), (30_000, 39_999, "s2")}
    steering.after()
    assert owners(kernel) == {(20_000, 24_999, "s1"), (25_000, 39_999, "s2")}


def test_ports_that_come_are_this_servers_before_the_data_plane_has_them(kernel, steering):
    brought(steering, OWN, OTHERS)
    steering.before(fleet(*TAKEN), {})
    assert {(20_000, 29_999, "s1"), (30_000, 34_999, "s1")} <= owners(kernel)
    assert (35_000, 39_999, "s2") in owners(kernel)
    steering.after()
    assert owners(kernel) == {(20_000, 34_999, "s1"), (35_000, 39_999, "s2")}


def test_what_the_data_plane_refuses_takes_no_port_from_it(kernel, steering):
    brought(steering, OWN, OTHERS)
    steering.before(fleet(*GIVEN), {})
    steering.before(fleet(OTHERS), {})
    assert owners(kernel) == {(20_000, 29_999, "s1"), (30_000, 39_999, "s2")}
    steering.before(fleet(*TAKEN), {})
    steering.after()
    assert owners(kernel) == {(20_000, 34_999, "s1"), (35_000, 39_999, "s2")}


def test_address_that_is_new_is_local_before_the_data_plane_binds_it(kernel, steering):
    steering.before(fleet(OWN), {})
    assert owners(kernel) == {(20_000, 29_999, "s1")}


def test_tuple_that_a_source_has_given_back_comes_here_before_it_is_used(kernel, steering):
    move = FleetMove("m1", IP, 20_000, 29_999, "s2", "s1", int(time.time()) + 3_600)
    held = HeldTuples(("m1",), (HeldPorts(IP, "203.0.113.7:443", (20_005, 20_006)),))
    steering.before(fleet(OWN, moves=(move,)), {"s2": held})
    steering.after()
    assert {each.port for each in kernel.applied[-1].pinned} == {20_005, 20_006}
    left = HeldTuples(("m1",), (HeldPorts(IP, "203.0.113.7:443", (20_006,)),))
    steering.heard({"s2": left})
    assert {each.port for each in kernel.applied[-1].pinned} == {20_006}


def test_tuple_that_this_server_gives_back_leaves_before_that_is_told(kernel, bus):
    held = [Held(IP, "203.0.113.7:443", (25_005, 25_006))]
    steering = NodeSteering(kernel, "s1", bus, lambda: held)
    brought(steering, *GIVEN)
    assert {each.port for each in kernel.applied[-1].pinned} == {25_005, 25_006}
    held[:] = [Held(IP, "203.0.113.7:443", (25_006,))]
    steering.telling()
    assert {each.port for each in kernel.applied[-1].pinned} == {25_006}


def test_nothing_is_written_for_a_change_that_concerns_nobody_here(kernel, steering):
    brought(steering, OWN, OTHERS)
    brought(steering, OWN, OTHERS)
    assert len(kernel.applied) == 1
