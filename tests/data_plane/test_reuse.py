"""Connections are kept on both sides, and requests are repeated only where that is safe."""

from __future__ import annotations

import threading

import pytest

from tests.support.h1_client import H1Client, fetch
from tests.support.http_message import head_bytes, request_bytes, response_bytes
from tests.support.origins import Connection, Origin, Script, after_request, answering
from tests.support.plane import Plane
from tests.support.waiting import eventually
from tests.support.world import World, origin

HOST = "www.example.com"


def world_of(home: Origin, **settings: object) -> World:
    world = World(settings=dict(settings))
    world.zone(HOST, origin(home.port))
    return world


def test_requests_of_many_clients_ride_one_origin_connection_whichever_worker_has_them() -> None:
    with Origin(answering()) as home, Plane(world_of(home), workers=4) as plane:
        for number in range(20):
            assert fetch(plane.http, HOST, f"/{number}").status == 200
            eventually(lambda before=number: plane.counted("requests") == before + 1)
        assert len(home.connections) == 1
        assert home.targets == [f"/{number}" for number in range(20)]


def test_a_client_connection_serves_many_requests() -> None:
    with (
        Origin(answering()) as home,
        Plane(world_of(home)) as plane,
        H1Client(plane.http) as client,
    ):
        for _ in range(20):
            assert client.request(HOST).status == 200
        eventually(lambda: plane.counted("requests") == 20)
        assert plane.counted("connections") == 1


def test_pipelined_requests_are_answered_in_order() -> None:
    def echo_target(request):
        return response_bytes(200, request.target.encode())

    with (
        Origin(answering(echo_target)) as home,
        Plane(world_of(home)) as plane,
        H1Client(plane.http) as client,
    ):
        client.send(b"".join(request_bytes(HOST, f"/{n}") for n in range(30)))
        bodies = [client.read_response().body for _ in range(30)]
        assert bodies == [f"/{n}".encode() for n in range(30)]


def test_an_idle_origin_connection_that_closes_is_not_used_again() -> None:
    with Origin(after_request(response_bytes(200, b"x"))) as home, Plane(world_of(home)) as plane:
        for number in range(1, 6):
            assert fetch(plane.http, HOST).status == 200
            home.connections[-1].closed.wait(5)
            eventually(lambda: plane.current(plane.world.shared_ip, home.port) == 0)
            assert len(home.connections) == number


def test_an_idle_origin_connection_that_speaks_is_closed() -> None:
    spoke = threading.Event()

    def script(connection: Connection) -> None:
        connection.read_request()
        connection.send(response_bytes(200, b"x"))
        spoke.wait()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison")
        connection.wait_closed_by_peer()

    with Origin(script) as home, Plane(world_of(home)) as plane:
        assert fetch(plane.http, HOST).body == b"x"
        assert plane.current(plane.world.shared_ip, home.port) == 1
        spoke.set()
        eventually(lambda: plane.current(plane.world.shared_ip, home.port) == 0)
        assert fetch(plane.http, HOST).body == b"x"


def test_bytes_behind_an_answer_close_the_connection() -> None:
    answer = response_bytes(200, b"x") + response_bytes(200, b"poison")
    with Origin(answering(answer)) as home, Plane(world_of(home)) as plane:
        assert [fetch(plane.http, HOST).body for _ in range(5)] == [b"x"] * 5
        assert len(home.connections) == 5


def test_an_origin_that_says_close_is_believed() -> None:
    with (
        Origin(answering(response_bytes(200, b"x", ("Connection", "close")))) as home,
        Plane(world_of(home)) as plane,
    ):
        assert [fetch(plane.http, HOST).status for _ in range(3)] == [200] * 3
        assert len(home.connections) == 3


