"""The cap of an egress address is exact, and those above it wait in line, fairly and not for ever."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from tests.support.addresses import egress_ip
from tests.support.h1_client import H1Client
from tests.support.http_message import Request, Response, request_bytes, response_bytes
from tests.support.origins import Connection, Gate, Origin, answering
from tests.support.plane import Plane
from tests.support.waiting import eventually
from tests.support.world import World, address, origin

HOST = "www.example.com"
CAP = 4


def world_of(home: Origin, *ips: str, **settings: object) -> World:
    world = World(settings=dict(settings))
    pool = world.pool("p", *(address(ip, cap=CAP) for ip in ips))
    world.zone(HOST, origin(home.port), pool=pool)
    return world


@contextmanager
def asking(plane: Plane, count: int) -> Iterator[list[H1Client]]:
    """So many clients, each of which has sent one request."""
    with ExitStack() as stack:
        clients = [stack.enter_context(H1Client(plane.http)) for _ in range(count)]
        for number, client in enumerate(clients):
            client.send(request_bytes(HOST, f"/{number}"))
        yield clients


def test_a_request_above_the_cap_waits_for_a_free_connection() -> None:
    ip, gate = egress_ip(), Gate()
    with Origin(answering(gate)) as home, Plane(world_of(home, ip), workers=2) as plane:
        with asking(plane, CAP + 1) as clients:
            eventually(lambda: gate.waiting == CAP)
            eventually(lambda: plane.status()["waiting"] == 1)
            assert plane.current(ip, home.port) == CAP
            gate.open()
            assert [client.read_response().status for client in clients] == [200] * (CAP + 1)
        assert len(home.connections) == CAP
        assert plane.status()["waiting"] == 0
        assert plane.egress(ip, home.port)["queued"] == 1


def test_waiting_ends_with_an_error_after_its_time() -> None:
    ip, gate = egress_ip(), Gate()
    with (
        Origin(answering(gate)) as home,
        Plane(world_of(home, ip, queue_ms=300), workers=2) as plane,
    ):
        with asking(plane, CAP) as clients:
            eventually(lambda: gate.waiting == CAP)
            with asking(plane, 1) as (late,):
                refused = late.read_response()
            assert (refused.status, refused.error) == (503, "egress_capacity_exhausted")
            assert refused.get("retry-after") == "1"
            gate.open()
            assert [client.read_response().status for client in clients] == [200] * CAP
        assert len(home.connections) == CAP
        assert plane.status()["waiting"] == 0
        assert plane.egress(ip, home.port)["refused"] >= 1


def test_the_line_has_an_end() -> None:
    ip, gate = egress_ip(), Gate()
    world_settings = {"queue_length": 2, "queue_ms": 60_000}
    with (
        Origin(answering(gate)) as home,
        Plane(world_of(home, ip, **world_settings), workers=2) as plane,
    ):
        with asking(plane, CAP + 2) as clients:
            eventually(lambda: gate.waiting == CAP and plane.status()["waiting"] == 2)
            with asking(plane, 1) as (late,):
                assert late.read_response().error == "egress_capacity_exhausted"
            gate.open()
            assert all(client.read_response().status == 200 for client in clients)
        assert len(home.connections) == CAP


def test_those_who_wait_are_served_in_the_order_they_came() -> None:
    ip = egress_ip()
    turns = threading.Semaphore(0)

    def answer(request: Request) -> bytes:
        turns.acquire()
        return response_bytes(200, request.target.encode())

    with (
        Origin(answering(answer)) as home,
        Plane(world_of(home, ip), workers=1) as plane,
        asking(plane, CAP),
    ):
        eventually(lambda: len(home.requests) == CAP)
        with ExitStack() as stack:
            for number in range(1, 6):
                client = stack.enter_context(H1Client(plane.http))
                client.send(request_bytes(HOST, f"/late-{number}"))
                eventually(lambda n=number: plane.status()["waiting"] == n)
            for number in range(1, 6):
                turns.release()
                eventually(lambda n=number: len(home.requests) == CAP + n)
            late = [target for target in home.targets if "late" in target]
            assert late == [f"/late-{number}" for number in range(1, 6)]
        for _ in range(20):
            turns.release()


def test_a_client_that_leaves_the_line_makes_room() -> None:
    ip, gate = egress_ip(), Gate()
    with (
        Origin(answering(gate)) as home,
        Plane(world_of(home, ip, queue_ms=60_000), workers=2) as plane,
    ):
        with asking(plane, CAP) as clients:
            eventually(lambda: gate.waiting == CAP)
            with asking(plane, 3):
                eventually(lambda: plane.status()["waiting"] == 3)
            eventually(lambda: plane.status()["waiting"] == 0)
            gate.open()
            assert [client.read_response().status for client in clients] == [200] * CAP
        assert len(home.requests) == CAP


def test_two_addresses_hold_twice_as_many() -> None:
    ips, gate = [egress_ip(), egress_ip()], Gate()
    with (
        Origin(answering(gate)) as home,
        Plane(world_of(home, *ips), workers=2) as plane,
        asking(plane, 2 * CAP) as clients,
    ):
        eventually(lambda: gate.waiting == 2 * CAP)
        assert [plane.current(ip, home.port) for ip in ips] == [CAP, CAP]
        gate.open()
        assert all(client.read_response().status == 200 for client in clients)


def test_the_cap_is_per_origin() -> None:
    ip, gate = egress_ip(), Gate()
    with Origin(answering(gate)) as home, Origin(answering()) as other:
        world = world_of(home, ip)
        world.zone("other.example.com", origin(other.port), pool="p")
        with Plane(world, workers=2) as plane, asking(plane, CAP) as clients:
            eventually(lambda: gate.waiting == CAP)
            with H1Client(plane.http) as client:
                assert client.request("other.example.com").status == 200
            gate.open()
            assert all(client.read_response().status == 200 for client in clients)


def test_a_refused_dial_gives_its_place_back() -> None:
    ip = egress_ip()
    with Origin(answering()) as home, Plane(world_of(home, ip, queue_ms=300), workers=2) as plane:
        home.stop()
        for _ in range(3 * CAP):
            with H1Client(plane.http) as client:
                assert client.request(HOST).error == "origin_refused"
        assert plane.current(ip, home.port) == 0


def test_a_client_that_aborts_gives_its_connection_back() -> None:
    ip = egress_ip()
    gate = Gate()
    with Origin(answering(gate)) as home, Plane(world_of(home, ip), workers=2) as plane:
        for _ in range(3):
            arrived = len(home.requests)
            with asking(plane, CAP):
                eventually(lambda n=arrived: len(home.requests) == n + CAP)
            eventually(lambda: plane.current(ip, home.port) == 0)
        gate.open()


def test_the_freed_place_goes_to_the_line_when_an_origin_closes() -> None:
    ip = egress_ip()
    turns = threading.Semaphore(0)

    def script(connection: Connection) -> None:
        connection.read_request()
        turns.acquire()
        connection.send(response_bytes(200, b"bye", ("Connection", "close")))

    with Origin(script) as home, Plane(world_of(home, ip), workers=2) as plane:
        with asking(plane, 3 * CAP) as clients:
            eventually(lambda: plane.status()["waiting"] == 2 * CAP)
            for _ in range(3 * CAP):
                turns.release()
            answers: list[Response] = [client.read_response() for client in clients]
        assert [answer.status for answer in answers] == [200] * (3 * CAP)
        assert len(home.connections) == 3 * CAP
        assert plane.egress(ip, home.port)["peak"] == CAP


def test_time_spent_in_line_is_not_counted_as_time_the_client_was_idle() -> None:
    ip, gate = egress_ip(), Gate()
    with (
        Origin(answering(gate)) as home,
        Plane(world_of(home, ip, head_ms=500, queue_ms=20_000), workers=2) as plane,
        asking(plane, CAP + 1) as clients,
    ):
        eventually(lambda: gate.waiting == CAP and plane.status()["waiting"] == 1)
        # When connections that say nothing have been cut, the time of the one in line is over as well.
        with H1Client(plane.http) as silent, H1Client(plane.http) as another:
            assert silent.is_closed_by_peer()
            assert another.is_closed_by_peer()
        gate.open()
        assert [client.read_response().status for client in clients] == [200] * (CAP + 1)
