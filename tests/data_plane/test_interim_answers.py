"""100 Continue and 103 Early Hints pass from origin to client, over both protocols."""

from __future__ import annotations

import threading

from tests.support.h1_client import H1Client, fetch
from tests.support.h2_client import H2Client
from tests.support.h2_origins import Exchange, H2Origin
from tests.support.http_message import head_bytes, response_bytes
from tests.support.origins import Connection, Origin
from tests.support.plane import Plane
from tests.support.world import World, origin

HOST = "www.example.com"
EXPECTING = [("Host", HOST), ("Content-Length", "5"), ("Expect", "100-continue")]


def plane_to(port: int, **details: object) -> Plane:
    world = World()
    world.zone(HOST, origin(port, **details))
    return Plane(world)


def continuing(connection: Connection) -> None:
    """Ask for the body before reading it."""
    head = connection.read_request_head()
    assert head is not None
    assert head.get("expect") == "100-continue"
    connection.send(b"HTTP/1.1 100 Continue\r\n\r\n")
    connection.send(response_bytes(200, connection.reader.read_exactly(5)))


def test_a_body_is_asked_for_by_the_origin() -> None:
    with Origin(continuing) as home, plane_to(home.port) as plane, H1Client(plane.http) as client:
        client.send(head_bytes("POST / HTTP/1.1", EXPECTING))
        assert client.reader.read_response_head().status == 100
        client.send(b"hello")
        assert client.read_response().body == b"hello"


def test_a_body_is_asked_for_by_the_origin_over_http2() -> None:
    with Origin(continuing) as home, plane_to(home.port) as plane, H2Client(plane.http) as client:
        fields = [("content-length", "5"), ("expect", "100-continue")]
        stream = client.start(HOST, "/", *fields, method="POST", end=False)
        client.wait_for(lambda: client.streams[stream].interim)
        assert dict(client.streams[stream].interim[0])[":status"] == "100"
        client.send_data(stream, b"hello", end=True)
        assert client.wait(stream).body == b"hello"


def test_a_body_that_the_origin_does_not_want_is_not_asked_for() -> None:
    def refusing(connection: Connection) -> None:
        connection.read_request_head()
        connection.send(response_bytes(417, b"no", ("Connection", "close")))
        connection.wait_closed_by_peer()

    with Origin(refusing) as home, plane_to(home.port) as plane, H1Client(plane.http) as client:
        client.send(head_bytes("POST / HTTP/1.1", EXPECTING))
        answer = client.read_response()
        assert (answer.status, answer.interim) == (417, [])


def test_a_100_nobody_asked_for_is_kept_from_the_client() -> None:
    def eager(connection: Connection) -> None:
        connection.read_request()
        connection.send(b"HTTP/1.1 100 Continue\r\n\r\n" + response_bytes(200, b"x"))

    with Origin(eager) as home, plane_to(home.port) as plane:
        answer = fetch(plane.http, HOST)
        assert (answer.status, answer.interim) == (200, [])


def hinting(release: threading.Event):
    def script(connection: Connection) -> None:
        connection.read_request()
        connection.send(head_bytes("HTTP/1.1 103 Early Hints", [("Link", "</a.css>")]))
        release.wait()
        connection.send(response_bytes(200, b"x"))

    return script


def test_early_hints_do_not_wait_for_the_answer() -> None:
    release = threading.Event()
    with (
        Origin(hinting(release)) as home,
        plane_to(home.port) as plane,
        H1Client(plane.http) as client,
    ):
        client.send(head_bytes("GET / HTTP/1.1", [("Host", HOST)]))
        hints = client.reader.read_response_head()
        assert (hints.status, hints.get("link")) == (103, "</a.css>")
        release.set()
        assert client.read_response().body == b"x"


def test_early_hints_do_not_wait_for_the_answer_over_http2() -> None:
    release = threading.Event()
    with (
        Origin(hinting(release)) as home,
        plane_to(home.port) as plane,
        H2Client(plane.http) as client,
    ):
        stream = client.start(HOST)
        client.wait_for(lambda: client.streams[stream].interim)
        assert client.streams[stream].interim == [[(":status", "103"), ("link", "</a.css>")]]
        release.set()
        assert client.wait(stream).body == b"x"


def test_early_hints_of_an_http2_origin_pass() -> None:
    def hint(exchange: Exchange) -> None:
        exchange.send_head(103, ("link", "</a.css>"))
        exchange.respond(200, b"x")

    with H2Origin(hint) as home, plane_to(home.port, scheme="h2c") as plane:
        answer = fetch(plane.http, HOST)
        assert [each.status for each in answer.interim] == [103]
        assert answer.body == b"x"


def test_a_client_of_http_1_0_gets_no_interim_answers() -> None:
    release = threading.Event()
    release.set()
    with (
        Origin(hinting(release)) as home,
        plane_to(home.port) as plane,
        H1Client(plane.http) as client,
    ):
        client.send(f"GET / HTTP/1.0\r\nHost: {HOST}\r\n\r\n".encode())
        answer = client.read_response()
        assert (answer.status, answer.interim, answer.body) == (200, [], b"x")
