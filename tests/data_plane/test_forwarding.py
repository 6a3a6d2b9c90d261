"""Requests leave from the server that holds an address, whichever server they came to."""

from __future__ import annotations

import threading

import pytest
from websockets.sync.client import connect

from tests.conformance.ordinary_requests import REQUESTS, Ordinary, script
from tests.conformance.smuggling.case import HOST
from tests.data_plane.test_grpc import echo_origin, ping_pong
from tests.data_plane.test_websocket import library_origin
from tests.support.addresses import egress_ip, listening_port
from tests.support.certificates import Authority
from tests.support.fleet import Fleet, Spot
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
from tests.support.origins import Connection, Gate, Origin, after_request, answering
from tests.support.waiting import eventually
from tests.support.world import address, origin

HERE, NEAR, BESIDE, FAR, FURTHER = "here", "near", "beside", "far", "further"
SPOTS = {
    HERE: Spot("ams-1", "ams"),
    NEAR: Spot("ams-1", "ams"),
    BESIDE: Spot("ams-2", "ams"),
    FAR: Spot("fra-1", "fra"),
    FURTHER: Spot("par-1", "par"),
}


def pair(port: int, **settings: object) -> tuple[Fleet, str]:
    """Requests come to one server and leave from the other; the address they leave from."""
    fleet = Fleet({HERE: SPOTS[HERE], NEAR: SPOTS[NEAR]}, settings=dict(settings))
    ip = egress_ip()
    pool = fleet.pool("p", near=[address(ip)])
    fleet.zone(HOST, origin(port), pool=pool)
    return fleet, ip


# Where a request leaves from.


@pytest.mark.parametrize(
    ("holders", "rung", "server"),
    [
        ((HERE, NEAR, BESIDE, FAR, FURTHER), "server", HERE),
        ((NEAR, BESIDE, FAR, FURTHER), "data_center", NEAR),
        ((BESIDE, FAR, FURTHER), "location", BESIDE),
        ((FAR, FURTHER), "closest", FAR),
        ((FURTHER,), "closest", FURTHER),
    ],
)
def test_request_leaves_from_the_nearest_server_that_holds_an_address(holders, rung, server):
    ips = {holder: egress_ip() for holder in holders}
    with Origin(answering()) as home:
        fleet = Fleet(SPOTS)
        pool = fleet.pool("p", **{each: [address(ip)] for each, ip in ips.items()})
        fleet.zone(HOST, origin(home.port), pool=pool)
        with fleet:
            assert fetch(fleet[HERE].http, HOST).status == 200
            assert home.peers == [ips[server]]
            line = fleet[HERE].log_line(host=HOST)
            assert (line["rung"], line["ingress_server"], line["egress_server"]) == (
                rung,
                HERE,
                server,
            )
            assert (line["egress_ip"], line["egress_port"]) == (
                ips[server],
                home.connections[0].peer_port,
            )
            assert fleet[server].egress(ips[server], home.port)["opened"] == 1


def test_address_that_drains_here_does_not_count():
    with Origin(answering()) as home:
        fleet, near = pair(home.port)
        fleet.pools["p"].held[HERE] = [{**address(egress_ip()), "draining": True}]
        with fleet:
            assert fetch(fleet[HERE].http, HOST).status == 200
            assert home.peers == [near]


def test_pool_without_an_address_anywhere_fails_closed():
    with Origin(answering()) as home:
        fleet, _ = pair(home.port)
        fleet.pools["p"].held.clear()
        with fleet:
            assert fetch(fleet[HERE].http, HOST).error == "no_applicable_ip"
            assert home.connections == []


def test_ipv6_origin_is_never_forwarded():
    with Origin(answering(), ip="::1") as home:
        fleet = Fleet({HERE: SPOTS[HERE], NEAR: SPOTS[NEAR]})
        pool = fleet.pool("p", near=[address("::1"), address(egress_ip())])
        fleet.zone(HOST, origin(home.port, ip="::1"), pool=pool)
        with fleet:
            assert fetch(fleet[HERE].http, HOST).error == "no_applicable_ip"
            assert fetch(fleet[NEAR].http, HOST).status == 200


