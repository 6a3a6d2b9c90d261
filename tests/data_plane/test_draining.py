"""`stop` lets what has begun come to its end, cuts the rest at the deadline, and takes nothing new."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.addresses import egress_ip
from tests.support.h1_client import H1Client
from tests.support.h2_client import H2Client
from tests.support.http_message import request_bytes
from tests.support.origins import Gate, Origin, answering
from tests.support.plane import Plane
from tests.support.waiting import eventually
from tests.support.world import World, address, origin

HOST = "www.example.com"
LONG = 60.0


def plane_to(home: Origin) -> Plane:
    world = World()
    world.zone(HOST, origin(home.port))
    return Plane(world, workers=2)


def stopping(plane: Plane, deadline: float) -> Future[int]:
    """`stop` in a thread of its own; returns when draining has begun."""
    pool = ThreadPoolExecutor(1)
    cut = pool.submit(plane.native.stop, deadline)
    pool.shutdown(wait=False)
    eventually(lambda: plane.status()["is_draining"])
    return cut


def test_an_idle_plane_stops_at_once_and_closes_both_sides() -> None:
    with Origin(answering()) as home, plane_to(home) as plane, H1Client(plane.http) as client:
        assert client.request(HOST).status == 200
        begun = time.monotonic()
        assert plane.native.stop(LONG) == 0
        assert time.monotonic() - begun < LONG / 2
        assert client.is_closed_by_peer()
        assert home.connections[0].closed.wait(10)


def test_an_idle_http2_client_is_told_to_go() -> None:
    with Origin(answering()) as home, plane_to(home) as plane, H2Client(plane.http) as client:
        assert client.request(HOST).status == 200
        cut = stopping(plane, LONG)
        client.wait_for(lambda: client.is_closed)
        assert client.goaway is not None
        assert client.goaway[0] == 0
        assert cut.result(10) == 0


def test_requests_that_have_begun_are_answered() -> None:
    gate = Gate()
    with (
        Origin(answering(gate)) as home,
        plane_to(home) as plane,
        H1Client(plane.http) as client,
        H2Client(plane.http) as h2_client,
    ):
        client.send(request_bytes(HOST))
        stream = h2_client.start(HOST)
        eventually(lambda: gate.waiting == 2)
        cut = stopping(plane, LONG)
        h2_client.wait_for(lambda: h2_client.goaway is not None)
        assert not cut.done()
        gate.open()
        answer = client.read_response()
        assert (answer.status, answer.get("connection")) == (200, "close")
        assert client.is_closed_by_peer()
        assert h2_client.wait(stream).status == 200
        assert cut.result(10) == 0


def test_nothing_new_is_taken_while_stopping() -> None:
    gate = Gate()
    with Origin(answering(gate)) as home, plane_to(home) as plane, H1Client(plane.http) as client:
        client.send(request_bytes(HOST))
        eventually(lambda: gate.waiting == 1)
        cut = stopping(plane, LONG)

        def is_refused() -> bool:
            try:
                H1Client(plane.http).close()
            except ConnectionError:
                return True
            return False

        eventually(is_refused)
        gate.open()
        assert client.read_response().status == 200
        assert cut.result(10) == 0


def test_the_deadline_cuts_what_has_not_ended_and_counts_it() -> None:
    gate = Gate()
    with Origin(answering(gate)) as home, plane_to(home) as plane:
        clients = [H1Client(plane.http) for _ in range(3)]
        for client in clients:
            client.send(request_bytes(HOST))
        eventually(lambda: gate.waiting == 3)
        assert plane.native.stop(0.3) == 3
        assert all(client.is_closed_by_peer() for client in clients)
        for client in clients:
            client.close()
        gate.open()


def test_stopping_twice_does_no_harm() -> None:
    with Origin(answering()) as home, plane_to(home) as plane:
        assert plane.native.stop(1.0) == 0
        assert plane.native.stop(1.0) == 0


def test_a_stopped_plane_takes_no_snapshot() -> None:
    with Origin(answering()) as home, plane_to(home) as plane:
        plane.native.stop(1.0)
        with pytest.raises(RuntimeError):
            plane.apply()


def test_a_plane_that_was_never_applied_stops() -> None:
    plane = Plane(World())
    assert plane.native.stop(1.0) == 0


def test_planes_leave_no_threads_and_no_descriptors() -> None:
    with Origin(answering()) as home:
        one_round(home)
        after_one = held()
        for _ in range(5):
            one_round(home)
        eventually(lambda: held() <= after_one)


def one_round(home: Origin) -> None:
    """A plane's life with one request in it; at its end the origin is left alone."""
    with plane_to(home) as plane, H1Client(plane.http) as client:
        assert client.request(HOST).status == 200
    eventually(lambda: all(connection.closed.is_set() for connection in home.connections))


def held() -> tuple[int, int]:
    """Threads that are not Python's, and descriptors, of this process."""
    threads, descriptors = (
        len(list(Path("/proc/self", kind).iterdir())) for kind in ("task", "fd")
    )
    return threads - threading.active_count(), descriptors


def test_a_request_that_waits_in_line_when_stopping_begins_is_answered() -> None:
    ip, gate = egress_ip(), Gate()
    world = World(settings={"queue_ms": 20_000})
    with Origin(answering(gate)) as home:
        world.zone(HOST, origin(home.port), pool=world.pool("p", address(ip, cap=1)))
        with (
            Plane(world) as plane,
            H1Client(plane.http) as first,
            H1Client(plane.http) as second,
            H1Client(plane.http) as idle,
        ):
            assert second.request("unknown.example.com").status == 404
            first.send(request_bytes(HOST))
            eventually(lambda: gate.waiting == 1)
            second.send(request_bytes(HOST))
            eventually(lambda: plane.status()["waiting"] == 1)
            cut = stopping(plane, LONG)
            assert idle.is_closed_by_peer()
            gate.open()
            assert first.read_response().status == 200
            assert second.read_response().status == 200
            assert cut.result(10) == 0
