"""What every announcer promises, asked of the fake one and of ExaBGP in front of real routers.

A world is an announcer and two routers; how a session is cut, and what a router has, differs.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, ip_address, ip_network
from pathlib import Path
from typing import Protocol

import pytest

from egressway.node.announce import Announcer, BgpSettings, ExaBgp, FakeAnnouncer, Peer, Route
from egressway.node.announce.desired import family_of
from tests.support.bird import Bird
from tests.support.frr import Frr
from tests.support.namespaces import Network, inside
from tests.support.router import Router, RouterPeer, SeenRoute
from tests.support.waiting import eventually

ASN, ROUTER_ASN = 64512, 64900
SERVER = {4: "10.1.0.1", 6: "2001:db8:f::1"}
ROUTER = {4: "10.1.0.9", 6: "2001:db8:f::9"}
SETTINGS = BgpSettings(
    ASN,
    IPv4Address("10.1.0.1"),
    tuple(Peer(ip_address(address), ROUTER_ASN) for address in ROUTER.values()),
)
PEER4, PEER6 = (peer.address for peer in SETTINGS.peers)
ONE = Route(ip_network("192.0.2.1/32"), med=5, prepend=1, communities=("64512:1",))
TWO = Route(ip_network("192.0.2.2/32"), large_communities=("64512:1:2",))
SIX = Route(ip_network("2001:db8:1::3/128"), med=6)


class World(Protocol):
    announcer: Announcer

    def seen(self) -> dict[str, SeenRoute]: ...

    def cut(self) -> None:
        """The IPv4 session."""

    def mend(self) -> None: ...


class FakeWorld:
    def __init__(self) -> None:
        self.announcer = FakeAnnouncer(SETTINGS)

    def seen(self) -> dict[str, SeenRoute]:
        return {
            str(route.prefix): SeenRoute(
                SERVER[family_of(peer.address)],
                (ASN,) * (1 + route.prepend),
                route.med,
                route.communities,
                route.large_communities,
            )
            for peer in SETTINGS.peers
            for route in self.announcer.received(peer.address).values()
        }

    def cut(self) -> None:
        self.announcer.cut(PEER4)

    def mend(self) -> None:
        self.announcer.mend(PEER4)


class RealWorld:
    def __init__(self, network: Network, router: Router) -> None:
        self.announcer = ExaBgp(SETTINGS)
        start = self.announcer.start
        # Its thread and its child live in the server's namespace.
        self.announcer.start = lambda: inside(network["server"], start)  # type: ignore[method-assign]
        network.cleanup.callback(self.announcer.stop)
        self._router = router
        router.start()

    def seen(self) -> dict[str, SeenRoute]:
        return {**self._router.seen(4), **self._router.seen(6)}

    def cut(self) -> None:
        self._router.disable("node4")

    def mend(self) -> None:
        self._router.enable("node4")


@pytest.fixture(
    params=[
        "fake",
        pytest.param("bird", marks=[pytest.mark.e2e, pytest.mark.timeout(300)]),
        pytest.param("frr", marks=[pytest.mark.e2e, pytest.mark.timeout(300)]),
    ]
)
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    if request.param == "fake":
        yield FakeWorld()
        return
    with Network() as network:
        network.cable(
            f"server {SERVER[4]}/24 {SERVER[6]}/64", f"router {ROUTER[4]}/24 {ROUTER[6]}/64"
        )
        program = {"bird": Bird, "frr": Frr}[request.param]
        peers = [RouterPeer(f"node{n}", address, ASN) for n, address in SERVER.items()]
        router = program(
            network, "router", tmp_path, asn=ROUTER_ASN, router_id=ROUTER[4], peers=peers
        )
        yield RealWorld(network, router)


def sees(world: World, *routes: Route) -> None:
    prefixes = {str(route.prefix) for route in routes}
    eventually(lambda: set(world.seen()) == prefixes, within=30, why=f"routers have {prefixes}")


def up(world: World) -> None:
    eventually(
        lambda: all(each.state == "up" for each in world.announcer.status.peers.values()),
        within=30,
        why="the sessions are up",
    )


def test_nothing_is_announced_before_it_is_set(world):
    world.announcer.start()
    up(world)
    assert world.seen() == {}


def test_what_is_set_is_seen_by_the_routers_of_its_family_with_its_attributes(world):
    world.announcer.start()
    world.announcer.set([ONE, TWO, SIX])
    sees(world, ONE, TWO, SIX)
    assert world.seen() == {
        "192.0.2.1/32": SeenRoute("10.1.0.1", (ASN, ASN), 5, ("64512:1",)),
        "192.0.2.2/32": SeenRoute("10.1.0.1", (ASN,), None, (), ("64512:1:2",)),
        "2001:db8:1::3/128": SeenRoute("2001:db8:f::1", (ASN,), 6),
    }


def test_what_was_set_before_the_start_counts(world):
    world.announcer.set([ONE])
    world.announcer.start()
    sees(world, ONE)


def test_setting_again_is_the_new_truth_as_a_whole(world):
    world.announcer.start()
    world.announcer.set([ONE, SIX])
    sees(world, ONE, SIX)
    world.announcer.set([TWO, SIX])
    sees(world, TWO, SIX)


def test_of_two_routes_of_one_prefix_the_last_one_counts(world):
    world.announcer.start()
    world.announcer.set([ONE, Route(ONE.prefix, med=77)])
    sees(world, ONE)
    assert world.seen()["192.0.2.1/32"].med == 77


def test_withdrawing_all_leaves_the_sessions(world):
    world.announcer.start()
    world.announcer.set([ONE, SIX])
    sees(world, ONE, SIX)
    world.announcer.withdraw_all()
    sees(world)
    assert {each.state for each in world.announcer.status.peers.values()} == {"up"}
    assert {each.ups_total for each in world.announcer.status.peers.values()} == {1}


def test_cut_session_shows_and_gets_the_newest_truth_when_it_is_back(world):
    world.announcer.start()
    world.announcer.set([ONE, SIX])
    sees(world, ONE, SIX)
    world.cut()
    sees(world, SIX)
    down = eventually(
        lambda: (each := world.announcer.status.peers[PEER4]).state == "down" and each,
        why="the session is known to be down",
    )
    assert down.last_error
    assert down.routes == 0
    assert world.announcer.status.peers[PEER6].state == "up"
    world.announcer.set([TWO, SIX])
    world.mend()
    sees(world, TWO, SIX)
    eventually(
        lambda: world.announcer.status.peers[PEER4].ups_total == 2, why="the session counts again"
    )


def test_status_counts_what_peers_have(world):
    world.announcer.start()
    world.announcer.set([ONE, TWO, SIX])
    eventually(
        lambda: [each.routes for each in world.announcer.status.peers.values()] == [2, 1],
        within=30,
        why="all is sent",
    )
    status = world.announcer.status
    assert (status.is_running, status.desired, status.restarts_total) == (True, 3, 0)


def test_stop_withdraws_and_closes_and_may_be_repeated(world):
    world.announcer.start()
    world.announcer.set([ONE, SIX])
    sees(world, ONE, SIX)
    world.announcer.stop()
    assert world.seen() == {}
    assert world.announcer.status.is_running is False
    world.announcer.stop()


def test_stop_without_a_start_is_fine(world):
    world.announcer.set([ONE])
    world.announcer.stop()
    assert world.announcer.status.is_running is False