def test_one_connection_to_the_origin_serves_requests_that_came_to_different_servers():
    with Origin(answering()) as home:
        fleet = Fleet({name: SPOTS[name] for name in (HERE, NEAR, BESIDE)})
        pool = fleet.pool("p", near=[address(egress_ip())])
        fleet.zone(HOST, origin(home.port), pool=pool)
        with fleet:
            for name in (HERE, BESIDE, NEAR, HERE):
                assert fetch(fleet[name].http, HOST).status == 200
            assert len(home.connections) == 1
            assert fleet[HERE].log_line(reused=True)


def test_regional_host_leaves_from_inside_its_region_or_not_at_all():
    with Origin(answering()) as home:
        fleet = Fleet(SPOTS)
        ips = {name: egress_ip() for name in (NEAR, FAR)}
        pool = fleet.pool("p", **{name: [address(ip)] for name, ip in ips.items()})
        fleet.zone(HOST, origin(home.port), pool=pool)
        fleet.region_of[HOST] = "some"
        fleet.regions["some"] = [HERE, FAR]
        with fleet:
            assert fetch(fleet[HERE].http, HOST).status == 200
            assert home.peers == [ips[FAR]], "the nearer one is outside"
            fleet.regions["some"] = [HERE, BESIDE]
            fleet.apply()
            assert fetch(fleet[HERE].http, HOST).error == "no_applicable_ip_in_region"
            assert len(home.connections) == 1


# Nobody sees a difference.


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
        fleet, _ = pair(home.port)
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
        fleet, _ = pair(home.port)
        with fleet, H1Client(fleet[HERE].http) as client:
            client.send(sent)
            response = client.read_response()
            assert response.body == b"body"
            assert response.trailers == [("X-Sum", "abc"), ("x-sum-2", "d")]
            assert home.requests[0].trailers == [("X-Check", "1")]


def test_interim_answers_pass():
    hints = head_bytes("HTTP/1.1 103 Early Hints", [("Link", "</a.css>; rel=preload")])
    with Origin(after_request(hints, response_bytes(200, b"hello"))) as home:
        fleet, _ = pair(home.port)
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
        fleet, _ = pair(home.port)
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
        fleet, _ = pair(home.port)
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
        fleet, ip = pair(home.port)
        with fleet:
            failed = fetch(fleet[HERE].http, HOST)
            assert (failed.status, failed.error) == (502, code)
            line = fleet[HERE].log_line(error=code)
            assert (line["egress_server"], line["egress_ip"]) == (NEAR, ip)


def test_refused_origin_is_told_with_the_same_code():
    fleet, _ = pair(listening_port())
    with fleet:
        assert fetch(fleet[HERE].http, HOST).error == "origin_refused"


def test_second_origin_is_tried_when_the_first_refuses():
    with Origin(answering()) as home:
        fleet = Fleet({HERE: SPOTS[HERE], NEAR: SPOTS[NEAR]})
        pool = fleet.pool("p", near=[address(egress_ip())])
        fleet.zone(HOST, origin(listening_port()), origin(home.port), pool=pool)
        with fleet:
            for _ in range(2):
                assert fetch(fleet[HERE].http, HOST, method="POST", body=b"x").status == 200


def test_answer_that_is_cut_short_is_cut_short_for_the_client():
    answer = head_bytes("HTTP/1.1 200 OK", [("Content-Length", "100")]) + b"half"
    with Origin(after_request(answer)) as home:
        fleet, _ = pair(home.port)
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
        fleet, ip = pair(home.port)
        with fleet:
            with H1Client(fleet[HERE].http) as client:
                client.send(request_bytes(HOST))
                eventually(lambda: home.requests)
            assert gone.wait(10)
            eventually(lambda: fleet[NEAR].current(ip, home.port) == 0)


def test_websocket_is_carried_to_its_end():
    with library_origin() as port:
        fleet, _ = pair(port)
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
        fleet, _ = pair(home.port)
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
        fleet = Fleet({HERE: SPOTS[HERE], NEAR: SPOTS[NEAR]})
        pool = fleet.pool("p", near=[address(egress_ip())])
        fleet.zone(HOST, origin(home.port, scheme="h2c"), pool=pool)
        with fleet, H2Client(fleet[HERE].http) as client:
            ping_pong(client)


