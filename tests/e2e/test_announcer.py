"""Announcements by ExaBGP as real routers see them: BIRD 2 and FRR, both families, over real sessions.

::

    server 10.1.0.1, AS 64512  ==IPv4 session, MD5==  router 10.1.0.9, AS 64900
           2001:db8:f::1       ==IPv6 session======          2001:db8:f::9
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.bird import Bird
from tests.support.frr import Frr
from tests.support.namespaces import Network, routes
from tests.support.processes import Worker
from tests.support.router import Router, RouterPeer, SeenRoute
from tests.support.waiting import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

ROUTERS: dict[str, Callable[..., Any]] = {"bird": Bird, "frr": Frr}
PASSWORD = "wpHdAeQ3"
SETTINGS: dict[str, Any] = {
    "asn": 64512,
    "router_id": "10.1.0.1",
    "peers": [
        {"address": "10.1.0.9", "asn": 64900, "password": PASSWORD},
        {"address": "2001:db8:f::9", "asn": 64900},
    ],
}
PEERS = (
    RouterPeer("node4", "10.1.0.1", 64512, password=PASSWORD),
    RouterPeer("node6", "2001:db8:f::1", 64512),
)
V4, V6 = "192.0.2.1/32", "2001:db8:1::3/128"
ROUTES = [{"prefix": V4}, {"prefix": V6}]
SOON = 1.0
"""Seconds that announcer and readiness may disagree."""
SLACK = 2.0
"""For the machine that runs the tests."""


class Server:
    """The announcing side."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self.worker = Worker("tests.e2e.announcer_process", inside=network["server"].entering())
        network.cleanup.callback(self.worker.kill)

    def start(self, **changes: Any) -> None:
        self.worker.ask("start", **{**SETTINGS, **changes})
        self.worker.ask("set", routes=ROUTES)
        self.worker.ask("ready", is_ready=True)

    def ask(self, command: str, **details: Any) -> Any:
        return self.worker.ask(command, **details)

    def peer(self, address: str = "10.1.0.9") -> Any:
        return self.ask("status")["peers"][address]


@pytest.fixture
def network() -> Iterator[Network]:
    with Network() as network:
        network.cable("server 10.1.0.1/24 2001:db8:f::1/64", "router 10.1.0.9/24 2001:db8:f::9/64")
        yield network


@pytest.fixture(params=ROUTERS)
def router(request, network: Network, tmp_path: Path) -> Router:
    made = ROUTERS[request.param](
        network, "router", tmp_path, asn=64900, router_id="10.1.0.9", peers=PEERS
    )
    made.start()
    return made


@pytest.fixture
def server(network: Network) -> Server:
    return Server(network)


def both(router: Router) -> dict[str, SeenRoute]:
    return {**router.seen(4), **router.seen(6)}


def known(router: Router) -> set[str]:
    return router.prefixes(4) | router.prefixes(6)


def announced(router: Router, *prefixes: str, within: float = 30) -> None:
    eventually(
        lambda: known(router) == set(prefixes or (V4, V6)),
        within=within,
        pause=0.05,
        why=f"the router has {prefixes or (V4, V6)}",
    )


def test_routes_appear_with_everything_that_was_said(router, server, network):
    server.start()
    server.ask(
        "set",
        routes=[
            {"prefix": V4, "med": 50, "prepend": 2, "communities": ["64512:1", "65535:65281"]},
            {"prefix": "203.0.113.0/28", "large_communities": ["64512:4294967295:7"]},
            {"prefix": V6, "med": 7, "communities": ["64512:6"]},
        ],
    )
    announced(router, V4, "203.0.113.0/28", V6)
    seen = both(router)
    own = 64512
    assert seen == {
        V4: SeenRoute("10.1.0.1", (own, own, own), 50, ("64512:1", seen[V4].communities[1])),
        "203.0.113.0/28": SeenRoute("10.1.0.1", (own,), None, (), ("64512:4294967295:7",)),
        V6: SeenRoute("2001:db8:f::1", (own,), 7, ("64512:6",)),
    }
    assert seen[V4].communities[1] in ("65535:65281", "no-export", "noExport")
    (way,) = [each for each in routes(network["router"]) if each["dst"] == "192.0.2.1"]
    assert way["gateway"] == "10.1.0.1"


def test_changed_attributes_replace_the_old_ones(router, server):
    server.start()
    announced(router)
    server.ask("set", routes=[{"prefix": V4, "med": 99}, {"prefix": V6}])
    eventually(lambda: both(router)[V4].med == 99, why="the router has the new MED")
    server.ask("set", routes=[{"prefix": V6}])
    announced(router, V6)


def test_not_ready_withdraws_within_a_second_and_the_session_stays(router, server):
    server.start()
    announced(router)
    for _ in range(3):
        started = time.monotonic()
        server.ask("ready", is_ready=False)
        eventually(lambda: not known(router), why="withdrawn", pause=0.02)
        assert time.monotonic() - started < SOON + SLACK
        assert server.peer()["state"] == "up"
        server.ask("ready", is_ready=True)
        announced(router)
    assert server.peer()["ups_total"] == 1


