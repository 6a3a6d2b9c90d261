"""A move ends when its source has nothing left in its ports, and not before."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, ip_address

import pytest

from egressway.bus.in_process import InProcessBus
from egressway.distribution.moves import MoveKeeper, is_drained
from egressway.model.port_slice import PortRange
from egressway.model.server import LOCAL
from egressway.model.slice_move import MoveDraft, MoveId, SliceMove
from egressway.wire.held import HeldPorts, HeldTuples, encode
from tests.support.waiting import eventually
from tests.unit.distribution.test_compile import second_server

IP = "127.77.0.1"
NOW = datetime.now(UTC)
MOVE = SliceMove(
    MoveId("move-1"), IPv4Address(IP), PortRange(20_000, 29_999), LOCAL, "ams-1", NOW, NOW
)


def told(*ports: int, ip: str = IP, moves: tuple[str, ...] = ("move-1",)) -> HeldTuples:
    return HeldTuples(moves, (HeldPorts(ip, "198.51.100.1:443", ports),))


@pytest.mark.parametrize(
    ("said", "is_done"),
    [
        (None, False),
        (told(moves=()), False),
        (told(25_000), False),
        (told(), True),
        (told(30_000), True),
        (told(25_000, ip="127.77.0.2"), True),
    ],
)
def test_source_decides_whether_a_move_is_done(said, is_done):
    assert is_drained(MOVE, said) == is_done


@pytest.fixture
def bus():
    made = InProcessBus()
    yield made
    made.close()


@pytest.fixture
def keeper(installation, bus):
    made = MoveKeeper(installation.store, bus, every_seconds=0.01)
    made.start()
    yield made
    made.stop()


def pending(installation) -> list[str]:
    with installation.store.read() as read:
        return [each.id for each in read.fleet_for_snapshot(()).moves]


def moved(installation, deadline_seconds: int = 3_600) -> str:
    installation.pool(IP)
    second_server(installation)
    draft = MoveDraft(LOCAL, "ams-1", PortRange(20_000, 29_999), deadline_seconds)
    with installation.write() as write:
        (move,) = write.placements.move(ip_address(IP), draft)
    return move.id


def test_move_ends_with_the_last_connection_of_its_source(installation, bus, keeper):
    move_id = moved(installation)
    bus.put_held(LOCAL, encode(told(25_000, moves=(move_id,))))
    eventually(lambda: keeper._told.get(LOCAL))
    assert pending(installation) == [move_id]
    bus.put_held(LOCAL, encode(told(moves=(move_id,))))
    eventually(lambda: pending(installation) == [])


def test_overdue_move_ends_whoever_is_silent(installation, bus):
    move_id = moved(installation, deadline_seconds=0)
    keeper = MoveKeeper(installation.store, bus, closing_seconds=0)
    keeper.look()
    assert pending(installation) == [], move_id
    keeper.stop()


def test_source_has_a_moment_after_the_deadline_to_close_what_it_has(installation, bus):
    move_id = moved(installation, deadline_seconds=0)
    keeper = MoveKeeper(installation.store, bus, closing_seconds=3_600)
    bus.put_held(LOCAL, encode(told(25_000, moves=(move_id,))))
    keeper.look()
    assert pending(installation) == [move_id]
    bus.put_held(LOCAL, encode(told(moves=(move_id,))))
    eventually(lambda: keeper.look() or pending(installation) == [])
    keeper.stop()


def test_unreadable_word_ends_nothing(installation, bus, keeper):
    move_id = moved(installation)
    bus.put_held(LOCAL, b"\xc1")
    deadline = datetime.now(UTC) + timedelta(seconds=0.1)
    while datetime.now(UTC) < deadline:
        assert pending(installation) == [move_id]
