"""Of two processes of one node the older leaves, and the newer knows what the older still holds."""

from __future__ import annotations

import threading
from pathlib import Path

from egressway.data_plane.handle import Held
from egressway.node.takeover import Predecessor, SuccessorListener
from tests.support.waiting import eventually

FIRST = (Held("192.0.2.1", "198.51.100.1:80", (20_000, 20_001)),)
SECOND = (Held("192.0.2.1", "198.51.100.1:80", (20_001,)),)


class Older:
    """A process that holds what a test says."""

    def __init__(self, data: Path) -> None:
        self.holds = FIRST
        self.asked_to_leave = threading.Event()
        self.rooms: list[bool] = []
        self.listener = SuccessorListener(
            data,
            make_room=self.rooms.append,
            held=lambda: self.holds,
            leave=self.asked_to_leave.set,
            instance="0a1b",
        )
        self.listener.start()


def test_nobody_is_found_where_nobody_serves(tmp_path):
    assert Predecessor.find(tmp_path) is None


def test_newer_process_hears_what_is_held_until_the_older_is_gone(tmp_path):
    older = Older(tmp_path)
    found = Predecessor.find(tmp_path)
    assert found is not None
    assert found.make_room() == FIRST
    assert found.instance == "0a1b"
    assert not older.asked_to_leave.is_set()
    excluded: list[tuple[Held, ...]] = []
    found.leave()
    following = threading.Thread(target=found.follow, args=(excluded.append,))
    following.start()
    assert older.asked_to_leave.wait(10)
    eventually(lambda: FIRST in excluded)
    older.holds = SECOND
    eventually(lambda: SECOND in excluded)
    assert following.is_alive()
    older.listener.stop()
    following.join()
    assert excluded[-1] == ()


def test_older_process_has_its_ports_again_after_a_newer_one_that_fails(tmp_path):
    older = Older(tmp_path)
    failing = Predecessor.find(tmp_path)
    assert failing is not None
    failing.make_room()
    failing.close()
    eventually(lambda: older.rooms == [True, False])
    next_one = Predecessor.find(tmp_path)
    assert next_one is not None
    assert next_one.make_room() == FIRST
    assert not older.asked_to_leave.is_set()
    next_one.close()
    older.listener.stop()


def test_third_process_finds_the_second(tmp_path):
    first = Older(tmp_path)
    second = Older(tmp_path)
    second.holds = SECOND
    found = Predecessor.find(tmp_path)
    assert found is not None
    assert found.make_room() == SECOND
    found.close()
    first.listener.stop()
    second.listener.stop()


def test_deep_data_directory_is_no_hindrance(tmp_path):
    deep = tmp_path / ("d" * 100) / ("e" * 100)
    deep.mkdir(parents=True)
    older = Older(deep)
    found = Predecessor.find(deep)
    assert found is not None
    assert found.make_room() == FIRST
    found.close()
    older.listener.stop()


def test_older_process_that_dies_is_gone(tmp_path):
    older = Older(tmp_path)
    found = Predecessor.find(tmp_path)
    assert found is not None
    found.make_room()
    found._connection.shutdown(2)
    excluded: list[tuple[Held, ...]] = []
    found.follow(excluded.append)
    assert excluded == [()]
    older.listener.stop()
