"""Hosts of a region: TLS ends inside it, whichever server a client comes to."""

from __future__ import annotations

import socket
import ssl
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

import pytest
from websockets.sync.client import connect as connect_websocket

from tests.data_plane.test_websocket import byte_echo, library_origin
from tests.support.addresses import egress_ip
from tests.support.certificates import Authority
from tests.support.fleet import Fleet, Spot
from tests.support.h1_client import H1Client, connect, fetch
from tests.support.h2_client import H2Client
from tests.support.h2_origins import H2Origin
from tests.support.http_message import Request, Response, request_bytes, response_bytes
from tests.support.origins import Gate, Origin, answering
from tests.support.plane import Plane
from tests.support.waiting import eventually
from tests.support.world import address, origin

REGIONAL = "eu.example.com"
OTHER = "www.example.com"
OUT = "out"
NEAR, BESIDE, FAR = "near", "beside", "far"
SPOTS = {
    OUT: Spot("nyc-1", "nyc"),
    NEAR: Spot("ams-1", "ams"),
    BESIDE: Spot("ams-1", "ams"),
    FAR: Spot("fra-1", "fra"),
}
REGION = [NEAR, BESIDE, FAR]
CLIENT = "127.9.8.7"
LARGE = 8_000_000
WEBSOCKET = (
    ("Connection", "Upgrade"),
    ("Upgrade", "websocket"),
    ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
)


def fleet_of(
    authority: Authority, port: int, *inside: str, holders: dict[str, str] | None = None
) -> Fleet:
    """One server outside and some inside; those inside hold an address each unless `holders` do."""
    fleet = Fleet({name: SPOTS[name] for name in (OUT, *inside)})
    holders = holders or {name: egress_ip() for name in inside}
    pool = fleet.pool("p", **{name: [address(ip)] for name, ip in holders.items()})
    fleet.zone(REGIONAL, origin(port), pool=pool, certificates=[authority.issue(REGIONAL)])
    certificate = authority.issue("*.example.com", OTHER)
    fleet.zone(OTHER, origin(port), account="other", certificates=[certificate])
    fleet.regions["eu"] = list(inside)
    fleet.region_of[REGIONAL] = "eu"
    return fleet


@contextmanager
def client_of(plane: Plane, authority: Authority, name: str = REGIONAL) -> Iterator[H1Client]:
    context = authority.client_context("http/1.1")
    with H1Client(plane.https, tls=context, server_name=name, source_ip=CLIENT) as client:
        yield client


def test_request_is_served_inside_and_its_client_is_known_there(authority: Authority) -> None:
    with Origin(answering()) as home, fleet_of(authority, home.port, NEAR) as fleet:
        with client_of(fleet[OUT], authority) as client:
            assert client.request(REGIONAL, "/secret").status == 200
        assert home.requests[0].get("x-forwarded-for") == CLIENT
        assert home.requests[0].get("x-forwarded-proto") == "https"
        inside = fleet[NEAR].log_line(path="/secret")
        assert (inside["client"], inside["ingress_server"]) == (CLIENT, OUT)
        assert (inside["egress_server"], inside["rung"]) == (NEAR, "server")
        line = fleet[OUT].log_line(kind="passed")
        assert (line["host"], line["region"], line["region_server"]) == (REGIONAL, "eu", NEAR)
        assert (line["client"], line["tls"], line["error"]) == (CLIENT, True, None)
        assert line["zone"] == f"zone-{REGIONAL}"
        assert line["bytes_in"] > 300
        assert line["bytes_out"] > 1_000
        assert fleet[OUT].log(path="/secret") == []
        assert fleet[OUT].requests["passed"] == 1
        assert fleet[OUT].requests["status:2xx"] == 0