def test_words_between_servers_cannot_be_forged():
    spoofed = ("Egressway-Link", "Zm9yZ2Vk")
    answer = response_bytes(200, b"hello", spoofed, ("X-Kept", "yes"))
    with Origin(answering(answer)) as home:
        fleet, ip = pair(home.port)
        with fleet:
            response = fetch(fleet[HERE].http, HOST, "/", spoofed)
            assert response.status == 200
            assert "egressway-link" not in {name.lower() for name, _ in response.fields}
            assert ("X-Kept", "yes") in response.fields
            sent = {name.lower() for name, _ in home.requests[0].fields}
            assert "egressway-link" not in sent
            assert fleet[HERE].log_line(host=HOST)["egress_ip"] == ip


# Capacity.


def held_open(fleet: Fleet, name: str, gate: Gate, count: int) -> list[H1Client]:
    """So many requests that wait for their answers, and have a connection each."""
    clients = []
    for _ in range(count):
        waiting = gate.waiting
        client = H1Client(fleet[name].http)
        client.send(request_bytes(HOST))
        eventually(lambda seen=waiting: gate.waiting > seen)
        clients.append(client)
    return clients


def test_exhaustion_goes_on_within_the_location_and_never_beyond():
    gate = Gate()
    with Origin(answering(gate)) as home:
        fleet = Fleet(SPOTS, settings={"queue_ms": 200})
        ips = {name: egress_ip() for name in (HERE, NEAR, BESIDE, FAR)}
        pool = fleet.pool("p", **{name: [address(ip, cap=1)] for name, ip in ips.items()})
        fleet.zone(HOST, origin(home.port), pool=pool)
        with fleet:
            clients = held_open(fleet, HERE, gate, 3)
            assert home.peers == [ips[HERE], ips[NEAR], ips[BESIDE]]
            assert fetch(fleet[HERE].http, HOST).error == "egress_capacity_exhausted"
            assert len(home.connections) == 3
            assert fleet[HERE].log_line(error="egress_capacity_exhausted")["rung"] == "server"
            gate.open()
            assert [client.read_response().status for client in clients] == [200] * 3


def test_body_is_not_lost_to_a_server_that_has_no_capacity():
    body = b"x" * 150_000
    gate, seen = Gate(), []

    def serve(connection: Connection) -> None:
        request = connection.read_request()
        assert request is not None
        seen.append((connection.peer_ip, request.body))
        if not request.body:
            gate(request)
        connection.send(response_bytes(200, b"done"))

    with Origin(serve) as home:
        fleet = Fleet({name: SPOTS[name] for name in (HERE, NEAR, BESIDE)})
        ips = {name: egress_ip() for name in (NEAR, BESIDE)}
        pool = fleet.pool("p", **{name: [address(ip, cap=1)] for name, ip in ips.items()})
        fleet.zone(HOST, origin(home.port), pool=pool)
        with fleet, H1Client(fleet[HERE].http) as first:
            first.send(request_bytes(HOST))
            eventually(lambda: seen)
            assert fetch(fleet[HERE].http, HOST, method="POST", body=body).status == 200
            assert seen == [(ips[NEAR], b""), (ips[BESIDE], body)]
            gate.open()
            assert first.read_response().status == 200


def test_overflow_pool_goes_to_the_closest_location():
    gate = Gate()
    with Origin(answering(gate)) as home:
        fleet = Fleet(SPOTS, settings={"queue_ms": 200})
        ips = {name: egress_ip() for name in (HERE, FAR, FURTHER)}
        held = {name: [address(ip, cap=1)] for name, ip in ips.items()}
        pool = fleet.pool("p", overflow=True, **held)
        fleet.zone(HOST, origin(home.port), pool=pool)
        with fleet:
            clients = held_open(fleet, HERE, gate, 2)
            assert home.peers == [ips[HERE], ips[FAR]]
            assert fetch(fleet[HERE].http, HOST).error == "egress_capacity_exhausted"
            gate.open()
            assert [client.read_response().status for client in clients] == [200] * 2