def test_readiness_that_does_not_answer_withdraws(router, server):
    server.start()
    announced(router)
    server.ask("hang")
    eventually(lambda: not known(router), why="withdrawn", pause=0.02)


def test_stopping_withdraws_before_it_ends(router, server):
    server.start()
    announced(router)
    assert server.ask("stop") == "done"
    assert not known(router)
    assert server.ask("status")["is_running"] is False
    eventually(lambda: not router.is_up("node4"), why="the session is closed")


def test_a_session_that_was_closed_comes_back_with_all_routes(router, server):
    server.start()
    announced(router)
    router.disable("node4")
    announced(router, V6)
    eventually(lambda: server.peer()["state"] == "down", why="the session is known to be down")
    assert server.peer()["last_error"]
    assert server.peer("2001:db8:f::9")["state"] == "up"
    router.enable("node4")
    announced(router)
    assert server.peer()["ups_total"] == 2


def test_a_router_that_was_killed_is_told_everything_again(router, server):
    server.start()
    announced(router)
    router.kill()
    router.start()
    announced(router, within=60)
    assert server.ask("status")["restarts_total"] == 0


def test_what_changed_while_a_session_was_down_is_right_when_it_is_back(router, server):
    server.start()
    announced(router)
    router.disable("node4")
    eventually(lambda: server.peer()["state"] == "down", why="the session is known to be down")
    server.ask("set", routes=[{"prefix": "192.0.2.7/32"}, {"prefix": V6}])
    router.enable("node4")
    announced(router, "192.0.2.7/32", V6)


def test_a_killed_speaker_is_started_again_and_announces_everything(router, server):
    server.start()
    announced(router)
    old = server.ask("pid")
    os.kill(old, signal.SIGKILL)
    eventually(lambda: server.ask("pid") not in (old, None), why="there is a new one")
    eventually(lambda: server.ask("status")["restarts_total"] == 1, why="it is counted")
    announced(router)


def test_a_speaker_that_stands_still_cannot_keep_a_route(router, server):
    server.start()
    announced(router)
    os.kill(server.ask("pid"), signal.SIGSTOP)
    started = time.monotonic()
    server.ask("ready", is_ready=False)
    eventually(lambda: not known(router), why="withdrawn", pause=0.02)
    assert time.monotonic() - started < SOON + SLACK
    assert "did not withdraw" in server.ask("status")["last_error"]


def test_a_killed_node_takes_its_routes_along(router, server):
    """Its data plane is gone with it; nobody waits for the hold time."""
    server.start()
    announced(router)
    speaker = server.ask("pid")
    (files,) = files_of(speaker)
    assert files.stat().st_mode & 0o777 == 0o700
    server.worker.kill()
    eventually(lambda: not known(router), within=5, why="the routes are gone")
    eventually(lambda: not _exists(speaker), why="the speaker is gone")
    eventually(lambda: not files.exists(), why="its files, with passwords, are gone")


def test_a_host_that_vanishes_is_given_up_after_the_hold_time(router, server, network):
    server.start()
    announced(router)
    network["server"].ip(["link set router down"])
    eventually(lambda: not known(router), within=20, why="the routes are gone")
    network["server"].ip(
        ["link set router up", "address replace 2001:db8:f::1/64 dev router nodad"]
    )
    announced(router, within=60)


def test_a_wrong_password_is_no_session_and_shows(router, server):
    peers = [{**SETTINGS["peers"][0], "password": "another1"}, SETTINGS["peers"][1]]
    server.start(peers=peers)
    announced(router, V6)
    assert server.peer()["state"] == "down"
    assert server.peer("2001:db8:f::9")["routes"] == 1


@pytest.mark.parametrize("program", ROUTERS)
def test_one_session_within_an_as_carries_both_families(program, server, network, tmp_path):
    peers = [RouterPeer("node4", "10.1.0.1", 64512, carries=(4, 6))]
    router = ROUTERS[program](
        network, "router", tmp_path, asn=64512, router_id="10.1.0.9", peers=peers
    )
    router.start()
    session = {"address": "10.1.0.9", "asn": 64512, "families": (4, 6)}
    server.start(peers=[session], next_hop6="2001:db8:f::1")
    server.ask("set", routes=[{"prefix": V4, "prepend": 1}, {"prefix": V6}])
    announced(router)
    seen = both(router)
    assert (seen[V4].next_hop, seen[V4].path) == ("10.1.0.1", ())
    assert (seen[V6].next_hop, seen[V6].path) == ("2001:db8:f::1", ())


def test_many_routes_come_and_go_together(router, server):
    server.start()
    many = [f"192.0.{n // 250}.{n % 250}/32" for n in range(1_000)]
    server.ask("set", routes=[{"prefix": prefix} for prefix in many])
    eventually(lambda: server.peer()["routes"] == 1_000, within=60, why="all are sent")
    server.ask("ready", is_ready=False)
    eventually(lambda: not known(router), within=10, why="all are withdrawn")


def files_of(speaker: int) -> set[Path]:
    """Directories of the files on its command line."""
    words = Path(f"/proc/{speaker}/cmdline").read_bytes().decode().split("\0")
    return {Path(word).parent for word in words if word.endswith("exabgp.conf")}


def _exists(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
