"""HTTP/2 towards origins: streams shared, limits kept, GOAWAY and resets survived, one dial for a burst."""

from __future__ import annotations

import socket
import threading
from collections.abc import Sequence
from contextlib import ExitStack, suppress

import pytest
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes

from tests.support.certificates import Authority
from tests.support.h1_client import H1Client, fetch
from tests.support.h2_client import H2Client, fetch_h2
from tests.support.h2_origins import Exchange, H2Origin, respond_hello
from tests.support.http_message import request_bytes
from tests.support.origins import Connection, Origin, answering
from tests.support.plane import Plane
from tests.support.waiting import eventually
from tests.support.world import World, origin

HOST = "www.example.com"
REFUSED_STREAM, NO_ERROR, INTERNAL_ERROR = 7, 0, 2


def plane_to(
    home: Origin, *, settings: dict[str, object] | None = None, **details: object
) -> Plane:
    world = World(settings=settings or {})
    world.zone(HOST, origin(home.port, **{"scheme": "h2c", **details}))
    return Plane(world, workers=2)


class Crowd:
    """Holds exchanges back until so many are there, then answers all of them."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._held: list[Exchange] = []
        self._lock = threading.Lock()

    def __call__(self, exchange: Exchange) -> None:
        with self._lock:
            self._held.append(exchange)
            if len(self._held) < self._size:
                return
            ready, self._held = self._held, []
        for each in ready:
            each.respond(200, b"crowd")


def burst(plane: Plane, count: int, connections: int = 10) -> Sequence[int]:
    """So many requests at once, over a few HTTP/2 connections; their statuses."""
    with ExitStack() as stack:
        clients = [stack.enter_context(H2Client(plane.http)) for _ in range(connections)]
        for client in clients:
            for _ in range(count // connections):
                client.start(HOST)
        return [client.wait(stream).status for client in clients for stream in client.streams]


@pytest.mark.parametrize(("streams", "wanted"), [(100, 10), (1_000, 10)], ids=["theirs", "ours"])
def test_a_burst_to_a_cold_origin_opens_as_many_connections_as_its_streams_need(
    streams: int, wanted: int
) -> None:
    with (
        H2Origin(Crowd(1_000), max_streams=streams) as home,
        plane_to(home, settings={"h2_max_streams": 200}) as plane,
    ):
        assert burst(plane, 1_000) == [200] * 1_000
        assert len(home.connections) == wanted
        assert plane.current(plane.world.shared_ip, home.port) == wanted


def test_a_burst_over_tls_makes_one_handshake_per_connection(authority: Authority) -> None:
    context = authority.server_context(authority.issue(HOST), "h2")
    with (
        H2Origin(Crowd(200), tls=context) as home,
        plane_to(home, scheme="https", verify="off") as plane,
    ):
        assert burst(plane, 200) == [200] * 200
        assert len(home.connections) == 2
        assert plane.egress(plane.world.shared_ip, home.port)["handshakes"] == 2


def test_a_burst_to_an_origin_of_http1_opens_no_more_than_it_has_requests(
    authority: Authority,
) -> None:
    context = authority.server_context(authority.issue(HOST), "http/1.1")
    with (
        Origin(answering(), tls=context) as home,
        plane_to(home, scheme="https", verify="off") as plane,
    ):
        assert burst(plane, 60) == [200] * 60
        assert len(home.connections) <= 60


def test_an_origin_of_tls_chooses_http2_only_if_it_may(authority: Authority) -> None:
    context = authority.server_context(authority.issue(HOST), "h2", "http/1.1")
    with (
        Origin(answering(), tls=context) as home,
        plane_to(home, scheme="https", verify="off", http2=False) as plane,
    ):
        assert fetch(plane.http, HOST).status == 200
        assert plane.log_line(host=HOST)["origin_protocol"] == "http/1.1"


def test_our_own_limit_of_streams_is_kept() -> None:
    with (
        H2Origin(Crowd(30), max_streams=100) as home,
        plane_to(home, h2_max_streams=10) as plane,
    ):
        assert burst(plane, 30, 3) == [200] * 30
        assert len(home.connections) == 3


def test_a_limit_of_streams_that_is_lowered_is_kept() -> None:
    def answer(exchange: Exchange) -> None:
        if exchange.path == "/lower":
            settings = {SettingCodes.MAX_CONCURRENT_STREAMS: 1}
            exchange.peer.act(lambda h2: h2.update_settings(settings))
            exchange.respond(200, b"lowered")
        else:
            crowd(exchange)

    crowd = Crowd(5)
    with H2Origin(answer) as home, plane_to(home) as plane:
        assert fetch(plane.http, HOST, "/lower").body == b"lowered"
        assert burst(plane, 5, 1) == [200] * 5
        lowered_peer, other = home.peers_h2
        assert len(lowered_peer.exchanges) == 1 + 1
        assert len(other.exchanges) == 4


def test_streams_are_reused_and_counted() -> None:
    with H2Origin(respond_hello) as home, plane_to(home) as plane:
        for _ in range(20):
            assert fetch(plane.http, HOST).body == b"hello"
        assert len(home.connections) == 1
        counts = plane.egress(plane.world.shared_ip, home.port)
        assert (counts["opened"], counts["reused"]) == (1, 19)


def test_authority_scheme_and_path_are_those_of_the_request() -> None:
    with H2Origin(respond_hello) as home, plane_to(home) as plane:
        assert fetch(plane.http, HOST, "/a?b").status == 200
        fields = dict(home.exchanges[0].fields)
        assert fields[":authority"] == HOST
        assert (fields[":method"], fields[":path"], fields[":scheme"]) == ("GET", "/a?b", "http")
        assert fields["x-forwarded-for"] == "127.0.0.1"


def test_bodies_pass_both_ways_larger_than_any_window() -> None:
    body = bytes(range(256)) * 8_192

    def echo(exchange: Exchange) -> None:
        exchange.respond(200, bytes(exchange.body)[:500_000])

    with H2Origin(echo) as home, plane_to(home) as plane:
        answer = fetch(plane.http, HOST, method="POST", body=body)
        assert answer.body == body[:500_000]
        assert bytes(home.exchanges[0].body) == body
        over_h2 = fetch_h2(plane.http, HOST, method="POST", body=body)
        assert bytes(over_h2.body) == body[:500_000]


def test_a_refused_stream_is_sent_again_even_if_it_is_a_post() -> None:
    def refuse_first(exchange: Exchange) -> None:
        if len(home.exchanges) == 1:
            exchange.reset(REFUSED_STREAM)
        else:
            exchange.respond(200, b"second")

    with H2Origin(refuse_first) as home, plane_to(home) as plane:
        assert fetch(plane.http, HOST, method="POST").body == b"second"
        assert len(home.exchanges) == 2


def test_a_stream_above_goaways_last_is_sent_again_even_if_it_is_a_post() -> None:
    def leave_first(exchange: Exchange) -> None:
        if len(home.connections) == 1:
            exchange.peer.go_away(0)
            exchange.peer.connection.socket.close()
        else:
            exchange.respond(200, b"second")

    with H2Origin(leave_first) as home, plane_to(home) as plane:
        assert fetch(plane.http, HOST, method="POST").body == b"second"
        assert len(home.connections) == 2


def test_streams_below_goaways_last_end_well_and_new_ones_go_elsewhere() -> None:
    held: list[Exchange] = []

    def hold_first(exchange: Exchange) -> None:
        if exchange.path == "/slow":
            held.append(exchange)
            exchange.peer.go_away(exchange.stream)
        else:
            exchange.respond(200, b"new")

    with H2Origin(hold_first) as home, plane_to(home) as plane, H1Client(plane.http) as slow:
        slow.send(request_bytes(HOST, "/slow"))
        eventually(lambda: held)
        eventually(lambda: fetch(plane.http, HOST).body == b"new" and len(home.connections) == 2)
        held[0].respond(200, b"old")
        assert slow.read_response().body == b"old"
        eventually(lambda: plane.current(plane.world.shared_ip, home.port) == 1)


def test_a_post_reset_by_its_origin_is_not_sent_again() -> None:
    def break_off(exchange: Exchange) -> None:
        exchange.reset(INTERNAL_ERROR)

    with H2Origin(break_off) as home, plane_to(home) as plane:
        answer = fetch(plane.http, HOST, method="POST")
        assert (answer.status, answer.error) == (502, "origin_closed")
        assert len(home.exchanges) == 1


def test_a_request_on_a_fresh_connection_that_closes_is_never_sent_twice() -> None:
    def close(exchange: Exchange) -> None:
        exchange.peer.connection.socket.shutdown(socket.SHUT_RDWR)

    with H2Origin(close) as home, plane_to(home) as plane:
        answer = fetch(plane.http, HOST)
        assert (answer.status, answer.error) == (502, "origin_closed")
        assert len(home.exchanges) == 1


def test_a_get_on_a_connection_used_before_that_closes_is_sent_once_more() -> None:
    def close_first(exchange: Exchange) -> None:
        if exchange.path == "/again" and len(home.connections) == 1:
            exchange.peer.connection.socket.shutdown(socket.SHUT_RDWR)
        else:
            exchange.respond(200, b"x")

    with H2Origin(close_first) as home, plane_to(home) as plane:
        assert fetch(plane.http, HOST).body == b"x"
        assert fetch(plane.http, HOST, "/again").body == b"x"
        assert [exchange.path for exchange in home.exchanges] == ["/", "/again", "/again"]


def test_a_reset_in_the_body_cuts_the_answer_and_not_the_connection() -> None:
    def break_off(exchange: Exchange) -> None:
        if exchange.path == "/broken":
            exchange.send_head(200)
            exchange.send_data(b"he")
            exchange.reset(INTERNAL_ERROR)
        else:
            exchange.respond(200, b"whole")

    with H2Origin(break_off) as home, plane_to(home) as plane:
        assert fetch_h2(plane.http, HOST, "/broken").reset_code is not None
        assert fetch(plane.http, HOST).body == b"whole"
        assert len(home.connections) == 1


def test_a_stream_without_an_answer_does_not_end_the_connection_of_others() -> None:
    held: list[Exchange] = []

    def answer(exchange: Exchange) -> None:
        if exchange.path == "/never":
            return
        if exchange.path == "/slow":
            held.append(exchange)
        else:
            exchange.respond(200, b"x")

    with (
        H2Origin(answer) as home,
        plane_to(home, settings={"first_byte_ms": 1_000}) as plane,
        H1Client(plane.http) as slow,
    ):
        never = fetch(plane.http, HOST, "/never")
        assert (never.status, never.error) == (504, "origin_timeout")
        slow.send(request_bytes(HOST, "/slow"))
        eventually(lambda: held)
        assert fetch(plane.http, HOST).body == b"x"
        held[0].respond(200, b"slow")
        assert slow.read_response().body == b"slow"
        assert len(home.connections) == 1
        assert eventually(lambda: home.exchanges[0].reset_code) is not None


def test_a_client_that_goes_away_resets_its_stream_alone() -> None:
    def answer(exchange: Exchange) -> None:
        if exchange.path != "/never":
            exchange.respond(200, b"x")

    with H2Origin(answer) as home, plane_to(home) as plane:
        with H1Client(plane.http) as client:
            client.send(request_bytes(HOST, "/never"))
            eventually(lambda: home.exchanges)
        assert eventually(lambda: home.exchanges[0].reset_code) is not None
        assert fetch(plane.http, HOST).body == b"x"
        assert len(home.connections) == 1


def test_an_origin_that_is_no_http2_is_origin_protocol() -> None:
    def http1(connection: Connection) -> None:
        connection.socket.recv(1_000)
        connection.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with Origin(http1) as home, plane_to(home) as plane:
        answer = fetch(plane.http, HOST)
        assert (answer.status, answer.error) == (502, "origin_protocol")


def test_requests_that_a_goaway_turns_away_share_the_next_connection() -> None:
    def leave_when_crowded(exchange: Exchange) -> None:
        if exchange.peer.connection is not home.connections[0]:
            exchange.respond(200, b"second")
        elif len(exchange.peer.exchanges) == 50:
            exchange.peer.go_away(0)
            exchange.peer.connection.socket.close()

    with H2Origin(leave_when_crowded) as home, plane_to(home) as plane:
        assert burst(plane, 50, connections=5) == [200] * 50
        assert len(home.connections) <= 3


def test_clients_that_take_nothing_leave_room_for_others_on_the_connection() -> None:
    is_over = threading.Event()

    def room(exchange: Exchange) -> int:
        return int(exchange.peer.h2.local_flow_control_window(exchange.stream))

    def pour(exchange: Exchange) -> None:
        exchange.send_head(200)
        while not is_over.wait(0.002):
            if size := min(room(exchange), 16_384):
                with suppress(ProtocolError):
                    exchange.send_data(bytes(size))

    def answer(exchange: Exchange) -> None:
        if exchange.path == "/small":
            eventually(lambda: room(exchange) > 0)
            exchange.respond(200, b"small")
        else:
            pour(exchange)

    def answer_aside(exchange: Exchange) -> None:
        threading.Thread(target=answer, args=(exchange,), daemon=True).start()

    with H2Origin(answer_aside) as home, plane_to(home) as plane, H2Client(plane.http) as slow:
        slow.h2.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 0})
        slow.flush()
        for _ in range(8):
            slow.start(HOST, "/big")
        eventually(lambda: len(home.exchanges) == 8)
        eventually(lambda: all(room(each) == 0 for each in home.exchanges), within=60.0)
        try:
            assert fetch(plane.http, HOST, "/small").body == b"small"
        finally:
            is_over.set()
        assert len(home.connections) == 1
