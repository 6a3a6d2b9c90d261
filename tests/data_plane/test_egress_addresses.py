"""Requests leave from the addresses of their zone's pool, and from no other."""

from __future__ import annotations

import socket
from contextlib import ExitStack

import pytest

from egressway.data_plane._native import SnapshotRefused
from tests.support.addresses import egress_ip
from tests.support.h1_client import H1Client, fetch
from tests.support.http_message import request_bytes, response_bytes
from tests.support.origins import Gate, Origin, answering
from tests.support.plane import Plane
from tests.support.waiting import eventually
from tests.support.world import World, address, origin


def test_a_zone_with_a_pool_leaves_from_its_dedicated_address() -> None:
    dedicated = egress_ip()
    with Origin(answering()) as home:
        world = World()
        world.zone("a.example.com", origin(home.port), pool=world.pool("p", address(dedicated)))
        with Plane(world) as plane:
            assert fetch(plane.http, "a.example.com").body == b"hello"
            assert home.peers == [dedicated]


def test_a_zone_without_a_pool_leaves_from_the_shared_pool() -> None:
    with Origin(answering()) as home:
        world = World()
        world.zone("a.example.com", origin(home.port))
        with Plane(world) as plane:
            assert fetch(plane.http, "a.example.com").status == 200
            assert home.peers == [world.shared_ip]


def test_the_source_port_lies_in_the_slices_of_the_address() -> None:
    slices = ((20_000, 20_001), (30_000, 30_001))
    gate = Gate()
    with Origin(answering(gate)) as home:
        world = World()
        pool = world.pool("p", address(egress_ip(), slices=slices, cap=4))
        world.zone("a.example.com", origin(home.port), pool=pool)
        with Plane(world) as plane:
            clients = [H1Client(plane.http) for _ in range(4)]
            for client in clients:
                client.send(b"GET / HTTP/1.1\r\nHost: a.example.com\r\n\r\n")
            eventually(lambda: gate.waiting == 4)
            ports = sorted(connection.peer_port for connection in home.connections)
            gate.open()
            assert [client.read_response().status for client in clients] == [200] * 4
            assert ports == [20_000, 20_001, 30_000, 30_001]
            for client in clients:
                client.close()


def test_an_ipv6_origin_is_reached_from_an_ipv6_address() -> None:
    with Origin(answering(), ip="::1") as home:
        world = World()
        pool = world.pool("p", address(egress_ip()), address("::1"))
        world.zone("a.example.com", origin(home.port, ip="::1"), pool=pool)
        with Plane(world) as plane:
            assert fetch(plane.http, "a.example.com").status == 200
            assert home.peers == ["::1"]
            assert plane.log_line(host="a.example.com")["origin"] == home.endpoint


@pytest.mark.parametrize(
    ("pool_ip", "origin_ip"), [("v4", "::1"), ("::1", "127.0.0.1")], ids=["v6_origin", "v4_origin"]
)
def test_a_pool_without_the_origins_family_fails_closed(pool_ip: str, origin_ip: str) -> None:
    with Origin(answering(), ip=origin_ip) as home:
        world = World()
        pool = world.pool("p", address(egress_ip() if pool_ip == "v4" else pool_ip))
        world.zone("a.example.com", origin(home.port, ip=origin_ip), pool=pool)
        with Plane(world) as plane:
            answer = fetch(plane.http, "a.example.com")
            assert (answer.status, answer.error) == (503, "no_applicable_ip")
            assert home.connections == []


def test_with_origins_of_both_families_the_one_the_pool_can_reach_is_taken() -> None:
    with Origin(answering(), ip="::1") as unreachable, Origin(answering()) as home:
        world = World()
        world.zone(
            "a.example.com",
            origin(unreachable.port, ip="::1"),
            origin(home.port),
            pool=world.pool("p", address(egress_ip())),
        )
        with Plane(world) as plane:
            answers = [fetch(plane.http, "a.example.com").status for _ in range(4)]
            assert answers == [200] * 4
            assert unreachable.connections == []


def test_an_empty_pool_fails_closed() -> None:
    with Origin(answering()) as home:
        world = World()
        world.zone("a.example.com", origin(home.port), pool=world.pool("p"))
        with Plane(world) as plane:
            assert fetch(plane.http, "a.example.com").error == "no_applicable_ip"
            assert home.connections == []


def test_an_address_that_is_not_of_this_host_fails_closed_and_is_named() -> None:
    with Origin(answering()) as home:
        world = World()
        pool = world.pool("p", address("203.0.113.77"))
        world.zone("a.example.com", origin(home.port), pool=pool)
        world.zone("b.example.com", origin(home.port))
        with Plane(world) as plane:
            answer = fetch(plane.http, "a.example.com")
            assert (answer.status, answer.error) == (503, "egress_address_unbindable")
            assert fetch(plane.http, "b.example.com").status == 200
            assert [each["ip"] for each in plane.status()["unbindable"]] == ["203.0.113.77"]
            assert home.peers == [world.shared_ip]


