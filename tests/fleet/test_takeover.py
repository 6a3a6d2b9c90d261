"""A newer process of a node takes over from an older one, and no request notices."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.fleet_processes import Fleet, NodeProcess
from tests.support.http_message import response_bytes
from tests.support.origins import Gate, Origin, answering
from tests.support.waiting import eventually

HOST = "example.com"
HELD_HOST = "held.example.com"
HELD = 5


@pytest.fixture
def fleet(tmp_path):
    with Fleet(tmp_path) as running:
        running.place("lisbon", "lis1", "s1")
        yield running


class Load:
    """Requests one after the other, each on a connection of its own, until told to stop."""

    def __init__(self, node: NodeProcess) -> None:
        self._node = node
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.answered = 0
        self.failures: list[object] = []

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                status, body = self._node.request(HOST)
            except OSError as failure:
                self.failures.append(failure)
            else:
                if status != 200:
                    self.failures.append((status, body))
                self.answered += 1


def test_upgrade_breaks_no_request_and_waits_for_those_that_are_open(fleet, origin):
    gate = Gate(response_bytes(200, b'{"held": true}'))
    with Origin(answering(gate)) as held_origin, ThreadPoolExecutor(HELD) as clients:
        older = fleet.node("s1")
        fleet.zone(HOST, origin.port)
        fleet.zone(HELD_HOST, held_origin.port)
        eventually(lambda: older.answers(HOST) and older.status()["zones"] == 2)
        open_requests = [clients.submit(older.request, HELD_HOST) for _ in range(HELD)]
        eventually(lambda: gate.waiting == HELD)

        with Load(older) as load:
            eventually(lambda: load.answered > 20)
            newer = fleet.node("s1")
            answered = load.answered
            eventually(lambda: load.answered > answered + 100, within=30)
        assert load.failures == []
        assert older.is_running
        assert not any(request.done() for request in open_requests)
        assert newer.status()["revision"] > 0

        gate.open()
        assert [request.result(30)[0] for request in open_requests] == [200] * HELD
        assert older.wait() == 0
        assert newer.answers(HOST)
    eventually(lambda: "the older process is gone" in newer.errors)


def test_node_that_does_not_hand_over_is_named(fleet):
    node = fleet.node("s1")
    (node.data / "node.sock").unlink()
    with pytest.raises(AssertionError, match=f"is in use by process {node.pid}"):
        fleet.node("s1")
    assert node.is_running