def test_one_connection_serves_many_requests(authority: Authority) -> None:
    with Origin(answering()) as home, fleet_of(authority, home.port, NEAR) as fleet:
        with client_of(fleet[OUT], authority) as client:
            for number in range(20):
                assert client.request(REGIONAL, f"/{number}").status == 200
        assert len(fleet[OUT].log(kind="passed")) <= 1
        assert [request.target for request in home.requests] == [f"/{n}" for n in range(20)]


def test_http2_ends_inside(authority: Authority) -> None:
    with Origin(answering()) as home, fleet_of(authority, home.port, NEAR) as fleet:
        context = authority.client_context("h2")
        with H2Client(fleet[OUT].https, tls=context, server_name=REGIONAL) as client:
            streams = [client.start(REGIONAL, f"/{number}") for number in range(10)]
            assert [client.wait(stream).status for stream in streams] == [200] * 10
        assert fleet[NEAR].log_line(path="/9")["client_protocol"] == "h2"


def test_large_bodies_pass_both_ways(authority: Authority) -> None:
    def echoes(request: Request) -> bytes:
        return response_bytes(200, request.body)

    body = bytes(range(256)) * (LARGE // 256)
    with Origin(answering(echoes)) as home, fleet_of(authority, home.port, NEAR) as fleet:
        with client_of(fleet[OUT], authority) as client:
            assert client.request(REGIONAL, method="POST", body=body).body == body
        line = fleet[OUT].log_line(kind="passed")
        assert min(line["bytes_in"], line["bytes_out"]) > len(body)


def test_a_websocket_passes(authority: Authority) -> None:
    with library_origin() as port, fleet_of(authority, port, NEAR) as fleet:
        tcp = connect(fleet[OUT].https)
        context = authority.client_context("http/1.1")
        with connect_websocket(
            f"wss://{REGIONAL}/", sock=tcp, ssl=context, max_size=None, subprotocols=["chat"]
        ) as client:
            for message in ("hello", bytes(1_000_000)):
                client.send(message)
                assert client.recv(timeout=20) == message


def test_other_hosts_are_served_where_they_come_in(authority: Authority) -> None:
    with Origin(answering()) as home, fleet_of(authority, home.port, NEAR) as fleet:
        with client_of(fleet[OUT], authority, OTHER) as client:
            assert client.request(OTHER).status == 200
        assert fleet[OUT].log_line(host=OTHER)["ingress_server"] == OUT
        assert fleet[OUT].log(kind="passed") == []


def test_a_client_that_comes_to_the_region_is_served_there(authority: Authority) -> None:
    with Origin(answering()) as home, fleet_of(authority, home.port, NEAR) as fleet:
        with client_of(fleet[NEAR], authority) as client:
            assert client.request(REGIONAL).status == 200
        assert fleet[NEAR].log_line(host=REGIONAL)["ingress_server"] == NEAR


# Which server of the region.


def test_the_nearest_data_center_serves_and_its_servers_share(authority: Authority) -> None:
    with (
        Origin(answering()) as home,
        fleet_of(authority, home.port, *REGION) as fleet,
        ExitStack() as stack,
    ):
        for _ in range(6):
            client = stack.enter_context(client_of(fleet[OUT], authority))
            assert client.request(REGIONAL).status == 200
        counts = {name: fleet[name].status()["connections"] for name in REGION}
        assert counts == {NEAR: 3, BESIDE: 3, FAR: 0}


def test_a_server_that_is_lost_is_replaced_by_the_next(authority: Authority) -> None:
    with Origin(answering()) as home, fleet_of(authority, home.port, NEAR, FAR) as fleet:
        with client_of(fleet[OUT], authority) as client:
            assert client.request(REGIONAL).status == 200
            fleet[NEAR].native.stop(0.0)
            assert client.is_closed_by_peer()
        assert fleet[OUT].log_line(region_server=NEAR)["error"] == "egress_server_lost"
        with client_of(fleet[OUT], authority) as client:
            assert client.request(REGIONAL, "/again").status == 200
        assert fleet[FAR].log_line(path="/again")["ingress_server"] == OUT
        assert fleet[OUT].log_line(region_server=FAR)["error"] is None


def link_context(fleet: Fleet, name: str, issued_by: Authority) -> ssl.SSLContext:
    """What a server's link shows to its peers."""
    _, chain, key = fleet.identity(name, issued_by)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile() as pem:
        pem.write(chain + b"\n" + key)
        pem.flush()
        context.load_cert_chain(pem.name)
    context.set_alpn_protocols(["egressway-link/1"])
    return context


def test_a_server_that_leaves_a_connection_unanswered_is_tried_by_no_other(
    authority: Authority,
) -> None:
    """Its link lives and answers heartbeats: only whoever wants something of it can notice."""
    with Origin(answering()) as home:
        fleet = fleet_of(authority, home.port, NEAR, FAR)
        fleet.apart.add(NEAR)
        for plane in fleet.planes.values():
            plane.world.settings["link_dead_ms"] = 700
        own, foreign = (link_context(fleet, NEAR, by) for by in (fleet.authority, Authority()))
        with H2Origin(tls=own) as silent:
            fleet.links[NEAR] = silent.port
            with fleet:
                with ThreadPoolExecutor(1) as pool, client_of(fleet[OUT], authority) as client:
                    answer = pool.submit(client.request, REGIONAL, "/first")
                    eventually(lambda: silent.exchanges)
                    silent._tls = foreign  # it cannot be dialled again
                    assert answer.result(20).status == 200
                assert fleet.peer(OUT, NEAR)["state"] == "down"
                with client_of(fleet[OUT], authority) as client:
                    assert client.request(REGIONAL, "/second").status == 200
                assert len(silent.exchanges) == 1

                def attempts() -> list[int]:
                    lines = fleet[OUT].log(region_server=FAR)
                    return sorted(line["attempts"] for line in lines)

                eventually(lambda: attempts() == [1, 2])


def test_without_a_server_of_the_region_tls_ends_with_an_alert_and_no_certificate(
    authority: Authority,
) -> None:
    with Origin(answering()) as home, fleet_of(authority, home.port, NEAR) as fleet:
        fleet[NEAR].native.stop(0.0)
        with pytest.raises(ssl.SSLError, match=r"(?i)internal.error"):
            H1Client(
                fleet[OUT].https,
                tls=authority.client_context("http/1.1"),
                server_name=REGIONAL,
            )
        line = fleet[OUT].log_line(kind="passed")
        assert (line["error"], line["region_server"]) == ("region_unreachable", None)
        assert home.requests == []
        fleet[OUT].drain()
        assert fleet[OUT].requests["error:region_unreachable"] == 1


# Requests without TLS, and what must not slip through.


def test_a_plain_request_is_passed_on_as_well(authority: Authority) -> None:
    with Origin(answering()) as home, fleet_of(authority, home.port, NEAR) as fleet:
        with H1Client(fleet[OUT].http, source_ip=CLIENT) as client:
            for number in range(3):
                answer = client.request(REGIONAL, f"/{number}", method="POST", body=b"body")
                assert answer.status == 200
        assert [request.body for request in home.requests] == [b"body"] * 3
        assert {request.get("x-forwarded-for") for request in home.requests} == {CLIENT}
        assert home.requests[0].get("x-forwarded-proto") == "http"
        assert fleet[OUT].log_line(kind="passed")["tls"] is False


def test_a_plain_request_that_nobody_takes_is_told_why(authority: Authority) -> None:
    with Origin(answering()) as home, fleet_of(authority, home.port, NEAR) as fleet:
        fleet[NEAR].native.stop(0.0)
        answer = fetch(fleet[OUT].http, REGIONAL)
        assert (answer.status, answer.error) == (503, "region_unreachable")
        assert home.requests == []


def test_a_later_plain_request_on_a_connection_that_is_served_here_is_misdirected(
    authority: Authority,
) -> None:
    with Origin(answering()) as home, fleet_of(authority, home.port, NEAR) as fleet:
        with H1Client(fleet[OUT].http) as client:
            assert client.request(OTHER).status == 200
            answer = client.request(REGIONAL)
            assert (answer.status, answer.error) == (421, "misdirected")
        assert [request.host for request in home.requests] == [OTHER]


def test_a_certificate_that_covers_the_host_does_not_bring_it_out_of_its_region(
    authority: Authority,
) -> None:
    with Origin(answering()) as home, fleet_of(authority, home.port, NEAR) as fleet:
        context = authority.client_context("h2")
        with H2Client(fleet[OUT].https, tls=context, server_name=OTHER) as client:
            assert client.request(OTHER).status == 200
            answer: Response = client.request(REGIONAL)
            assert answer.status == 421
        assert [request.host for request in home.requests] == [OTHER]


# What leaves towards the origin.


def test_requests_leave_from_inside_alone(authority: Authority) -> None:
    ips = {OUT: egress_ip(), FAR: egress_ip()}
    with (
        Origin(answering()) as home,
        fleet_of(authority, home.port, NEAR, FAR, holders=ips) as fleet,
    ):
        with client_of(fleet[OUT], authority) as client:
            assert client.request(REGIONAL).status == 200
        assert home.peers == [ips[FAR]]
        line = fleet[NEAR].log_line(host=REGIONAL)
        assert (line["ingress_server"], line["egress_server"]) == (OUT, FAR)


def test_without_an_address_inside_nothing_leaves(authority: Authority) -> None:
    ips = {OUT: egress_ip()}
    with Origin(answering()) as home, fleet_of(authority, home.port, NEAR, holders=ips) as fleet:
        with client_of(fleet[OUT], authority) as client:
            answer = client.request(REGIONAL)
            assert (answer.status, answer.error) == (503, "no_applicable_ip_in_region")
        assert home.connections == []


# Ends.


def test_a_client_that_goes_away_leaves_nothing_open_anywhere(authority: Authority) -> None:
    with Origin(byte_echo) as home, fleet_of(authority, home.port, NEAR) as fleet:
        for leave in (H1Client.close, H1Client.reset):
            context = authority.client_context("http/1.1")
            client = H1Client(fleet[OUT].https, tls=context, server_name=REGIONAL)
            client.send(request_bytes(REGIONAL, "/chat", *WEBSOCKET))
            assert client.reader.read_response_head().status == 101
            assert fleet[OUT].status()["connections"] == fleet[NEAR].status()["connections"] == 1
            leave(client)
            eventually(lambda: fleet[NEAR].status()["connections"] == 0)
            eventually(lambda: fleet[OUT].status()["connections"] == 0)
        assert all(connection.closed.wait(10) for connection in home.connections)


def test_a_passed_request_is_answered_while_the_server_outside_stops(authority: Authority) -> None:
    gate = Gate()
    with (
        Origin(answering(gate)) as home,
        fleet_of(authority, home.port, NEAR) as fleet,
        ThreadPoolExecutor(1) as pool,
        client_of(fleet[OUT], authority) as client,
    ):
        client.send(request_bytes(REGIONAL, "/", ("Connection", "close")))
        eventually(lambda: gate.waiting == 1)
        cut = pool.submit(fleet[OUT].native.stop, 30.0)
        eventually(lambda: fleet[OUT].status()["is_draining"])
        gate.open()
        assert client.read_response().status == 200
        client.close()
        assert cut.result(20) == 0


def test_half_a_hello_and_silence_is_cut(authority: Authority) -> None:
    fleet = fleet_of(authority, 9, NEAR)
    fleet.planes[OUT].world.settings["tls_handshake_ms"] = 300
    with fleet, socket.create_connection(fleet[OUT].https, timeout=10) as tcp:
        tcp.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc")
        assert tcp.recv(1) == b""
        fleet[OUT].log_line(error="request_timeout")
