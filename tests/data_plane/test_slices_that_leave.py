"""A slice or an address that leaves: what is open goes on, what is idle ends, nothing new begins on it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Literal

import msgspec
import pytest

from tests.data_plane.test_websocket import OPENING, byte_echo
from tests.support.addresses import egress_ip, endpoint
from tests.support.h1_client import H1Client, fetch
from tests.support.http_message import Cut, head_bytes, request_bytes
from tests.support.origins import Connection, Gate, Origin, answering
from tests.support.plane import Plane
from tests.support.waiting import eventually
from tests.support.world import World, address, origin

HOST = "www.example.com"
OLD = (20_000, 20_099)
NEW = (30_000, 30_099)
PIECE = bytes(65_536)
PIECES = 64


def world_of(home: Origin, ip: str, slices: tuple[int, int] = OLD, **more: int) -> World:
    world = World(settings={"queue_ms": 20_000})
    pool = world.pool("p", address(ip, slices=(slices,), **more))
    world.zone(HOST, origin(home.port), pool=pool)
    return world


def held(plane: Plane, *, everything: bool = False) -> dict[tuple[str, str], set[int]]:
    """Ports in use that are this plane's no more, by egress address and origin."""
    rows = msgspec.msgpack.decode(plane.native.held(everything))
    return {(ip, to): set(ports) for ip, to, ports in rows}


def is_within(port: int, slices: tuple[int, int]) -> bool:
    return slices[0] <= port <= slices[1]