def stale_after_one(connection: Connection) -> None:
    """Answer one request; take the next without an answer and close."""
    connection.read_request()
    connection.send(response_bytes(200, b"first"))
    connection.read_request()


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"])
def test_an_idempotent_request_on_a_stale_connection_is_sent_once_more(method: str) -> None:
    answers = [
        stale_after_one,
        answering(response_bytes(200, b"fresh")[: -5 if method == "HEAD" else None]),
    ]

    with Origin(in_order(*answers)) as home, Plane(world_of(home)) as plane:
        assert fetch(plane.http, HOST, "/warm").body == b"first"
        assert fetch(plane.http, HOST, "/again", method=method).status == 200
        assert home.targets == ["/warm", "/again", "/again"]
        assert plane.log_line(path="/again")["attempts"] == 2


@pytest.mark.parametrize("method", ["POST", "PATCH", "PURGE"])
def test_any_other_request_on_a_stale_connection_is_never_sent_twice(method: str) -> None:
    with Origin(in_order(stale_after_one, answering())) as home, Plane(world_of(home)) as plane:
        assert fetch(plane.http, HOST, "/warm").body == b"first"
        answer = fetch(plane.http, HOST, "/once", method=method, body=b"pay")
        assert (answer.status, answer.error) == (502, "origin_closed")
        assert home.targets == ["/warm", "/once"]


def test_a_request_on_a_fresh_connection_is_never_sent_twice() -> None:
    with Origin(after_request()) as home, Plane(world_of(home)) as plane:
        answer = fetch(plane.http, HOST)
        assert (answer.status, answer.error) == (502, "origin_closed")
        assert home.targets == ["/"]


def test_a_request_is_not_repeated_once_its_answer_has_begun() -> None:
    def script(connection: Connection) -> None:
        connection.read_request()
        connection.send(response_bytes(200, b"first"))
        connection.read_request()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Le")

    with Origin(in_order(script, answering())) as home, Plane(world_of(home)) as plane:
        assert fetch(plane.http, HOST, "/warm").body == b"first"
        assert fetch(plane.http, HOST, "/begun").error == "origin_closed"
        assert home.targets == ["/warm", "/begun"]


def test_an_idle_origin_connection_is_closed_after_its_time() -> None:
    with Origin(answering()) as home, Plane(world_of(home, origin_idle_ms=200)) as plane:
        assert fetch(plane.http, HOST).status == 200
        assert home.connections[0].closed.wait(10)
        eventually(lambda: plane.current(plane.world.shared_ip, home.port) == 0)


def test_an_origin_connection_past_its_greatest_age_is_replaced() -> None:
    with Origin(answering()) as home, Plane(world_of(home, origin_max_age_ms=200)) as plane:

        def is_replaced() -> bool:
            assert fetch(plane.http, HOST).status == 200
            return len(home.connections) > 1

        eventually(is_replaced)


def test_a_client_that_has_sent_its_share_of_requests_is_asked_to_come_again() -> None:
    with (
        Origin(answering()) as home,
        Plane(world_of(home, max_requests_per_connection=3)) as plane,
        H1Client(plane.http) as client,
    ):
        answers = [client.request(HOST) for _ in range(3)]
        assert [answer.get("connection") for answer in answers] == [None, None, "close"]
        assert client.is_closed_by_peer()


def test_an_upload_cut_by_the_client_is_not_completed_towards_the_origin() -> None:
    cut = threading.Event()

    def script(connection: Connection) -> None:
        connection.read_request_head()
        connection.reader.read_exactly(5)
        cut.set()
        connection.wait_closed_by_peer()

    with Origin(script) as home, Plane(world_of(home)) as plane:
        with H1Client(plane.http) as client:
            client.send(
                head_bytes("POST / HTTP/1.1", [("Host", HOST), ("Content-Length", "9")]) + b"hello"
            )
            assert cut.wait(10)
        assert home.connections[0].closed.wait(10)
        assert home.connections[0].reader.buffer == b""
        assert plane.log_line(path="/")["error"] == "client_aborted"


def in_order(*scripts: Script) -> Script:
    """The n-th connection follows the n-th script, and the last one all that come later."""

    def script(connection: Connection) -> None:
        scripts[min(connection.number, len(scripts) - 1)](connection)

    return script
