"""A request that leaves from another server is the same to its origin and to its client."""

from __future__ import annotations

import threading

import pytest
from websockets.sync.client import connect

from tests.conformance.ordinary_requests import REQUESTS, Ordinary, script
from tests.data_plane.test_grpc import echo_origin, ping_pong
from tests.data_plane.test_websocket import library_origin
from tests.support.addresses import egress_ip, listening_port
from tests.support.fleet import HERE, NEAR, Fleet, pair, spots
from tests.support.h1_client import H1Client, exchange, fetch
from tests.support.h1_client import connect as open_socket
from tests.support.h2_client import H2Client
from tests.support.http_message import (
    Request,
    Response,
    chunked,
    head_bytes,
    request_bytes,
    response_bytes,
)
from tests.support.origins import Connection, Origin, after_request, answering
from tests.support.waiting import eventually
from tests.support.world import address, origin

HOST = "www.example.com"


def told(request: Request) -> tuple[object, ...]:
    """What an origin hears, but for what differs with every request and with the process."""
    fields = [
        (name, value)
        for name, value in request.fields
        if name.lower() not in {"x-request-id", "cdn-loop"}
    ]
    return (request.method, request.target, fields, request.body, request.trailers)


def heard(response: Response) -> tuple[object, ...]:
    fields = [(name, value) for name, value in response.fields if name.lower() != "x-request-id"]
    return (response.status, fields, response.body, response.trailers)


@pytest.mark.parametrize("each", REQUESTS, ids=lambda each: each.name)
def test_forwarded_request_is_the_same_to_origin_and_client(each: Ordinary):
    with Origin(script) as home:
        fleet, _ = pair(HOST, home.port)
        with fleet:
            answers = {}
            for name in (NEAR, HERE):
                with H1Client(fleet[name].http) as client:
                    client.send(each.sent)
                    answers[name] = client.read_response(each.method)
            assert heard(answers[HERE]) == heard(answers[NEAR])
            direct, forwarded = home.requests
            assert told(forwarded) == told(direct)


def test_trailers_pass_both_ways_as_they_are_spelled():
    answer = head_bytes("HTTP/1.1 200 OK", [("Transfer-Encoding", "chunked")])
    answer += chunked(b"body", trailers=[("X-Sum", "abc"), ("x-sum-2", "d")])
    sent = request_bytes(HOST, "/", ("Transfer-Encoding", "chunked"), method="POST")
    sent += chunked(b"he", b"llo", trailers=[("X-Check", "1")])
    with Origin(answering(answer)) as home:
        fleet, _ = pair(HOST, home.port)
        with fleet, H1Client(fleet[HERE].http) as client:
            client.send(sent)
            response = client.read_response()
            assert response.body == b"body"
            assert response.trailers == [("X-Sum", "abc"), ("x-sum-2", "d")]
            assert home.requests[0].trailers == [("X-Check", "1")]


def test_interim_answers_pass():
    hints = head_bytes("HTTP/1.1 103 Early Hints", [("Link", "</a.css>; rel=preload")])
    with Origin(after_request(hints, response_bytes(200, b"hello"))) as home:
        fleet, _ = pair(HOST, home.port)
        with fleet, H1Client(fleet[HERE].http) as client:
            client.send(request_bytes(HOST))
            answer = client.read_response()
            assert [hint.status for hint in answer.interim] == [103]
            assert answer.body == b"hello"


def test_client_waits_for_the_origins_word_before_it_sends_its_body():
    def serve(connection: Connection) -> None:
        head = connection.read_request_head()
        assert head is not None
        connection.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        assert connection.reader.read_exactly(5) == b"hello"
        connection.send(response_bytes(200, b"thanks"))

    with Origin(serve) as home:
        fleet, _ = pair(HOST, home.port)
        with fleet, H1Client(fleet[HERE].http) as client:
            fields = (("Content-Length", "5"), ("Expect", "100-continue"))
            client.send(request_bytes(HOST, "/", *fields, method="POST"))
            assert client.reader.read_response_head().status == 100
            client.send(b"hello")
            assert client.read_response().body == b"thanks"


