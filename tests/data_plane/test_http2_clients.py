"""HTTP/2 clients in front of HTTP/1 origins: what both protocols can say arrives in the other's words."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from tests.support.certificates import Authority
from tests.support.h1_client import H1Client
from tests.support.h2_client import H2Client, fetch_h2
from tests.support.http_message import Request, chunked, head_bytes, response_bytes
from tests.support.origins import Gate, Origin, answering
from tests.support.plane import Plane
from tests.support.waiting import eventually
from tests.support.world import World, origin

HOST = "www.example.com"
LARGE = bytes(range(256)) * 4_096


def plane_to(home: Origin, **settings: object) -> Plane:
    world = World(settings=dict(settings))
    world.zone(HOST, origin(home.port))
    return Plane(world)


def echo(request: Request) -> bytes:
    return response_bytes(200, request.body, ("X-Method", request.method))


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PURGE"])
def test_methods_pass(method: str) -> None:
    with Origin(answering(echo)) as home, plane_to(home) as plane:
        answer = fetch_h2(plane.http, HOST, "/a?b", method=method)
        assert (answer.status, answer.get("x-method")) == (200, method)
        assert home.requests[0].start == f"{method} /a?b HTTP/1.1"
        assert home.requests[0].get_all("host") == [HOST]


def test_large_bodies_pass_both_ways() -> None:
    with Origin(answering(echo)) as home, plane_to(home) as plane:
        assert bytes(fetch_h2(plane.http, HOST, method="POST", body=LARGE).body) == LARGE


def test_many_streams_share_a_connection_and_do_not_wait_for_each_other() -> None:
    gate = Gate()
    with Origin(answering(gate)) as home, plane_to(home) as plane, H2Client(plane.http) as client:
        held = [client.start(HOST, f"/{number}") for number in range(50)]
        eventually(lambda: gate.waiting == 50)
        assert client.request("unknown.example.com").status == 404
        gate.open()
        assert [client.wait(stream).status for stream in held] == [200] * 50


def test_head_and_bodiless_answers_end_at_once() -> None:
    def bodiless(request: Request) -> bytes:
        if request.method == "HEAD":
            return head_bytes("HTTP/1.1 200 OK", [("Content-Length", "5")])
        return head_bytes(f"HTTP/1.1 {request.target[1:]} Status", [("X-A", "1")])

    with (
        Origin(answering(bodiless)) as home,
        plane_to(home) as plane,
        H2Client(plane.http) as client,
    ):
        head = client.request(HOST, method="HEAD")
        assert (head.status, head.get("content-length"), head.body) == (200, "5", b"")
        for status in (204, 304):
            answer = client.request(HOST, f"/{status}")
            assert (answer.status, answer.get("x-a"), answer.body) == (status, "1", b"")
        assert len(home.connections) == 1


def test_fields_of_one_connection_do_not_reach_an_http2_client() -> None:
    fields = [
        ("Connection", "close, X-Hop"),
        ("X-Hop", "1"),
        ("Keep-Alive", "timeout=9"),
        ("Proxy-Connection", "close"),
        ("Upgrade", "h2c"),
        ("X-Kept", "1"),
    ]
    with Origin(answering(response_bytes(200, b"x", *fields))) as home, plane_to(home) as plane:
        answer = fetch_h2(plane.http, HOST)
        names = {name for name, _ in answer.fields}
        assert "x-kept" in names
        assert not names & {"connection", "x-hop", "keep-alive", "proxy-connection", "upgrade"}


def test_chunked_answers_lose_their_framing_and_keep_their_trailers() -> None:
    head = head_bytes("HTTP/1.1 200 OK", [("Transfer-Encoding", "chunked"), ("Trailer", "X-Sum")])
    body = chunked(b"he", b"llo", trailers=[("X-Sum", "abc")])
    with Origin(answering(head + body)) as home, plane_to(home) as plane:
        answer = fetch_h2(plane.http, HOST, "/", ("te", "trailers"))
        assert bytes(answer.body) == b"hello"
        assert answer.trailers == [("x-sum", "abc")]
        assert answer.get("transfer-encoding") is None


def test_a_body_that_ends_in_an_empty_frame_leaves_the_origin_connection_clean() -> None:
    with Origin(answering(echo)) as home, plane_to(home) as plane, H2Client(plane.http) as client:
        for number in range(5):
            stream = client.start(HOST, f"/{number}", method="POST", end=False)
            client.send_data(stream, b"hello")
            client.send_data(stream, b"", end=True)
            assert bytes(client.wait(stream).body) == b"hello"
        assert len(home.connections) == 1
        assert home.connections[0].reader.buffer == b""
        assert home.targets == [f"/{number}" for number in range(5)]


def test_a_client_that_resets_its_upload_does_not_complete_it_at_the_origin() -> None:
    with Origin(answering(echo)) as home, plane_to(home) as plane, H2Client(plane.http) as client:
        stream = client.start(HOST, method="POST", end=False)
        client.send_data(stream, b"hello")
        eventually(lambda: home.connections)
        client.reset(stream)
        assert home.connections[0].closed.wait(10)
        assert home.requests == []
        assert client.request(HOST).status == 200


def test_http1_and_http2_are_told_apart_on_one_plain_port() -> None:
    with Origin(answering()) as home, plane_to(home) as plane, ExitStack() as stack:
        for kind in (H1Client, H2Client, H1Client, H2Client):
            client = stack.enter_context(kind(plane.http))
            assert client.request(HOST).status == 200


def test_a_preface_in_pieces_is_recognised() -> None:
    with Origin(answering()) as home, plane_to(home) as plane, H1Client(plane.http) as client:
        preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(3) + b"\x04\x00" + bytes(4)
        for byte in preface:
            client.send(bytes([byte]))
        assert client.reader.read_exactly(9)[3] == 4


def test_http2_is_spoken_over_tls(authority: Authority) -> None:
    with Origin(answering()) as home:
        world = World()
        world.zone(HOST, origin(home.port), certificates=[authority.issue(HOST)])
        with Plane(world) as plane:
            answer = fetch_h2(plane.https, HOST, tls=authority.client_context("h2"))
            assert (answer.status, bytes(answer.body)) == (200, b"hello")
            assert home.requests[0].get("x-forwarded-proto") == "https"