def test_connections_spread_over_the_addresses_of_a_pool() -> None:
    ips = [egress_ip() for _ in range(3)]
    gate = Gate()
    with Origin(answering(gate)) as home:
        world = World()
        pool = world.pool("p", *(address(ip) for ip in ips))
        world.zone("a.example.com", origin(home.port), pool=pool)
        with Plane(world) as plane:
            clients = []
            for number in range(1, 10):
                client = H1Client(plane.http)
                client.send(b"GET / HTTP/1.1\r\nHost: a.example.com\r\n\r\n")
                clients.append(client)
                eventually(lambda n=number: gate.waiting == n)
            gate.open()
            for client in clients:
                assert client.read_response().status == 200
                client.close()
            assert {ip: home.peers.count(ip) for ip in ips} == dict.fromkeys(ips, 3)


def test_second_pool_never_reuses_first_pools_connection() -> None:
    first, second = egress_ip(), egress_ip()
    with Origin(answering()) as home:
        world = World()
        world.zone("a.example.com", origin(home.port), pool=world.pool("p1", address(first)))
        world.zone("b.example.com", origin(home.port), pool=world.pool("p2", address(second)))
        world.zone("c.example.com", origin(home.port))
        hosts = {"a.example.com": first, "b.example.com": second, "c.example.com": world.shared_ip}
        with Plane(world) as plane:
            for host in [*hosts] * 10:
                assert fetch(plane.http, host).status == 200
            assert sorted(home.peers) == sorted(hosts.values())
            assert {r.host: r.peer_ip for r in home.requests} == hosts
            assert all(r.peer_ip == hosts[str(r.host)] for r in home.requests)


def test_an_address_belongs_to_one_pool() -> None:
    shared = egress_ip()
    world = World()
    world.pool("p1", address(shared, slices=((20_000, 29_999),)))
    world.pool("p2", address(shared, slices=((30_000, 39_999),)))
    with (
        pytest.raises(
            SnapshotRefused, match=f"pool p2, address {shared}: it is in pool p1 already"
        ),
        Plane(world),
    ):
        pass


def test_status_and_counters_tell_what_is_open() -> None:
    dedicated = egress_ip()
    body = b"x" * 10_000
    with Origin(answering(response_bytes(200, body))) as home:
        world = World()
        pool = world.pool("p", address(dedicated, cap=7))
        world.zone("a.example.com", origin(home.port), pool=pool)
        with Plane(world) as plane:
            for _ in range(5):
                fetch(plane.http, "a.example.com")
            eventually(lambda: plane.counted("requests") == 5)
            counts = plane.egress(dedicated, home.port)
            assert counts["opened"] == 1
            assert counts["reused"] == 4
            assert (counts["current"], counts["peak"], counts["capacity"]) == (1, 1, 7)
            assert counts["refused"] == 0
            assert counts["received"] > 5 * len(body)
            home.stop()
            eventually(lambda: plane.current(dedicated, home.port) == 0)


def test_a_port_that_another_program_holds_is_passed_over() -> None:
    dedicated = egress_ip()
    with Origin(answering()) as home, socket.socket() as other:
        other.bind((dedicated, 20_000))
        other.listen()
        world = World()
        pool = world.pool("p", address(dedicated, slices=((20_000, 20_001),)))
        world.zone("a.example.com", origin(home.port), pool=pool)
        with Plane(world) as plane:
            assert fetch(plane.http, "a.example.com").status == 200
            connection = home.connections[0]
            assert (connection.peer_ip, connection.peer_port) == (dedicated, 20_001)
            assert plane.current(dedicated, home.port) == 1


def test_a_long_row_of_ports_that_others_hold_is_passed_over() -> None:
    dedicated = egress_ip()
    with Origin(answering()) as home, ExitStack() as others:
        for port in range(20_000, 20_100):
            if port != 20_050:
                other = others.enter_context(socket.socket())
                other.bind((dedicated, port))
                other.listen()
        world = World()
        pool = world.pool("p", address(dedicated, slices=((20_000, 20_099),)))
        world.zone("a.example.com", origin(home.port), pool=pool)
        with Plane(world) as plane:
            assert fetch(plane.http, "a.example.com").status == 200
            assert [each.peer_port for each in home.connections] == [20_050]


def test_an_address_whose_ports_are_all_held_by_others_fails_closed() -> None:
    dedicated = egress_ip()
    with Origin(answering()) as home, socket.socket() as other:
        other.bind((dedicated, 20_000))
        other.listen()
        world = World()
        pool = world.pool("p", address(dedicated, slices=((20_000, 20_000),)))
        world.zone("a.example.com", origin(home.port), pool=pool)
        with Plane(world) as plane:
            answer = fetch(plane.http, "a.example.com")
            assert (answer.status, answer.error) == (503, "egress_ports_busy")
            assert home.connections == []
            assert plane.current(dedicated, home.port) == 0


def test_status_tells_how_many_connections_there_are_on_both_sides() -> None:
    gate = Gate()
    with Origin(answering(gate)) as home:
        world = World()
        world.zone("a.example.com", origin(home.port))
        with Plane(world) as plane, H1Client(plane.http) as one, H1Client(plane.http) as two:
            for client in (one, two):
                client.send(request_bytes("a.example.com"))
            eventually(lambda: gate.waiting == 2)
            status = plane.status()
            assert (status["connections"], status["origin_connections"]) == (2, 2)
            gate.open()
            assert [one.read_response().status, two.read_response().status] == [200, 200]
