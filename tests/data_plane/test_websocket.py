"""WebSockets over HTTP/1.1 and over HTTP/2 (RFC 8441), always towards an HTTP/1.1 origin."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from h2.settings import SettingCodes
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect
from websockets.sync.server import ServerConnection, serve
from websockets.utils import accept_key

from tests.support.certificates import Authority
from tests.support.h1_client import H1Client, fetch
from tests.support.h1_client import connect as open_socket
from tests.support.h2_client import H2Client
from tests.support.h2_origins import H2Origin, respond_hello
from tests.support.http_message import Request, head_bytes, response_bytes
from tests.support.origins import Connection, Origin, answering
from tests.support.plane import Plane
from tests.support.waiting import eventually
from tests.support.world import World, origin

HOST = "www.example.com"
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
OPENING = [
    ("Host", HOST),
    ("Connection", "Upgrade"),
    ("Upgrade", "websocket"),
    ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", KEY),
]


def plane_to(port: int, **settings: object) -> Plane:
    world = World(settings=dict(settings))
    world.zone(HOST, origin(port))
    return Plane(world)


@contextmanager
def library_origin() -> Iterator[int]:
    """An echo server of the `websockets` library; yields its port."""

    def echo(connection: ServerConnection) -> None:
        for message in connection:
            if message == "close":
                connection.close(4_001, "as asked")
            else:
                connection.send(message)

    with serve(echo, "127.0.0.1", 0, max_size=None, subprotocols=["chat"]) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.socket.getsockname()[1]
        server.shutdown()


def switched(request: Request, *fields: tuple[str, str]) -> bytes:
    """The answer that takes an opening."""
    accept = accept_key(request.get("sec-websocket-key") or "")
    head = [("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Accept", accept)]
    return head_bytes("HTTP/1.1 101 Switching Protocols", [*head, *fields])


def byte_echo(connection: Connection) -> None:
    """Take the opening, then send every byte back until the peer ends."""
    request = connection.read_request()
    assert request is not None
    connection.send(switched(request))
    connection.send(bytes(connection.reader.buffer))
    while data := connection.socket.recv(65_536):
        connection.send(data)


def test_messages_of_all_kinds_pass_both_ways() -> None:
    with library_origin() as port, plane_to(port) as plane:
        tcp = open_socket(plane.http)
        with connect(f"ws://{HOST}/", sock=tcp, max_size=None, subprotocols=["chat"]) as client:
            assert client.subprotocol == "chat"
            for message in ("text", "\u00e4" * 1_000, b"", bytes(1_000_000)):
                client.send(message)
                assert client.recv(timeout=10) == message
            assert client.ping().wait(10)
            client.send("close")
            with pytest.raises(ConnectionClosed) as closed:
                client.recv(timeout=10)
            assert closed.value.rcvd is not None
            assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4_001, "as asked")


def test_websockets_pass_over_tls(authority: Authority) -> None:
    with library_origin() as port:
        world = World()
        world.zone(HOST, origin(port), certificates=[authority.issue(HOST)])
        with Plane(world) as plane:
            tcp = open_socket(plane.https)
            context = authority.client_context("http/1.1")
            with connect(f"wss://{HOST}/", sock=tcp, ssl=context, subprotocols=["chat"]) as client:
                client.send("hello")
                assert client.recv(timeout=10) == "hello"


def test_bytes_sent_right_behind_the_opening_are_not_lost() -> None:
    with Origin(byte_echo) as home, plane_to(home.port) as plane, H1Client(plane.http) as client:
        client.send(head_bytes("GET /chat HTTP/1.1", OPENING) + b"early")
        opened = client.reader.read_response_head()
        assert opened.status == 101
        assert opened.get("sec-websocket-accept") == accept_key(KEY)
        assert client.reader.read_exactly(5) == b"early"


def test_the_key_towards_the_origin_is_the_planes_own() -> None:
    with Origin(byte_echo) as home, plane_to(home.port) as plane, H1Client(plane.http) as client:
        client.send(head_bytes("GET /chat HTTP/1.1", OPENING))
        assert client.reader.read_response_head().status == 101
        request = home.requests[0]
        assert request.get("sec-websocket-key") not in (None, KEY)
        assert request.get("sec-websocket-version") == "13"
        assert (request.get("upgrade"), request.get("connection")) == ("websocket", "Upgrade")


def test_an_upgraded_connection_is_counted_to_its_end_and_never_used_again() -> None:
    with Origin(byte_echo) as home, plane_to(home.port) as plane:
        with H1Client(plane.http) as client:
            client.send(head_bytes("GET /chat HTTP/1.1", OPENING))
            assert client.reader.read_response_head().status == 101
            assert plane.current(plane.world.shared_ip, home.port) == 1
        assert home.connections[0].closed.wait(10)
        eventually(lambda: plane.current(plane.world.shared_ip, home.port) == 0)
        with H1Client(plane.http) as client:
            client.send(head_bytes("GET /chat HTTP/1.1", OPENING))
            assert client.reader.read_response_head().status == 101
        assert len(home.connections) == 2
        line = plane.log_line(path="/chat", status=101)
        assert line["error"] is None


def test_an_end_of_the_origin_reaches_the_client() -> None:
    def says_bye(connection: Connection) -> None:
        request = connection.read_request()
        assert request is not None
        connection.send(switched(request) + b"bye")

    with Origin(says_bye) as home, plane_to(home.port) as plane, H1Client(plane.http) as client:
        client.send(head_bytes("GET /chat HTTP/1.1", OPENING))
        assert client.reader.read_response_head().status == 101
        assert client.reader.read_to_end() == b"bye"


def test_a_wrong_accept_value_is_origin_upgrade_refused() -> None:
    def forges(request: Request) -> bytes:
        return switched(request).replace(b"Accept: ", b"Accept: x")

    with (
        Origin(answering(forges)) as home,
        plane_to(home.port) as plane,
        H1Client(plane.http) as client,
    ):
        client.send(head_bytes("GET /chat HTTP/1.1", OPENING))
        answer = client.read_response()
        assert (answer.status, answer.error) == (502, "origin_upgrade_refused")


def test_a_refusal_of_the_origin_is_passed_on() -> None:
    with Origin(answering(response_bytes(403, b"no"))) as home, plane_to(home.port) as plane:
        with pytest.raises(InvalidStatus) as refused:
            connect(f"ws://{HOST}/", sock=open_socket(plane.http))
        assert refused.value.response.status_code == 403
        assert refused.value.response.body == b"no"


def test_a_tunnel_in_which_nothing_moves_is_ended() -> None:
    with (
        Origin(byte_echo) as home,
        plane_to(home.port, tunnel_idle_ms=300) as plane,
        H1Client(plane.http) as client,
    ):
        client.send(head_bytes("GET /chat HTTP/1.1", OPENING))
        assert client.reader.read_response_head().status == 101
        assert client.is_closed_by_peer()
        assert home.connections[0].closed.wait(10)


def open_over_h2(client: H2Client, path: str = "/chat") -> int:
    client.wait_for(lambda: client.has_settings)
    head = [
        (":method", "CONNECT"),
        (":protocol", "websocket"),
        (":scheme", client.scheme),
        (":path", path),
        (":authority", HOST),
        ("sec-websocket-version", "13"),
        ("sec-websocket-protocol", "chat"),
    ]
    return client.start_raw(head, end=False)


def test_extended_connect_is_offered() -> None:
    with Origin(byte_echo) as home, plane_to(home.port) as plane, H2Client(plane.http) as client:
        client.wait_for(lambda: client.has_settings)
        assert client.h2.remote_settings[SettingCodes.ENABLE_CONNECT_PROTOCOL] == 1


def test_a_websocket_over_http2_becomes_an_opening_at_the_origin() -> None:
    with (
        Origin(byte_echo) as home,
        plane_to(home.port) as plane,
        H2Client(plane.http, is_strict=False) as client,
    ):
        stream = open_over_h2(client)
        answer = client.streams[stream]
        client.wait_for(lambda: answer.fields)
        assert answer.status == 200
        assert answer.get("sec-websocket-accept") is None
        client.send_data(stream, b"over http/2")
        client.wait_for(lambda: answer.body == b"over http/2")
        request = home.requests[0]
        assert (request.method, request.target, request.host) == ("GET", "/chat", HOST)
        assert request.get("upgrade") == "websocket"
        assert request.get("sec-websocket-protocol") == "chat"
        assert request.get("sec-websocket-key")
        # Two tunnels and a request live on one client connection.
        second = open_over_h2(client, "/second")
        client.wait_for(lambda: client.streams[second].fields)
        client.send_data(second, b"two")
        client.wait_for(lambda: client.streams[second].body == b"two")
        client.send_data(stream, b"", end=True)
        client.wait_for(lambda: answer.is_ended)
        eventually(lambda: plane.current(plane.world.shared_ip, home.port) == 1)


def test_a_reset_over_http2_ends_the_tunnel_at_the_origin() -> None:
    with (
        Origin(byte_echo) as home,
        plane_to(home.port) as plane,
        H2Client(plane.http, is_strict=False) as client,
    ):
        stream = open_over_h2(client)
        client.wait_for(lambda: client.streams[stream].fields)
        client.reset(stream)
        assert home.connections[0].closed.wait(10)
        eventually(lambda: plane.current(plane.world.shared_ip, home.port) == 0)


def test_a_refusal_of_the_origin_is_passed_on_over_http2() -> None:
    with (
        Origin(answering(response_bytes(403, b"no"))) as home,
        plane_to(home.port) as plane,
        H2Client(plane.http, is_strict=False) as client,
    ):
        answer = client.wait(open_over_h2(client))
        assert (answer.status, bytes(answer.body)) == (403, b"no")


def test_other_requests_go_on_beside_a_tunnel() -> None:
    def both(connection: Connection) -> None:
        if connection.number == 0:
            byte_echo(connection)
        else:
            answering()(connection)

    with Origin(both) as home, plane_to(home.port) as plane, H1Client(plane.http) as client:
        client.send(head_bytes("GET /chat HTTP/1.1", OPENING))
        assert client.reader.read_response_head().status == 101
        assert fetch(plane.http, HOST).body == b"hello"
        client.send(b"still here")
        assert client.reader.read_exactly(10) == b"still here"


def test_an_opening_for_an_origin_of_http2_alone_is_refused_without_opening_connections() -> None:
    with H2Origin(respond_hello) as home:
        world = World()
        world.zone(HOST, origin(home.port, scheme="h2c"))
        with Plane(world) as plane:
            for _ in range(3):
                with H1Client(plane.http) as client:
                    client.send(head_bytes("GET / HTTP/1.1", OPENING))
                    assert client.read_response().status in (400, 501, 502)
            assert len(home.connections) <= 1
