"""Requests leave from the server that holds an address, whichever server they came to."""

from __future__ import annotations

import threading
from contextlib import ExitStack

import pytest

from tests.support.addresses import egress_ip
from tests.support.fleet import BESIDE, FAR, FURTHER, HERE, NEAR, SPOTS, Fleet, pair, spots
from tests.support.h1_client import H1Client, fetch
from tests.support.http_message import (
    request_bytes,
    response_bytes,
)
from tests.support.origins import Connection, Gate, Origin, answering
from tests.support.waiting import eventually
from tests.support.world import address, origin

HOST = "www.example.com"


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
        fleet, near = pair(HOST, home.port)
        fleet.pools["p"].held[HERE] = [{**address(egress_ip()), "draining": True}]
        with fleet:
            assert fetch(fleet[HERE].http, HOST).status == 200
            assert home.peers == [near]


def test_pool_without_an_address_anywhere_fails_closed():
    with Origin(answering()) as home:
        fleet, _ = pair(HOST, home.port)
        fleet.pools["p"].held.clear()
        with fleet:
            assert fetch(fleet[HERE].http, HOST).error == "no_applicable_ip"
            assert home.connections == []


def test_ipv6_origin_is_never_forwarded():
    with Origin(answering(), ip="::1") as home:
        fleet = Fleet(spots(HERE, NEAR))
        pool = fleet.pool("p", near=[address("::1"), address(egress_ip())])
        fleet.zone(HOST, origin(home.port, ip="::1"), pool=pool)
        with fleet:
            assert fetch(fleet[HERE].http, HOST).error == "no_applicable_ip"
            assert fetch(fleet[NEAR].http, HOST).status == 200


def test_one_connection_to_the_origin_serves_requests_that_came_to_different_servers():
    with Origin(answering()) as home:
        fleet = Fleet(spots(HERE, NEAR, BESIDE))
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
        fleet = Fleet(spots(HERE, NEAR, BESIDE))
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


def test_body_is_not_lost_between_a_full_server_and_one_that_stops():
    body = bytes(range(250)) * 600
    gate, seen = Gate(), []

    def serve(connection: Connection) -> None:
        while (request := connection.read_request()) is not None:
            if request.body:
                seen.append(request.body)
            connection.send(response_bytes(200, b"done") if request.body else gate(request))

    with Origin(serve) as home, ExitStack() as ending:
        fleet = Fleet(spots(HERE, NEAR, BESIDE))
        near, beside, more = (egress_ip() for _ in range(3))
        both = fleet.pool("both", near=[address(near, cap=1)], beside=[address(beside)])
        fleet.zone(HOST, origin(home.port), pool=both)
        one = fleet.pool("one", beside=[address(more)])
        fleet.zone("www.example.org", origin(home.port), pool=one)
        with fleet:
            full, busy = (ending.enter_context(H1Client(fleet[HERE].http)) for _ in range(2))
            idle = ending.enter_context(H1Client(fleet[BESIDE].http))
            full.send(request_bytes(HOST))
            busy.send(request_bytes("www.example.org"))
            eventually(lambda: gate.waiting == 2)
            assert idle.request("unknown.example.com").error == "zone_not_found"
            stopping = threading.Thread(target=fleet[BESIDE].native.stop, args=(20.0,))
            stopping.start()
            ending.callback(stopping.join)
            # It goes on with what is under way, and says at the same time that its link takes no more.
            assert idle.is_closed_by_peer()
            with H1Client(fleet[HERE].http) as late:
                late.send(request_bytes(HOST, method="POST", body=body))
                eventually(lambda: seen or fleet[NEAR].status()["waiting"] == 1)
                gate.open()
                assert late.read_response().status == 200
            assert seen == [body]
            assert [client.read_response().status for client in (full, busy)] == [200, 200]


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
        fleet = Fleet(spots(HERE, NEAR, BESIDE))
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
        fleet = Fleet(spots(HERE, NEAR, BESIDE))
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
