"""Clients of HTTP/1.0 get answers they can read."""

from __future__ import annotations

import pytest

from tests.support.h1_client import H1Client, exchange
from tests.support.h2_origins import H2Origin, respond_hello
from tests.support.http_message import chunked, head_bytes, response_bytes
from tests.support.origins import Origin, after_request, answering
from tests.support.plane import Plane
from tests.support.world import World, origin

HOST = "www.example.com"
PLAIN = head_bytes("GET / HTTP/1.0", [("Host", HOST)])
KEEPING = head_bytes("GET / HTTP/1.0", [("Host", HOST), ("Connection", "keep-alive")])
CHUNKED = head_bytes("HTTP/1.1 200 OK", [("Transfer-Encoding", "chunked")]) + chunked(b"he", b"llo")


def plane_to(home: Origin, **details: object) -> Plane:
    world = World()
    world.zone(HOST, origin(home.port, **details))
    return Plane(world)


@pytest.mark.parametrize(
    "answer",
    [response_bytes(200, b"hello"), CHUNKED, b"HTTP/1.1 200 OK\r\n\r\nhello"],
    ids=["length", "chunked", "until_close"],
)
def test_an_answer_ends_with_its_length_or_with_the_connection(answer: bytes) -> None:
    with Origin(after_request(answer)) as home, plane_to(home) as plane:
        data = exchange(plane.http, PLAIN)
        head, _, body = data.partition(b"\r\n\r\n")
        assert body == b"hello"
        assert b"transfer-encoding" not in head.lower()
        assert home.requests[0].start == "GET / HTTP/1.1"


def test_an_answer_of_http2_ends_with_the_connection() -> None:
    with H2Origin(respond_hello) as home, plane_to(home, scheme="h2c") as plane:
        assert exchange(plane.http, PLAIN).partition(b"\r\n\r\n")[2] == b"hello"


def test_a_connection_is_kept_if_asked_and_if_the_length_is_known() -> None:
    with Origin(answering()) as home, plane_to(home) as plane, H1Client(plane.http) as client:
        for _ in range(3):
            client.send(KEEPING)
            answer = client.read_response()
            assert (answer.get("connection"), answer.body) == ("keep-alive", b"hello")


def test_a_connection_is_not_kept_if_the_length_is_not_known() -> None:
    with Origin(answering(CHUNKED)) as home, plane_to(home) as plane:
        data = exchange(plane.http, KEEPING)
        assert b"connection: close" in data.lower()
        assert data.endswith(b"\r\n\r\nhello")


def test_an_upload_with_a_length_passes() -> None:
    with Origin(answering()) as home, plane_to(home) as plane:
        head = head_bytes("POST / HTTP/1.0", [("Host", HOST), ("Content-Length", "5")])
        assert exchange(plane.http, head + b"hello").startswith(b"HTTP/1.1 200 ")
        assert home.requests[0].body == b"hello"
