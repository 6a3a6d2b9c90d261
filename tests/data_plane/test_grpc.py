"""Streams in both directions at once with trailers both ways, as gRPC uses them."""

from __future__ import annotations

from tests.support.certificates import Authority
from tests.support.h1_client import H1Client
from tests.support.h2_client import H2Client
from tests.support.h2_origins import Exchange, H2Origin
from tests.support.http_message import chunked, head_bytes
from tests.support.origins import Connection, Origin
from tests.support.plane import Plane
from tests.support.waiting import eventually
from tests.support.world import World, origin

HOST = "www.example.com"
CALL = [("content-type", "application/grpc"), ("te", "trailers")]


def plane_to(port: int, **details: object) -> Plane:
    world = World()
    world.zone(HOST, origin(port, **{"scheme": "h2c", **details}))
    return Plane(world)


class EchoService:
    """Answers every piece as it comes, and ends with a status in trailers."""

    def on_head(self, exchange: Exchange) -> None:
        exchange.send_head(200, ("content-type", "application/grpc"))

    def on_data(self, exchange: Exchange, data: bytes) -> None:
        if data:
            exchange.send_data(b"echo " + data)

    def on_end(self, exchange: Exchange) -> None:
        sent = dict(exchange.trailers).get("x-sum", "none")
        exchange.send_trailers(("grpc-status", "0"), ("x-sum", sent))


def echo_origin(**more: object) -> H2Origin:
    service = EchoService()
    return H2Origin(service.on_end, on_head=service.on_head, on_data=service.on_data, **more)


def ping_pong(client: H2Client) -> None:
    """Each message is sent after the answer to the one before."""
    stream = client.start(HOST, "/echo.Echo/Chat", *CALL, method="POST", end=False)
    answer = client.streams[stream]
    client.wait_for(lambda: answer.fields)
    expected = b""
    for number in range(10):
        message = b"message %d" % number
        client.send_data(stream, message)
        expected += b"echo " + message
        client.wait_for(lambda wanted=expected: answer.body == wanted)
    client.send_trailers(stream, ("x-sum", "abc"))
    client.wait(stream)
    assert answer.status == 200
    assert answer.trailers == [("grpc-status", "0"), ("x-sum", "abc")]


def test_a_conversation_passes_without_waiting_for_its_end() -> None:
    with echo_origin() as home, plane_to(home.port) as plane, H2Client(plane.http) as client:
        ping_pong(client)
        assert home.exchanges[0].get("te") == "trailers"
        assert home.exchanges[0].get("content-type") == "application/grpc"


def test_a_conversation_passes_over_tls_on_both_sides(authority: Authority) -> None:
    context = authority.server_context(authority.issue(HOST), "h2")
    with echo_origin(tls=context) as home:
        world = World(settings={"extra_trust_roots": authority.pem})
        target = origin(home.port, scheme="https", verify="strict")
        world.zone(HOST, target, certificates=[authority.issue(HOST)])
        with (
            Plane(world) as plane,
            H2Client(plane.https, tls=authority.client_context("h2"), server_name=HOST) as client,
        ):
            ping_pong(client)


def test_an_answer_of_trailers_alone_passes() -> None:
    def fail(exchange: Exchange) -> None:
        exchange.send_head(200, ("grpc-status", "5"), ("grpc-message", "no such thing"), end=True)

    with H2Origin(fail) as home, plane_to(home.port) as plane, H2Client(plane.http) as client:
        answer = client.request(HOST, "/echo.Echo/Chat", *CALL, method="POST", body=b"x")
        assert answer.get("grpc-status") == "5"
        assert answer.body == b""


def test_a_call_that_is_cancelled_is_cancelled_at_the_origin() -> None:
    with echo_origin() as home, plane_to(home.port) as plane, H2Client(plane.http) as client:
        stream = client.start(HOST, "/echo.Echo/Chat", *CALL, method="POST", end=False)
        client.wait_for(lambda: client.streams[stream].fields)
        client.reset(stream)
        assert eventually(lambda: home.exchanges[0].reset_code) is not None
        ping_pong(client)
        assert len(home.connections) == 1


def test_an_answer_that_ends_before_the_request_ends_both() -> None:
    def fail_early(exchange: Exchange) -> None:
        exchange.send_head(200, ("grpc-status", "7"), end=True)

    with (
        H2Origin(on_head=fail_early) as home,
        plane_to(home.port) as plane,
        H2Client(plane.http) as client,
    ):
        stream = client.start(HOST, "/echo.Echo/Chat", *CALL, method="POST", end=False)
        answer = client.wait(stream)
        assert (answer.status, answer.get("grpc-status")) == (200, "7")


def test_an_upload_that_stalls_does_not_hold_the_answers_back() -> None:
    pieces = [b"x" * 16_384] * 20

    def pour(exchange: Exchange) -> None:
        exchange.send_head(200)
        for piece in pieces:
            exchange.send_data(piece)

    with (
        H2Origin(on_head=pour) as home,
        plane_to(home.port) as plane,
        H2Client(plane.http) as client,
    ):
        stream = client.start(HOST, "/echo.Echo/Chat", *CALL, method="POST", end=False)
        client.wait_for(lambda: len(client.streams[stream].body) == sum(map(len, pieces)))


def http1_echo(connection: Connection) -> None:
    """An origin of HTTP/1 that returns body and trailers of a request."""
    while (request := connection.read_request()) is not None:
        fields = [("Transfer-Encoding", "chunked"), ("Trailer", "X-Sum")]
        head = head_bytes("HTTP/1.1 200 OK", fields)
        connection.send(head + chunked(request.body, trailers=request.trailers))


def test_trailers_pass_from_http2_to_http1_and_back() -> None:
    with (
        Origin(http1_echo) as home,
        plane_to(home.port, scheme="http") as plane,
        H2Client(plane.http) as client,
    ):
        stream = client.start(HOST, "/", ("te", "trailers"), method="POST", end=False)
        client.send_data(stream, b"hello")
        client.send_trailers(stream, ("x-sum", "abc"))
        answer = client.wait(stream)
        assert answer.body == b"hello"
        assert answer.trailers == [("x-sum", "abc")]
        assert home.requests[0].trailers == [("x-sum", "abc")]


def test_trailers_pass_from_http1_to_http1_and_back() -> None:
    with (
        Origin(http1_echo) as home,
        plane_to(home.port, scheme="http") as plane,
        H1Client(plane.http) as client,
    ):
        fields = [("Host", HOST), ("Transfer-Encoding", "chunked"), ("TE", "trailers")]
        body = chunked(b"hello", trailers=[("X-Sum", "abc")])
        client.send(head_bytes("POST / HTTP/1.1", [*fields, ("Connection", "TE")]) + body)
        answer = client.read_response()
        assert (answer.body, answer.trailers) == (b"hello", [("X-Sum", "abc")])
        assert home.requests[0].trailers == [("X-Sum", "abc")]


def test_trailers_pass_from_http1_to_http2_and_back() -> None:
    def echo(exchange: Exchange) -> None:
        exchange.respond(200, bytes(exchange.body), trailers=exchange.trailers)

    with H2Origin(echo) as home, plane_to(home.port) as plane, H1Client(plane.http) as client:
        fields = [("Host", HOST), ("Transfer-Encoding", "chunked"), ("TE", "trailers")]
        body = chunked(b"hello", trailers=[("X-Sum", "abc")])
        client.send(head_bytes("POST / HTTP/1.1", [*fields, ("Connection", "TE")]) + body)
        answer = client.read_response()
        assert (answer.body, answer.trailers) == (b"hello", [("x-sum", "abc")])
