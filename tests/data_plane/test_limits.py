"""Limits and deadlines of clients: each cuts what goes beyond it, and nothing else."""

from __future__ import annotations

import threading
from contextlib import ExitStack, suppress

import pytest

from tests.support.certificates import Authority
from tests.support.h1_client import H1Client, connect, fetch
from tests.support.h2_client import H2Client, fetch_h2
from tests.support.h2_origins import H2Origin
from tests.support.http_message import head_bytes, request_bytes, response_bytes
from tests.support.origins import Gate, Origin, answering
from tests.support.plane import Plane
from tests.support.waiting import eventually
from tests.support.world import World, origin

HOST = "www.example.com"
ENHANCE_YOUR_CALM = 11


def plane_to(home: Origin, **settings: object) -> Plane:
    world = World(settings=dict(settings))
    world.zone(HOST, origin(home.port))
    return Plane(world, workers=2)


def test_a_head_beyond_its_bytes_is_refused() -> None:
    with Origin(answering()) as home, plane_to(home, max_head_bytes=2_000) as plane:
        large = ("X-Large", "a" * 2_000)
        assert fetch(plane.http, HOST, "/", ("X-Large", "a" * 1_500)).status == 200
        answer = fetch(plane.http, HOST, "/", large)
        assert (answer.status, answer.error) == (431, "head_too_large")
        assert len(home.requests) == 1


def test_a_head_beyond_its_bytes_is_refused_over_http2() -> None:
    with (
        Origin(answering()) as home,
        plane_to(home, max_head_bytes=2_000) as plane,
        H2Client(plane.http) as client,
    ):
        assert client.request(HOST, "/", ("x-large", "a" * 1_000)).status == 200
        stream = client.start(HOST, "/", ("x-large", "a" * 4_000))
        answer = client.wait(stream)
        assert answer.reset_code is not None or answer.status == 431
        assert len(home.requests) == 1


def test_a_head_with_too_many_fields_is_refused() -> None:
    fields = [(f"x-{number}", "a") for number in range(20)]
    with Origin(answering()) as home, plane_to(home, max_headers=20) as plane:
        assert fetch(plane.http, HOST, "/", *fields[:19]).status == 200
        assert fetch(plane.http, HOST, "/", *fields).error == "head_too_large"
        assert fetch_h2(plane.http, HOST, "/", *fields, ("x-more", "a")).error == "head_too_large"
        assert len(home.requests) == 1


def test_one_client_may_hold_so_many_connections_and_others_still_come() -> None:
    with (
        Origin(answering()) as home,
        plane_to(home, max_connections_per_client=3) as plane,
        ExitStack() as stack,
    ):
        clients = [stack.enter_context(H1Client(plane.http)) for _ in range(3)]
        assert [client.request(HOST).status for client in clients] == [200] * 3
        with H1Client(plane.http) as one_more:
            with suppress(ConnectionError):
                one_more.send(request_bytes(HOST))
            assert one_more.is_closed_by_peer()
        with H1Client(plane.http, source_ip="127.0.0.2") as other:
            assert other.request(HOST).status == 200
        clients[0].close()

        def is_admitted() -> bool:
            with H1Client(plane.http) as again, suppress(Exception):
                return again.request(HOST).status == 200
            return False

        eventually(is_admitted)


def test_a_rapid_reset_ends_the_connection() -> None:
    gate = Gate()
    with (
        Origin(answering(gate)) as home,
        plane_to(home, h2_max_resets=20) as plane,
        H2Client(plane.http) as client,
    ):
        with suppress(ConnectionError):
            for _ in range(100):
                client.reset(client.start(HOST))
        client.wait_for(lambda: client.goaway is not None or client.is_closed)
        assert client.goaway is None or client.goaway[0] == ENHANCE_YOUR_CALM
        assert len(home.requests) < 100
        assert fetch_h2(plane.http, "unknown.example.com").status == 404
        gate.open()


def test_slow_resets_end_the_connection_too() -> None:
    gate = Gate()
    with (
        Origin(answering(gate)) as home,
        plane_to(home, h2_max_resets=20) as plane,
        H2Client(plane.http) as client,
    ):
        for number in range(1, 21):
            stream = client.start(HOST)
            eventually(lambda wanted=number: gate.waiting == wanted)
            client.reset(stream)
        assert client.request("unknown.example.com").status == 404
        client.reset(client.start(HOST))
        client.wait_for(lambda: client.goaway is not None or client.is_closed)
        assert client.goaway is None or client.goaway[0] == ENHANCE_YOUR_CALM
        gate.open()


