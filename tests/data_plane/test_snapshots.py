"""Snapshots are taken whole or refused whole, and a swap disturbs nobody."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from egressway.data_plane._native import ListenError, SnapshotRefused
from tests.support.addresses import egress_ip, endpoint
from tests.support.h1_client import H1Client, fetch
from tests.support.http_message import request_bytes
from tests.support.origins import Gate, Origin, answering
from tests.support.plane import Plane
from tests.support.waiting import eventually
from tests.support.world import World, address, origin

HOST = "www.example.com"


def world_of(home: Origin) -> World:
    world = World()
    world.zone(HOST, origin(home.port))
    return world


def test_what_is_applied_is_told() -> None:
    with Origin(answering()) as home, Plane(world_of(home), workers=2) as plane:
        applied = plane.apply()
        assert (applied.revision, applied.zones) == (2, 1)
        assert applied.listeners == [(*plane.http, False), (*plane.https, True)]
        assert applied.unbindable == []
        status = plane.status()
        assert (status["revision"], status["zones"], status["hosts"]) == (2, 1, 1)
        assert status["is_draining"] is False


@pytest.mark.timeout(60)
def test_swaps_under_load_fail_no_request() -> None:
    """The address changes with every second swap, the zone table with every one."""
    swaps, ips = 40, [egress_ip(), egress_ip()]
    with Origin(answering()) as home, Plane(world_of(home), workers=2) as plane:
        for number, ip in enumerate(ips):
            plane.world.pool(f"p{number}", address(ip))
        load = Load(plane)
        for number in range(swaps):
            served = load.served
            plane.world.zone(f"z{number}.example.com", origin(home.port))
            plane.world.zone(HOST, origin(home.port), pool=f"p{number % 2}")
            plane.apply()
            # Every state serves some requests before the next one comes.
            eventually(lambda wanted=served + 20: load.served >= wanted or load.failures)
        assert load.stop() == []
        assert set(home.peers) >= set(ips)
        assert set(home.peers) <= {*ips, plane.world.shared_ip}


class Load:
    """Eight clients that ask again and again, half of them on connections of their own."""

    def __init__(self, plane: Plane) -> None:
        self.served = 0
        self.failures: list[str] = []
        self._plane = plane
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._run, args=(n % 2,)) for n in range(8)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> list[str]:
        self._ended.set()
        for thread in self._threads:
            thread.join()
        return self.failures

    def _run(self, keeps: int) -> None:
        client = H1Client(self._plane.http)
        while not self._ended.is_set():
            try:
                answer = client.request(HOST) if keeps else fetch(self._plane.http, HOST)
                self._note(None if answer.status == 200 else f"{answer.status} {answer.error}")
            except Exception as error:
                self._note(repr(error))
                break
        client.close()

    def _note(self, failure: str | None) -> None:
        with self._lock:
            self.served += 1
            if failure is not None:
                self.failures.append(failure)


def test_a_request_keeps_the_state_it_began_with() -> None:
    gate = Gate()
    with (
        Origin(answering(gate)) as home,
        Plane(world_of(home), workers=2) as plane,
        H1Client(plane.http) as client,
    ):
        client.send(request_bytes(HOST))
        eventually(lambda: gate.waiting)
        plane.world.zones.clear()
        plane.apply()
        assert fetch(plane.http, HOST).error == "zone_not_found"
        gate.open()
        assert client.read_response().status == 200


def test_a_zone_that_gets_a_pool_leaves_from_it_with_the_next_request() -> None:
    dedicated = egress_ip()
    with Origin(answering()) as home, Plane(world_of(home), workers=2) as plane:
        assert fetch(plane.http, HOST).status == 200
        plane.world.zone(HOST, origin(home.port), pool=plane.world.pool("p", address(dedicated)))
        plane.apply()
        assert fetch(plane.http, HOST).status == 200
        plane.world.zone(HOST, origin(home.port))
        plane.apply()
        assert fetch(plane.http, HOST).status == 200
        shared = plane.world.shared_ip
        assert [request.peer_ip for request in home.requests] == [shared, dedicated, shared]


def test_an_address_that_left_its_pool_is_not_used_again_and_its_connections_close() -> None:
    old, new = egress_ip(), egress_ip()
    with Origin(answering()) as home:
        world = world_of(home)
        world.zone(HOST, origin(home.port), pool=world.pool("p", address(old)))
        with Plane(world) as plane:
            assert fetch(plane.http, HOST).status == 200
            world.pool("p", address(new))
            plane.apply()
            assert fetch(plane.http, HOST).status == 200
            assert home.peers == [old, new]
            eventually(lambda: plane.current(old, home.port) == 0)


def test_a_draining_address_takes_no_new_connections() -> None:
    old, new = egress_ip(), egress_ip()
    with Origin(answering()) as home:
        world = world_of(home)
        pool = world.pool("p", address(old), address(new))
        world.zone(HOST, origin(home.port), pool=pool)
        world.pools["p"]["addresses"][0]["draining"] = True
        with Plane(world) as plane:
            for _ in range(10):
                fetch(plane.http, HOST)
            assert set(home.peers) == {new}


def test_a_cap_that_is_raised_lets_more_connections_open() -> None:
    ip, gate = egress_ip(), Gate()
    with Origin(answering(gate)) as home:
        world = world_of(home)
        world.zone(HOST, origin(home.port), pool=world.pool("p", address(ip, cap=1)))
        with Plane(world) as plane, H1Client(plane.http) as one, H1Client(plane.http) as two:
            one.send(request_bytes(HOST))
            eventually(lambda: gate.waiting == 1)
            world.pool("p", address(ip, cap=2))
            plane.apply()
            two.send(request_bytes(HOST))
            eventually(lambda: gate.waiting == 2)
            gate.open()
            assert [one.read_response().status, two.read_response().status] == [200, 200]


def test_a_difference_adds_changes_and_removes_zones() -> None:
    with Origin(answering()) as home, Plane(world_of(home), workers=2) as plane:
        world = plane.world
        world.zone("new.example.com", origin(home.port))
        assert plane.native.apply(world.difference("new.example.com")).zones == 2
        assert fetch(plane.http, "new.example.com").status == 200
        assert fetch(plane.http, HOST).status == 200
        assert plane.native.apply(world.difference(removed=[HOST])).zones == 1
        assert fetch(plane.http, HOST).error == "zone_not_found"
        assert fetch(plane.http, "new.example.com").status == 200


def test_a_difference_to_another_revision_is_refused() -> None:
    with Origin(answering()) as home, Plane(world_of(home), workers=2) as plane:
        plane.world.revision += 7
        with pytest.raises(SnapshotRefused):
            plane.native.apply(plane.world.difference(HOST))
        assert fetch(plane.http, HOST).status == 200
        assert plane.status()["revision"] == 1


Change = Callable[[dict[str, Any]], Any]


def zone(snapshot: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = snapshot["zones"][0]
    return found


CONTRADICTIONS: dict[str, Change] = {
    "newer_wire": lambda s: s.update(wire=s["wire"] + 1),
    "unknown_field": lambda s: s.update(nonsense=1),
    "missing_field": lambda s: s.pop("pools"),
    "wrong_type": lambda s: s.update(zones="none"),
    "unknown_pool": lambda s: zone(s).update(pool="nowhere"),
    "unknown_shared_pool": lambda s: s.update(shared_pool="nowhere"),
    "pool_twice": lambda s: s["pools"].append(s["pools"][0]),
    "zone_twice": lambda s: s["zones"].append(zone(s)),
    "host_twice": lambda s: s["zones"].append({**zone(s), "id": "zone-other"}),
    "slices_overlap": lambda s: s["pools"][0]["addresses"][0].update(slices=[[1, 9], [9, 20]]),
    "slice_backwards": lambda s: s["pools"][0]["addresses"][0].update(slices=[[9, 1]], cap=1),
    "slice_of_port_0": lambda s: s["pools"][0]["addresses"][0].update(slices=[[0, 9]], cap=1),
    "cap_above_ports": lambda s: s["pools"][0]["addresses"][0].update(slices=[[1, 9]], cap=10),
    "bad_address": lambda s: s["pools"][0]["addresses"][0].update(ip="192.0.2"),
    "bad_network": lambda s: s["settings"].update(denied_origins=["192.0.2.0/33"]),
    "bad_host": lambda s: zone(s)["hosts"][0].update(name="a..b"),
    "bad_scheme": lambda s: zone(s)["hosts"][0]["origins"][0].update(scheme="ftp"),
    "bad_certificate": lambda s: zone(s).update(
        certificates=[{"id": "c", "hosts": [HOST], "chain": [b"x"], "key": b"y"}]
    ),
    "bad_trust_roots": lambda s: s["settings"].update(extra_trust_roots="nonsense"),
}


@pytest.mark.parametrize("change", CONTRADICTIONS.values(), ids=CONTRADICTIONS.keys())
def test_a_snapshot_that_contradicts_itself_is_refused_and_the_old_one_stays(
    change: Change,
) -> None:
    with Origin(answering()) as home, Plane(world_of(home), workers=2) as plane:
        broken = msgspec.msgpack.decode(plane.world.snapshot())
        change(broken)
        with pytest.raises(SnapshotRefused) as refused:
            plane.native.apply(msgspec.msgpack.encode(broken))
        assert str(refused.value)
        assert fetch(plane.http, HOST).status == 200
        assert plane.status()["revision"] == 1


@pytest.mark.parametrize("data", [b"", b"\x00", b"nonsense", bytes(1_000)])
def test_bytes_that_are_no_snapshot_are_refused(data: bytes) -> None:
    with Origin(answering()) as home, Plane(world_of(home), workers=2) as plane:
        with pytest.raises(SnapshotRefused):
            plane.native.apply(data)
        assert fetch(plane.http, HOST).status == 200


def test_a_port_in_use_is_an_error_that_names_it_and_the_old_state_stays() -> None:
    with (
        Origin(answering()) as home,
        Plane(world_of(home), workers=2) as plane,
        socket.socket() as taken,
    ):
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        good = list(plane.world.listeners)
        plane.world.listeners.append({"address": "127.0.0.1", "port": port, "tls": False})
        with pytest.raises(ListenError, match=endpoint("127.0.0.1", port)):
            plane.apply()
        assert isinstance(ListenError(), OSError)
        assert fetch(plane.http, HOST).status == 200
        assert plane.status()["revision"] == 1
        plane.world.listeners = good
        plane.apply()
        assert fetch(plane.http, HOST).status == 200


def test_a_second_plane_on_the_same_port_is_an_error() -> None:
    with Origin(answering()) as home, Plane(world_of(home), workers=2) as plane:
        second = World(listeners=list(plane.world.listeners))
        with pytest.raises(ListenError), Plane(second):
            pass
        assert fetch(plane.http, HOST).status == 200


def test_listeners_come_and_go() -> None:
    with Origin(answering()) as home, Plane(world_of(home), workers=2) as plane:
        first = plane.http
        with H1Client(first) as old:
            assert old.request(HOST).status == 200
            port = plane.world.listen(tls=False)
            plane.apply()
            assert fetch(("127.0.0.1", port), HOST).status == 200
            del plane.world.listeners[0]
            plane.apply()

            def is_gone() -> bool:
                try:
                    H1Client(first).close()
                except ConnectionRefusedError:
                    return True
                return False

            eventually(is_gone)
            assert fetch(plane.http, HOST).status == 200


def test_many_zones_are_taken_without_stopping_traffic() -> None:
    with Origin(answering()) as home, Plane(world_of(home), workers=2) as plane:
        for number in range(20_000):
            plane.world.zone(f"z{number}.example.com", origin(home.port))
        snapshot = plane.world.snapshot()
        load = Load(plane)
        eventually(lambda: load.served > 100)
        begun = time.monotonic()
        plane.native.apply(snapshot)
        assert time.monotonic() - begun < 30
        served = load.served
        eventually(lambda: load.served > served + 100)
        assert load.stop() == []
        assert fetch(plane.http, "z19999.example.com").status == 200
        status = plane.status()
        assert status["zones"] == 20_001
        assert status["memory_table_bytes"] / 20_001 < 2_048