def test_request_waits_where_it_would_have_gone_first():
    gate = Gate()
    with Origin(answering(gate)) as home:
        fleet = Fleet({name: SPOTS[name] for name in (HERE, NEAR, BESIDE)})
        ips = {name: egress_ip() for name in (NEAR, BESIDE)}
        pool = fleet.pool("p", **{name: [address(ip, cap=1)] for name, ip in ips.items()})
        fleet.zone(HOST, origin(home.port), pool=pool)
        with fleet:
            clients = held_open(fleet, HERE, gate, 2)
            with H1Client(fleet[HERE].http) as late:
                late.send(request_bytes(HOST))
                eventually(lambda: fleet[NEAR].status()["waiting"] == 1)
                gate.open()
                assert late.read_response().status == 200
            assert all(client.read_response().status == 200 for client in clients)
            assert len(home.connections) == 2


def test_cap_holds_at_the_server_that_holds_the_address():
    gate = Gate()
    with Origin(answering(gate)) as home:
        fleet = Fleet({name: SPOTS[name] for name in (HERE, NEAR, BESIDE)})
        ip = egress_ip()
        pool = fleet.pool("p", near=[address(ip, cap=5)])
        fleet.zone(HOST, origin(home.port), pool=pool)
        with fleet:
            clients = [H1Client(fleet[name].http) for name in (HERE, NEAR, BESIDE) * 4]
            for client in clients:
                client.send(request_bytes(HOST))
            eventually(lambda: fleet[NEAR].status()["waiting"] == 7)
            assert len(home.connections) == 5
            gate.open()
            assert all(client.read_response().status == 200 for client in clients)
            assert fleet[NEAR].egress(ip, home.port)["peak"] == 5


# Who may speak over the link, and what becomes of it.


def test_without_an_identity_nothing_is_forwarded():
    with Origin(answering()) as home:
        fleet, _ = pair(home.port)
        fleet.identity = lambda name: Fleet.identity(fleet, name, Authority())  # type: ignore[method-assign]
        with fleet:
            failed = fetch(fleet[HERE].http, HOST)
            assert (failed.status, failed.error) == (503, "egress_server_unreachable")
            assert home.connections == []
            assert fleet.peer(HERE, NEAR)["state"] == "down"


def test_peer_that_turns_out_to_be_of_this_fleet_is_used_again():
    with Origin(answering()) as home:
        fleet, _ = pair(home.port)
        with fleet:
            fleet[HERE].native.set_identity(*fleet.identity(HERE, Authority()))
            assert fetch(fleet[HERE].http, HOST).error == "egress_server_unreachable"
            fleet[HERE].native.set_identity(*fleet.identity(HERE))
            fleet.wait_up(HERE, NEAR)
            assert fetch(fleet[HERE].http, HOST).status == 200


def test_certificate_of_another_server_opens_nothing():
    with Origin(answering()) as home:
        fleet, _ = pair(home.port)
        with fleet:
            fleet[HERE].native.set_identity(*fleet.identity("stranger"))
            assert fetch(fleet[HERE].http, HOST).error == "egress_server_unreachable"
            assert home.connections == []


def test_revoked_peer_is_cut_off_with_what_is_under_way():
    gate = Gate()
    with Origin(answering(gate)) as home:
        fleet, _ = pair(home.port)
        with fleet, H1Client(fleet[HERE].http) as client:
            client.send(request_bytes(HOST, method="POST"))
            eventually(lambda: gate.waiting == 1)
            fleet.revoked.add(HERE)
            fleet.apply(NEAR)
            assert client.read_response().error == "egress_server_lost"
            assert fetch(fleet[HERE].http, HOST).error == "egress_server_unreachable"
            gate.open()


def test_server_whose_tables_do_not_know_the_zone_is_passed_over():
    with Origin(answering()) as home:
        fleet = Fleet({name: SPOTS[name] for name in (HERE, NEAR, BESIDE)})
        ips = {name: egress_ip() for name in (NEAR, BESIDE)}
        pool = fleet.pool("p", **{name: [address(ip)] for name, ip in ips.items()})
        fleet.zone("other.example.com", origin(home.port), pool=pool)
        with fleet:
            fleet.zone(HOST, origin(home.port), pool=pool)
            fleet.apply(HERE, BESIDE)
            assert fetch(fleet[HERE].http, HOST, method="POST", body=b"x").status == 200
            assert home.peers == [ips[BESIDE]]


