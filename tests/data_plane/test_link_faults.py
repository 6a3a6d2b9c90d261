"""Who may speak over the link between servers, and what becomes of requests when it breaks."""

from __future__ import annotations

import base64
import os
import signal
import socket
import threading

import pytest

from tests.support.addresses import egress_ip, listening_port
from tests.support.certificates import Authority
from tests.support.fleet import BESIDE, FAR, HERE, LINK_IP, NEAR, Fleet, pair, spots
from tests.support.h1_client import H1Client, fetch
from tests.support.http_message import (
    request_bytes,
)
from tests.support.origins import Gate, Origin, answering
from tests.support.processes import Worker
from tests.support.waiting import eventually
from tests.support.world import address, origin

HOST = "www.example.com"


def test_without_an_identity_nothing_is_forwarded():
    with Origin(answering()) as home:
        fleet, _ = pair(HOST, home.port)
        fleet.identity = lambda name: Fleet.identity(fleet, name, Authority())  # type: ignore[method-assign]
        with fleet:
            failed = fetch(fleet[HERE].http, HOST)
            assert (failed.status, failed.error) == (503, "egress_server_unreachable")
            assert home.connections == []
            assert fleet.peer(HERE, NEAR)["state"] == "down"


def test_peer_that_turns_out_to_be_of_this_fleet_is_used_again():
    with Origin(answering()) as home:
        fleet, _ = pair(HOST, home.port)
        with fleet:
            fleet[HERE].native.set_identity(*fleet.identity(HERE, Authority()))
            assert fetch(fleet[HERE].http, HOST).error == "egress_server_unreachable"
            fleet[HERE].native.set_identity(*fleet.identity(HERE))
            fleet.wait_up(HERE, NEAR)
            assert fetch(fleet[HERE].http, HOST).status == 200


def test_certificate_of_another_server_opens_nothing():
    with Origin(answering()) as home:
        fleet, _ = pair(HOST, home.port)
        with fleet:
            fleet[HERE].native.set_identity(*fleet.identity("stranger"))
            assert fetch(fleet[HERE].http, HOST).error == "egress_server_unreachable"
            assert home.connections == []


def test_revoked_peer_is_cut_off_with_what_is_under_way():
    gate = Gate()
    with Origin(answering(gate)) as home:
        fleet, _ = pair(HOST, home.port)
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
        fleet = Fleet(spots(HERE, NEAR, BESIDE))
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
        fleet = Fleet(spots(HERE, NEAR, BESIDE))
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
        fleet = Fleet(spots(HERE, NEAR, BESIDE))
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
        fleet = Fleet(spots(HERE, NEAR, FAR))
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


def test_request_whose_server_turns_out_dead_goes_where_the_newest_tables_say():
    with Origin(answering()) as home, socket.create_server((LINK_IP, 0)) as silent:
        fleet = Fleet(spots(HERE, NEAR, BESIDE), settings={"link_dial_ms": 1_000})
        fleet.apart.add(NEAR)
        fleet.links[NEAR] = silent.getsockname()[1]
        pool = fleet.pool("p", near=[address(egress_ip())])
        fleet.zone(HOST, origin(home.port), pool=pool)
        with fleet, H1Client(fleet[HERE].http) as client:
            client.send(request_bytes(HOST, method="POST", body=b"x"))
            with silent.accept()[0]:
                fleet.pools[pool].held = {BESIDE: [address(egress_ip())]}
                fleet.apply()
                assert client.read_response().status == 200
            assert len(home.requests) == 1


@pytest.mark.parametrize("body", [b"", b"x" * 100_000], ids=["bodiless", "with a body"])
def test_request_is_not_refused_because_its_server_hears_of_a_change_later(body):
    with Origin(answering()) as home:
        fleet, ip = pair(HOST, home.port)
        fleet.pools["p"].held = {}
        with fleet, H1Client(fleet[HERE].http) as client:
            fleet.pools["p"].held = {NEAR: [address(ip)]}
            fleet.apply(HERE)
            client.send(request_bytes(HOST, method="POST", body=body))
            eventually(lambda: fleet.peer(HERE, NEAR)["state"] == "up")
            fleet.apply(NEAR)
            assert client.read_response().status == 200
            assert [request.body for request in home.requests] == [body]
            assert fetch(fleet[HERE].http, HOST).status == 200


def test_request_that_its_server_never_hears_of_is_refused():
    with Origin(answering()) as home:
        fleet, ip = pair(HOST, home.port)
        fleet.pools["p"].held = {}
        with fleet:
            fleet.pools["p"].held = {NEAR: [address(ip)]}
            fleet.apply(HERE)
            refused = fetch(fleet[HERE].http, HOST, method="POST", body=b"x")
            assert (refused.status, refused.error) == (503, "no_applicable_ip")
            assert home.connections == []


def test_server_that_stops_lets_forwarded_requests_end():
    gate = Gate()
    with Origin(answering(gate)) as home:
        fleet, _ = pair(HOST, home.port)
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
        fleet, _ = pair(HOST, home.port)
        with fleet:
            fetch(fleet[HERE].http, HOST)
            assert fleet[HERE].log_line(host=HOST)["status"] == 200
            fleet[NEAR].drain()
            assert fleet[NEAR].requests == {"link": 1}
            assert fleet[NEAR].log() == []


class Load:
    """Clients that ask one server again and again, and what they were answered."""

    def __init__(self, at: tuple[str, int], method: str) -> None:
        self.answers: list[tuple[str, int, str | None]] = []
        self._at, self._method = at, method
        self._is_over = threading.Event()
        self._clients = [threading.Thread(target=self._ask, args=(each,)) for each in range(4)]

    def __enter__(self) -> Load:
        for client in self._clients:
            client.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        for client in self._clients:
            client.join()

    def _ask(self, number: int) -> None:
        with H1Client(self._at) as client:
            for turn in range(1_000_000):
                if self._is_over.is_set():
                    return
                path = f"/{self._method}/{number}/{turn}"
                answer = client.request(HOST, path, method=self._method)
                self.answers.append((path, answer.status, answer.error))


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "frozen"])
def test_server_that_is_lost_under_load_costs_only_what_was_under_way(method, end):
    with Origin(answering()) as home, Worker("tests.support.plane_process") as near:
        fleet = Fleet(spots(HERE, NEAR, BESIDE), settings={"link_dead_ms": 750})
        fleet.apart.add(NEAR)
        held = {name: [address(egress_ip())] for name in (NEAR, BESIDE)}
        fleet.zone(HOST, origin(home.port), pool=fleet.pool("p", **held))
        near.ask("identity", parts=[_text(part) for part in fleet.identity(NEAR)])
        near.ask("apply", snapshot=_text(fleet.snapshot(NEAR)))
        with fleet, Load(fleet[HERE].http, method) as load:
            eventually(lambda: len(load.answers) > 50)
            assert fleet.peer(HERE, NEAR)["state"] == "up"
            os.kill(near.pid, end)
            before = len(load.answers)
            eventually(lambda: fleet.peer(HERE, NEAR)["state"] == "down")
            eventually(lambda: len(load.answers) > before + 100)
            assert load.answers[-1][1] == 200
        lost = [answer for answer in load.answers if answer[1] != 200]
        assert len(lost) <= len(load._clients)
        assert {error for _, _, error in lost} <= {"egress_server_lost"}
        if method == "POST":
            assert len(set(home.targets)) == len(home.targets), "none was sent twice"
        else:
            assert lost == [], "what may be repeated was"


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode()