@pytest.mark.parametrize("size", [0, 1, 65_535, 65_536, 65_537, 1_000_000, 30_000_000])
def test_bodies_of_every_size_pass_both_ways(size: int):
    body = bytes(range(256)) * (size // 256) + b"x" * (size % 256)

    def serve(connection: Connection) -> None:
        while (request := connection.read_request()) is not None:
            connection.send(response_bytes(200, request.body))

    with Origin(serve) as home:
        fleet, _ = pair(HOST, home.port)
        with fleet:
            answer = fetch(fleet[HERE].http, HOST, method="POST", body=body)
            assert answer.status == 200
            assert answer.body == body


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (b"nonsense\r\n\r\n", "origin_protocol"),
        (b"", "origin_closed"),
    ],
)
def test_fault_of_the_origin_is_told_with_the_same_code(answer: bytes, code: str):
    with Origin(after_request(answer)) as home:
        fleet, ip = pair(HOST, home.port)
        with fleet:
            failed = fetch(fleet[HERE].http, HOST)
            assert (failed.status, failed.error) == (502, code)
            line = fleet[HERE].log_line(error=code)
            assert (line["egress_server"], line["egress_ip"]) == (NEAR, ip)


def test_refused_origin_is_told_with_the_same_code():
    fleet, _ = pair(HOST, listening_port())
    with fleet:
        assert fetch(fleet[HERE].http, HOST).error == "origin_refused"


def test_second_origin_is_tried_when_the_first_refuses():
    with Origin(answering()) as home:
        fleet = Fleet(spots(HERE, NEAR))
        pool = fleet.pool("p", near=[address(egress_ip())])
        fleet.zone(HOST, origin(listening_port()), origin(home.port), pool=pool)
        with fleet:
            for _ in range(2):
                assert fetch(fleet[HERE].http, HOST, method="POST", body=b"x").status == 200


def test_answer_that_is_cut_short_is_cut_short_for_the_client():
    answer = head_bytes("HTTP/1.1 200 OK", [("Content-Length", "100")]) + b"half"
    with Origin(after_request(answer)) as home:
        fleet, _ = pair(HOST, home.port)
        with fleet:
            seen = exchange(fleet[HERE].http, request_bytes(HOST))
            assert seen.endswith(b"half")
            assert fleet[HERE].log_line(host=HOST)["error"] == "origin_closed"


def test_client_that_goes_away_ends_the_request_at_the_origin():
    gone = threading.Event()

    def serve(connection: Connection) -> None:
        connection.read_request()
        connection.wait_closed_by_peer()
        gone.set()

    with Origin(serve) as home:
        fleet, ip = pair(HOST, home.port)
        with fleet:
            with H1Client(fleet[HERE].http) as client:
                client.send(request_bytes(HOST))
                eventually(lambda: home.requests)
            assert gone.wait(10)
            eventually(lambda: fleet[NEAR].current(ip, home.port) == 0)


def test_websocket_is_carried_to_its_end():
    with library_origin() as port:
        fleet, _ = pair(HOST, port)
        with fleet:
            tcp = open_socket(fleet[HERE].http)
            opening = connect(f"ws://{HOST}/", sock=tcp, max_size=None, subprotocols=["chat"])
            with opening as socket:
                assert socket.subprotocol == "chat"
                for message in ("hello", "x" * 300_000, "bye"):
                    socket.send(message)
                    assert socket.recv() == message
            assert fleet[HERE].log_line(status=101)["rung"] == "data_center"


def test_refused_upgrade_is_an_ordinary_answer():
    with Origin(answering(response_bytes(200, b"no"))) as home:
        fleet, _ = pair(HOST, home.port)
        with fleet, H1Client(fleet[HERE].http) as client:
            fields = (
                ("Connection", "Upgrade"),
                ("Upgrade", "websocket"),
                ("Sec-WebSocket-Version", "13"),
                ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
            )
            client.send(request_bytes(HOST, "/", *fields))
            answer = client.read_response()
            assert (answer.status, answer.body) == (200, b"no")


def test_grpc_stream_with_trailers_both_ways():
    with echo_origin() as home:
        fleet = Fleet(spots(HERE, NEAR))
        pool = fleet.pool("p", near=[address(egress_ip())])
        fleet.zone(HOST, origin(home.port, scheme="h2c"), pool=pool)
        with fleet, H2Client(fleet[HERE].http) as client:
            ping_pong(client)


def test_words_between_servers_cannot_be_forged():
    spoofed = ("Egressway-Link", "Zm9yZ2Vk")
    answer = response_bytes(200, b"hello", spoofed, ("X-Kept", "yes"))
    with Origin(answering(answer)) as home:
        fleet, ip = pair(HOST, home.port)
        with fleet:
            response = fetch(fleet[HERE].http, HOST, "/", spoofed)
            assert response.status == 200
            assert "egressway-link" not in {name.lower() for name, _ in response.fields}
            assert ("X-Kept", "yes") in response.fields
            sent = {name.lower() for name, _ in home.requests[0].fields}
            assert "egressway-link" not in sent
            assert fleet[HERE].log_line(host=HOST)["egress_ip"] == ip