class Download:
    """An origin's script: half of a body, and after `go` the other."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.is_half_way = threading.Event()

    def __call__(self, connection: Connection) -> None:
        while connection.read_request() is not None:
            length = ("Content-Length", str(len(PIECE) * PIECES))
            connection.send(head_bytes("HTTP/1.1 200 OK", [length]))
            for _ in range(PIECES // 2):
                connection.send(PIECE)
            self.is_half_way.set()
            self.go.wait()
            for _ in range(PIECES // 2):
                connection.send(PIECE)


@pytest.mark.parametrize("what_leaves", ["slice", "address", "pool"])
def test_a_download_goes_on_when_its_port_has_left(what_leaves: str) -> None:
    ip, script = egress_ip(), Download()
    with Origin(script) as home, Plane(world_of(home, ip), workers=2) as plane:
        with ThreadPoolExecutor(1) as pool, H1Client(plane.http) as client:
            client.send(request_bytes(HOST))
            assert script.is_half_way.wait(10)
            match what_leaves:
                case "slice":
                    plane.world.pool("p", address(ip, slices=(NEW,)))
                case "address":
                    plane.world.pool("p", address(egress_ip()))
                case _:
                    plane.world.zone(HOST, origin(home.port))
                    del plane.world.pools["p"]
            answer = pool.submit(client.read_response)
            plane.apply()
            port = home.connections[0].peer_port
            assert held(plane) == {(ip, endpoint("127.0.0.1", home.port)): {port}}
            assert plane.current(ip, home.port) == 1
            script.go.set()
            assert len(answer.result(20).body) == len(PIECE) * PIECES
        eventually(lambda: held(plane, everything=True) == {})
        assert home.connections[0].closed.wait(10)


@contextmanager
def tunnel_whose_port_has_left() -> Iterator[tuple[Origin, Plane, H1Client]]:
    with (
        Origin(byte_echo) as home,
        Plane(world_of(home, egress_ip())) as plane,
        H1Client(plane.http) as client,
    ):
        client.send(head_bytes("GET /chat HTTP/1.1", OPENING))
        assert client.reader.read_response_head().status == 101
        plane.world.pool("p", address(egress_ip()))
        plane.apply()
        yield home, plane, client


def test_a_tunnel_goes_on_when_its_port_has_left() -> None:
    with tunnel_whose_port_has_left() as (_, plane, client):
        for word in (b"still", b"there"):
            client.send(word)
            assert client.reader.read_exactly(len(word)) == word
        assert len(held(plane)) == 1


def test_an_idle_connection_of_a_leaving_slice_is_closed_at_once_and_not_used_again() -> None:
    ip = egress_ip()
    with Origin(answering()) as home, Plane(world_of(home, ip)) as plane:
        assert fetch(plane.http, HOST).status == 200
        assert held(plane, everything=True) != {}
        plane.world.pool("p", address(ip, slices=(NEW,)))
        plane.apply()
        eventually(lambda: held(plane, everything=True) == {})
        assert home.connections[0].closed.wait(10)
        assert fetch(plane.http, HOST).status == 200
        first, second = (connection.peer_port for connection in home.connections)
        assert is_within(first, OLD)
        assert is_within(second, NEW)


def test_a_connection_in_use_on_a_leaving_port_is_not_kept_afterwards() -> None:
    ip, gate = egress_ip(), Gate()
    with Origin(answering(gate)) as home, Plane(world_of(home, ip)) as plane:
        with H1Client(plane.http) as client:
            client.send(request_bytes(HOST))
            eventually(lambda: gate.waiting == 1)
            plane.world.pool("p", address(ip, slices=(NEW,)))
            plane.apply()
            gate.open()
            assert client.read_response().status == 200
            assert client.request(HOST).status == 200
        assert len(home.connections) == 2
        assert is_within(home.connections[1].peer_port, NEW)


def test_a_request_that_waits_for_a_port_that_leaves_is_served_from_where_its_zone_is_now() -> None:
    old, new, gate = egress_ip(), egress_ip(), Gate()
    with Origin(answering(gate)) as home, Plane(world_of(home, old, cap=1), workers=2) as plane:
        with H1Client(plane.http) as first, H1Client(plane.http) as second:
            first.send(request_bytes(HOST))
            eventually(lambda: gate.waiting == 1)
            second.send(request_bytes(HOST))
            eventually(lambda: plane.status()["waiting"] == 1)
            plane.world.pool("p", address(new))
            plane.apply()
            eventually(lambda: gate.waiting == 2)
            gate.open()
            assert first.read_response().status == 200
            assert second.read_response().status == 200
        assert {connection.peer_ip for connection in home.connections} == {old, new}


def test_an_excluded_tuple_is_left_alone_and_counts_to_the_cap() -> None:
    ip, gate = egress_ip(), Gate()
    slices = (20_000, 20_003)
    with Origin(answering(gate)) as home, Plane(world_of(home, ip, slices), workers=2) as plane:
        row = [ip, endpoint("127.0.0.1", home.port), [20_001, 20_002]]
        plane.native.exclude(msgspec.msgpack.encode([row]))
        clients = [H1Client(plane.http) for _ in range(3)]
        for client in clients:
            client.send(request_bytes(HOST))
        eventually(lambda: plane.status()["waiting"] == 1)
        assert {each.peer_port for each in home.connections} <= {20_000, 20_003}
        # The other one has closed its connection: whoever waits may have the port.
        row[2] = [20_001]
        plane.native.exclude(msgspec.msgpack.encode([row]))
        eventually(lambda: gate.waiting == 3)
        assert home.connections[2].peer_port == 20_002
        gate.open()
        for client in clients:
            assert client.read_response().status == 200
            client.close()


def test_another_origin_may_use_the_ports_that_are_excluded_towards_the_first() -> None:
    ip = egress_ip()
    with (
        Origin(answering()) as first,
        Origin(answering()) as second,
        Plane(world_of(second, ip, (20_000, 20_000))) as plane,
    ):
        row = [ip, endpoint("127.0.0.1", first.port), [20_000]]
        plane.native.exclude(msgspec.msgpack.encode([row]))
        assert fetch(plane.http, HOST).status == 200
        assert second.connections[0].peer_port == 20_000


@pytest.mark.parametrize(
    "rows",
    [[["192.0.2.1", "nowhere", [1]]], [["?", "192.0.2.2:1", [1]]], {"a": 1}, [["192.0.2.1"]]],
)
def test_what_cannot_be_read_is_refused_and_changes_nothing(rows: object) -> None:
    ip = egress_ip()
    with Origin(answering()) as home, Plane(world_of(home, ip, (20_000, 20_001))) as plane:
        excluded = [ip, endpoint("127.0.0.1", home.port), [20_000]]
        plane.native.exclude(msgspec.msgpack.encode([excluded]))
        with pytest.raises(ValueError):  # noqa: PT011 - the stub promises no more
            plane.native.exclude(msgspec.msgpack.encode(rows))
        assert fetch(plane.http, HOST).status == 200
        assert home.connections[0].peer_port == 20_001


@pytest.mark.parametrize(
    ("part", "wanted"), [("arriving", (20_000, 20_029)), ("leaving", (20_030, 20_031))]
)
def test_of_two_processes_each_keeps_to_its_part_until_it_is_the_only_one(
    part: Literal["arriving", "leaving"], wanted: tuple[int, int]
) -> None:
    gate, count = Gate(), wanted[1] - wanted[0] + 1
    with Origin(answering(gate)) as home:
        world = world_of(home, egress_ip(), (20_000, 20_031))
        with Plane(world, workers=2) as plane:
            plane.native.set_part(part)
            plane.apply()
            clients = [H1Client(plane.http) for _ in range(33)]
            for client in clients:
                client.send(request_bytes(HOST))
            eventually(lambda: gate.waiting == count)
            eventually(lambda: plane.status()["waiting"] == len(clients) - count)
            assert all(is_within(each.peer_port, wanted) for each in home.connections)
            plane.native.set_part("whole")
            plane.apply()
            eventually(lambda: gate.waiting == 32)
            gate.open()
            for client in clients:
                assert client.read_response().status == 200
                client.close()


def test_a_part_that_there_is_not_is_refused() -> None:
    with Plane(World()) as plane, pytest.raises(ValueError, match="whole, leaving, arriving"):
        plane.native.set_part("half")  # type: ignore[arg-type]


def rows(plane: Plane, *, everything: bool = False) -> bytes:
    return plane.native.held(everything)


def test_a_download_whose_port_has_left_ends_when_it_is_cut() -> None:
    ip, script = egress_ip(), Download()
    with Origin(script) as home, Plane(world_of(home, ip), workers=2) as plane:
        with H1Client(plane.http) as client:
            client.send(request_bytes(HOST))
            assert script.is_half_way.wait(10)
            assert plane.native.cut(rows(plane, everything=True)) == 0, "its port is the plane's"
            plane.world.pool("p", address(ip, slices=(NEW,)))
            plane.apply()
            assert plane.native.cut(rows(plane)) == 1
            with pytest.raises(Cut):
                client.read_response()
        eventually(lambda: held(plane, everything=True) == {})
        script.go.set()
        assert home.connections[0].closed.wait(10)


def test_a_silent_tunnel_whose_port_has_left_ends_when_it_is_cut() -> None:
    with tunnel_whose_port_has_left() as (home, plane, client):
        assert plane.native.cut(rows(plane)) == 1
        eventually(lambda: held(plane, everything=True) == {})
        assert home.connections[0].closed.wait(10)
        with pytest.raises(Cut):
            client.reader.read_exactly(1)