def test_post_is_not_sent_twice_when_its_server_is_lost():
    gate = Gate()
    with Origin(answering(gate)) as home:
        fleet = Fleet({name: SPOTS[name] for name in (HERE, NEAR, BESIDE)})
        held = {name: [address(egress_ip())] for name in (NEAR, BESIDE)}
        fleet.zone(HOST, origin(home.port), pool=fleet.pool("p", **held))
        with fleet, H1Client(fleet[HERE].http) as client:
            client.send(request_bytes(HOST, method="POST", body=b"pay"))
            eventually(lambda: gate.waiting == 1)
            fleet[NEAR].native.stop(0.0)
            lost = client.read_response()
            assert (lost.status, lost.error) == (502, "egress_server_lost")
            assert len(home.requests) == 1
            gate.open()


def test_get_is_repeated_once_at_another_server_when_its_server_is_lost():
    gate = Gate()
    with Origin(answering(gate)) as home:
        fleet = Fleet({name: SPOTS[name] for name in (HERE, NEAR, BESIDE)})
        ips = {name: egress_ip() for name in (NEAR, BESIDE)}
        pool = fleet.pool("p", **{name: [address(ip)] for name, ip in ips.items()})
        fleet.zone(HOST, origin(home.port), pool=pool)
        with fleet, H1Client(fleet[HERE].http) as client:
            client.send(request_bytes(HOST))
            eventually(lambda: gate.waiting == 1)
            fleet[NEAR].native.stop(0.0)
            eventually(lambda: len(home.requests) == 2)
            gate.open()
            assert client.read_response().status == 200
            assert home.peers == [ips[NEAR], ips[BESIDE]]


def test_dead_peer_is_passed_over_and_used_again_when_it_is_back():
    with Origin(answering()) as home:
        fleet = Fleet({name: SPOTS[name] for name in (HERE, NEAR, FAR)})
        ips = {name: egress_ip() for name in (NEAR, FAR)}
        pool = fleet.pool("p", **{name: [address(ip)] for name, ip in ips.items()})
        fleet.zone(HOST, origin(home.port), pool=pool)
        port = fleet.links[NEAR]
        fleet.links[NEAR] = listening_port()
        with fleet:
            fleet.links[NEAR] = port
            fleet.apply(HERE)
            for _ in range(3):
                assert fetch(fleet[HERE].http, HOST, method="POST", body=b"x").status == 200
            assert home.peers == [ips[FAR]]
            assert fleet.peer(HERE, NEAR)["state"] == "down"
            fleet.apply(NEAR)
            fleet.wait_up(HERE, NEAR)
            assert fetch(fleet[HERE].http, HOST).status == 200
            assert home.peers == [ips[FAR], ips[NEAR]]


def test_server_that_stops_lets_forwarded_requests_end():
    gate = Gate()
    with Origin(answering(gate)) as home:
        fleet, _ = pair(home.port)
        with fleet, H1Client(fleet[HERE].http) as client:
            client.send(request_bytes(HOST))
            eventually(lambda: gate.waiting == 1)
            cut: list[int] = []
            stopping = threading.Thread(target=lambda: cut.append(fleet[NEAR].native.stop(20.0)))
            stopping.start()
            eventually(lambda: fleet[NEAR].status()["is_draining"])
            gate.open()
            assert client.read_response().status == 200
            stopping.join()
            assert cut == [0]


def test_calls_are_counted_where_they_are_sent_on_and_logged_where_they_came_in():
    with Origin(answering()) as home:
        fleet, _ = pair(home.port)
        with fleet:
            fetch(fleet[HERE].http, HOST)
            assert fleet[HERE].log_line(host=HOST)["status"] == 200
            fleet[NEAR].drain()
            assert fleet[NEAR].requests == {"link": 1}
            assert fleet[NEAR].log() == []