def test_a_flood_of_continuation_frames_ends_the_connection() -> None:
    with Origin(answering()) as home, plane_to(home) as plane, H2Client(plane.http) as client:
        client.wait_for(lambda: client.has_settings)
        part = client.h2.encoder.encode([("x-a", "b" * 100)])
        headers = client.h2.encoder.encode(
            [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", HOST)]
        )
        with suppress(ConnectionError):
            client.socket.sendall(frame(1, 0, 1, headers))
            for _ in range(10_000):
                client.socket.sendall(frame(9, 0, 1, part))
        with suppress(ConnectionError):
            while client.socket.recv(65_536):
                pass
        assert home.requests == []
        assert fetch(plane.http, HOST).status == 200


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """An HTTP/2 frame."""
    return (
        len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload
    )


def test_a_head_that_does_not_come_in_time_is_request_timeout() -> None:
    with (
        Origin(answering()) as home,
        plane_to(home, head_ms=300) as plane,
        H1Client(plane.http) as client,
    ):
        client.send(b"GET / HTTP/1.1\r\nHost: ")
        answer = client.read_response()
        assert (answer.status, answer.error) == (408, "request_timeout")
        assert client.is_closed_by_peer()


def test_a_head_that_trickles_is_cut_at_the_same_time() -> None:
    with (
        Origin(answering()) as home,
        plane_to(home, head_ms=300) as plane,
        H1Client(plane.http) as client,
    ):
        client.send(b"GET / HTTP/1.1\r\nX-A: ")
        client.socket.settimeout(0.05)

        def is_answered() -> bool:
            client.send(b"a")
            with suppress(TimeoutError):
                client.reader.fill()
            return bool(client.reader.buffer) or client.reader.is_ended

        eventually(is_answered, pause=0)
        assert client.reader.buffer.startswith(b"HTTP/1.1 408 ")
        assert home.requests == []


def test_a_connection_that_never_speaks_is_closed() -> None:
    with (
        Origin(answering()) as home,
        plane_to(home, head_ms=300) as plane,
        H1Client(plane.http) as client,
    ):
        assert client.is_closed_by_peer()


def test_an_http2_preface_that_stops_is_cut() -> None:
    with (
        Origin(answering()) as home,
        plane_to(home, head_ms=300) as plane,
        H1Client(plane.http) as client,
    ):
        client.send(b"PRI * HTTP/2.0\r\n\r\nSM")
        client.reader.read_to_end()


def test_a_tls_handshake_that_stops_is_cut() -> None:
    with (
        Origin(answering()) as home,
        plane_to(home, tls_handshake_ms=300) as plane,
        H1Client(plane.https) as client,
    ):
        client.send(b"\x16\x03\x01\x02\x00\x01")
        client.reader.read_to_end()


def test_an_idle_connection_is_closed_and_a_busy_one_is_not() -> None:
    gate = Gate()
    with (
        Origin(answering(gate)) as home,
        plane_to(home, idle_h1_ms=300) as plane,
        H1Client(plane.http) as idle,
        H1Client(plane.http) as busy,
    ):
        busy.send(request_bytes(HOST, "/busy"))
        assert idle.request("unknown.example.com").status == 404
        assert idle.is_closed_by_peer()
        gate.open()
        assert busy.read_response().status == 200


def test_an_idle_http2_connection_is_told_to_go() -> None:
    with (
        Origin(answering()) as home,
        plane_to(home, idle_h2_ms=300) as plane,
        H2Client(plane.http) as client,
    ):
        assert client.request(HOST).status == 200
        client.wait_for(lambda: client.goaway is not None or client.is_closed)
        assert client.goaway is not None
        assert client.goaway[0] == 0


def test_a_body_that_stalls_is_request_timeout() -> None:
    with (
        Origin(answering()) as home,
        plane_to(home, body_ms=300) as plane,
        H1Client(plane.http) as client,
    ):
        client.send(
            head_bytes("POST / HTTP/1.1", [("Host", HOST), ("Content-Length", "9")]) + b"hello"
        )
        answer = client.read_response()
        assert (answer.status, answer.error) == (408, "request_timeout")
        eventually(lambda: plane.current(plane.world.shared_ip, home.port) == 0)


def test_a_body_that_stalls_is_request_timeout_over_http2() -> None:
    with (
        H2Origin() as home,
        plane_to(home, body_ms=300) as plane,
        H2Client(plane.http) as client,
    ):
        plane.world.zone(HOST, origin(home.port, scheme="h2c"))
        plane.apply()
        stream = client.start(HOST, method="POST", end=False)
        client.send_data(stream, b"hello")
        answer = client.wait(stream)
        assert (answer.status, answer.error) == (408, "request_timeout")
        assert eventually(lambda: home.exchanges[0].reset_code) is not None


def test_a_client_that_takes_nothing_is_cut_and_its_origin_freed() -> None:
    large = response_bytes(200, bytes(50_000_000))
    with (
        Origin(answering(large)) as home,
        plane_to(home, body_ms=500) as plane,
        H1Client(plane.http) as client,
    ):
        client.send(request_bytes(HOST))
        assert client.reader.read_response_head().status == 200
        eventually(lambda: plane.current(plane.world.shared_ip, home.port) == 0)
        assert plane.log_line(host=HOST)["error"] == "client_aborted"


def test_a_client_that_takes_nothing_holds_little_memory() -> None:
    sent = threading.Event()
    large = response_bytes(200, bytes(80_000_000))

    def script(connection):
        connection.read_request()
        connection.send(large)
        sent.set()

    with Origin(script) as home, plane_to(home) as plane, H1Client(plane.http) as client:
        client.send(request_bytes(HOST))
        assert client.reader.read_response_head().status == 200
        assert fetch(plane.http, "unknown.example.com").status == 404
        # The kernel's buffers on both sides hold some megabytes; the plane itself must not hold the rest.
        assert not sent.is_set()


@pytest.mark.parametrize("count", [3])
def test_an_http2_connection_that_has_sent_its_share_is_told_to_go(count: int) -> None:
    with (
        Origin(answering()) as home,
        plane_to(home, max_requests_per_connection=count) as plane,
        H2Client(plane.http) as client,
    ):
        assert [client.request(HOST).status for _ in range(count)] == [200] * count
        client.wait_for(lambda: client.goaway is not None)
        assert client.goaway is not None
        assert client.goaway[0] == 0


def test_limits_of_a_new_snapshot_hold_for_new_connections(authority: Authority) -> None:
    with Origin(answering()) as home, plane_to(home) as plane:
        assert fetch(plane.http, HOST, "/", ("X-Large", "a" * 3_000)).status == 200
        plane.world.settings["max_head_bytes"] = 2_000
        plane.apply()
        assert fetch(plane.http, HOST, "/", ("X-Large", "a" * 3_000)).status == 431
        connect(plane.http).close()
