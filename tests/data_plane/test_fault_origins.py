"""Origins that break off, lie about lengths or talk nonsense harm one exchange and nothing else."""

from __future__ import annotations

import threading

import pytest

from tests.support.h1_client import H1Client, fetch, responses_in
from tests.support.h2_client import fetch_h2
from tests.support.http_message import Cut, head_bytes, request_bytes, response_bytes
from tests.support.origins import Connection, Origin, Script, after_request, answering
from tests.support.plane import Plane
from tests.support.waiting import eventually
from tests.support.world import World, origin

HOST = "www.example.com"
GOOD = "good.example.com"

LENGTH = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def plane_to(home: Origin, good: Origin, **settings: object) -> Plane:
    world = World(settings=dict(settings))
    world.zone(HOST, origin(home.port))
    world.zone(GOOD, origin(good.port))
    return Plane(world)


def check_unharmed(plane: Plane, home: Origin) -> None:
    """The plane serves others, and holds no connection to the faulty origin."""
    assert fetch(plane.http, GOOD).status == 200
    eventually(lambda: plane.current(plane.world.shared_ip, home.port) == 0)


UNREADABLE = {
    "garbage": b"\x00\x01\x02\x03 garbage\r\n\r\n",
    "other_protocol": b"SSH-2.0-OpenSSH_9.2\r\n",
    "http_2_frames": bytes(9) + b"\x00\x00\x00\x04\x00\x00\x00\x00\x00",
    "http_0_9": b"<html>hello</html>",
    "version_2": b"HTTP/2.0 200 OK\r\n\r\n",
    "status_not_a_number": b"HTTP/1.1 abc OK\r\n\r\n",
    "status_too_small": b"HTTP/1.1 099 OK\r\n\r\n",
    "status_too_large": b"HTTP/1.1 600 OK\r\nContent-Length: 0\r\n\r\n",
    "status_of_two_digits": b"HTTP/1.1 20 OK\r\n\r\n",
    "lengths_different": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    "lengths_equal": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
    "length_negative": b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
    "length_beside_coding": LENGTH[:-2] + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "unknown_coding": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
    "lines_in_lf": b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
    "field_folded": b"HTTP/1.1 200 OK\r\nX-A: 1\r\n 2\r\nContent-Length: 0\r\n\r\n",
    "field_without_colon": b"HTTP/1.1 200 OK\r\nnonsense\r\n\r\n",
    "space_before_colon": b"HTTP/1.1 200 OK\r\nContent-Length : 0\r\n\r\n",
    "switch_nobody_asked_for": b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n",
    "head_without_end": head_bytes("HTTP/1.1 200 OK", [("X-A", "a" * 70_000)]),
}


@pytest.mark.parametrize("answer", UNREADABLE.values(), ids=UNREADABLE.keys())
def test_an_answer_that_is_no_http_is_origin_protocol(answer: bytes) -> None:
    with (
        Origin(after_request(answer)) as home,
        Origin(answering()) as good,
        plane_to(home, good) as plane,
    ):
        refused = fetch(plane.http, HOST)
        assert (refused.status, refused.error) == (502, "origin_protocol")
        assert len(home.requests) == 1
        check_unharmed(plane, home)


WHOLE = response_bytes(200, b"hello", ("X-Origin", "yes"))
IN_HEAD = len(WHOLE) - len(b"hello")


@pytest.mark.parametrize("at", range(0, IN_HEAD, 5))
@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
def test_an_origin_that_breaks_off_in_the_head_is_origin_closed(at: int, reset: bool) -> None:
    script = after_request(WHOLE[:at], reset=reset)
    with Origin(script) as home, Origin(answering()) as good, plane_to(home, good) as plane:
        refused = fetch(plane.http, HOST)
        assert (refused.status, refused.error) == (502, "origin_closed")
        assert len(home.requests) == 1
        check_unharmed(plane, home)


BROKEN_BODIES: dict[str, tuple[bytes, ...]] = {
    "length_shorter": (LENGTH + b"hello",),
    "length_nothing": (LENGTH,),
    "chunk_cut": (CHUNKED + b"a\r\nhello",),
    "chunk_size_cut": (CHUNKED + b"5\r\nhello\r\n1",),
    "last_chunk_missing": (CHUNKED + b"5\r\nhello\r\n",),
    "last_line_missing": (CHUNKED + b"5\r\nhello\r\n0\r\n",),
    "chunk_nonsense": (CHUNKED + b"5\r\nhello\r\n", b"xyz\r\n"),
    "chunk_too_long": (CHUNKED + b"3\r\n", b"hello\r\n0\r\n\r\n"),
}


@pytest.mark.parametrize("pieces", BROKEN_BODIES.values(), ids=BROKEN_BODIES.keys())
@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
def test_a_body_that_breaks_off_never_looks_whole(pieces: tuple[bytes, ...], reset: bool) -> None:
    with (
        Origin(after_request(*pieces, reset=reset)) as home,
        Origin(answering()) as good,
        plane_to(home, good) as plane,
    ):
        with H1Client(plane.http) as client:
            client.send(request_bytes(HOST))
            with pytest.raises((Cut, ConnectionError, BadGateway)):
                check_gateway(client)
        over_h2 = fetch_h2(plane.http, HOST)
        assert over_h2.reset_code is not None or over_h2.status == 502
        check_unharmed(plane, home)


class BadGateway(Exception):
    """The proxy had not begun to answer and could still say 502."""


def check_gateway(client: H1Client) -> None:
    if client.read_response().status == 502:
        raise BadGateway


def test_bytes_beyond_the_length_do_not_reach_the_client() -> None:
    with (
        Origin(after_request(LENGTH + b"helloworld" + b"EXTRA")) as home,
        Origin(answering()) as good,
        plane_to(home, good) as plane,
    ):
        with H1Client(plane.http) as client:
            assert client.request(HOST).body == b"helloworld"
            assert client.request(GOOD).body == b"hello"
        check_unharmed(plane, home)


@pytest.mark.parametrize("status", [204, 304])
def test_a_body_where_none_may_be_does_not_reach_the_client(status: int) -> None:
    with (
        Origin(after_request(b"HTTP/1.1 %d X\r\n\r\nEXTRA" % status)) as home,
        Origin(answering()) as good,
        plane_to(home, good) as plane,
    ):
        with H1Client(plane.http) as client:
            assert client.request(HOST).status == status
            assert client.request(GOOD).body == b"hello"
        check_unharmed(plane, home)


def test_an_answer_before_the_body_has_come_is_passed_on() -> None:
    def script(connection: Connection) -> None:
        connection.read_request_head()
        connection.send(response_bytes(413, b"too large", ("Connection", "close")))
        connection.wait_closed_by_peer()

    with Origin(script) as home, Origin(answering()) as good, plane_to(home, good) as plane:
        with H1Client(plane.http) as client:
            head = [("Host", HOST), ("Content-Length", "1000000")]
            client.send(head_bytes("POST / HTTP/1.1", head) + b"x" * 1_000)
            answer = client.read_response()
            assert (answer.status, answer.body) == (413, b"too large")
            assert client.is_closed_by_peer()
        check_unharmed(plane, home)


def test_an_answer_to_a_large_upload_survives_the_origins_reset() -> None:
    def script(connection: Connection) -> None:
        connection.read_request_head()
        connection.send(response_bytes(403, b"no", ("Connection", "close")))

    with Origin(script) as home, Origin(answering()) as good, plane_to(home, good) as plane:
        answer = fetch(plane.http, HOST, method="POST", body=b"x" * 300_000)
        assert answer.status in (403, 502)
        check_unharmed(plane, home)


def test_a_storm_of_interim_answers_does_not_fill_the_memory() -> None:
    def storm(connection: Connection) -> None:
        connection.read_request()
        while True:
            connection.send(b"HTTP/1.1 102 Processing\r\n\r\n" * 1_000)

    with (
        Origin(storm) as home,
        Origin(answering()) as good,
        plane_to(home, good, first_byte_ms=1_000, body_ms=1_000) as plane,
    ):
        with H1Client(plane.http) as client:
            client.send(request_bytes(HOST))
            assert client.reader.read_response_head().status == 102
            # It is read no further: what the plane may hold of it is bounded.
            assert fetch(plane.http, GOOD).status == 200
        check_unharmed(plane, home)


def test_interim_answers_before_the_final_one_are_passed_in_order() -> None:
    hints = head_bytes("HTTP/1.1 103 Early Hints", [("Link", "</a.css>; rel=preload")])
    answer = hints + b"HTTP/1.1 102 Processing\r\n\r\n" + hints + response_bytes(200, b"x")
    with (
        Origin(answering(answer)) as home,
        Origin(answering()) as good,
        plane_to(home, good) as plane,
    ):
        final = fetch(plane.http, HOST)
        assert [each.status for each in final.interim] == [103, 102, 103]
        assert final.interim[0].get("link") == "</a.css>; rel=preload"
        assert final.body == b"x"


def trickle(answer: bytes) -> Script:
    """The answer byte by byte, each in a segment of its own."""

    def script(connection: Connection) -> None:
        connection.read_request()
        for at in range(len(answer)):
            connection.send(answer[at : at + 1])

    return script


@pytest.mark.parametrize(
    "answer",
    [WHOLE, CHUNKED + b"5;a=b\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n"],
    ids=["length", "chunked"],
)
def test_an_answer_that_comes_byte_by_byte_is_the_same(answer: bytes) -> None:
    with (
        Origin(trickle(answer)) as home,
        Origin(answering()) as good,
        plane_to(home, good) as plane,
    ):
        assert fetch(plane.http, HOST).body == b"hello"
        assert bytes(fetch_h2(plane.http, HOST).body) == b"hello"


def test_an_origin_that_stops_in_the_middle_of_a_body_is_given_up() -> None:
    def stops(connection: Connection) -> None:
        connection.read_request()
        connection.send(LENGTH + b"hello")
        connection.wait_closed_by_peer()

    with (
        Origin(stops) as home,
        Origin(answering()) as good,
        plane_to(home, good, body_ms=300) as plane,
    ):
        with H1Client(plane.http) as client:
            client.send(request_bytes(HOST))
            data = client.reader.read_to_end()
        with pytest.raises(Cut):
            responses_in(data)
        assert plane.log_line(host=HOST)["error"] == "origin_timeout"
        check_unharmed(plane, home)


def test_interim_answers_that_the_client_does_not_take_are_not_taken_from_the_origin() -> None:
    swallowed = threading.Event()
    hints = head_bytes("HTTP/1.1 103 Early Hints", [("Link", f"<{'x' * 8_000}>; rel=preload")])

    def storm(connection: Connection) -> None:
        connection.read_request()
        for _ in range(100):
            connection.send(hints * 125)
        swallowed.set()

    with (
        Origin(storm) as home,
        Origin(answering()) as good,
        plane_to(home, good, first_byte_ms=2_000, body_ms=2_000) as plane,
        H1Client(plane.http) as client,
    ):
        client.send(request_bytes(HOST))
        assert client.reader.read_response_head().status == 103
        eventually(lambda: swallowed.is_set() or home.connections[0].closed.is_set())
        # 100 MB: the kernel's buffers on both sides hold some, the plane itself must not hold the rest.
        assert not swallowed.is_set()
