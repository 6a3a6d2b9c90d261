"""What is configured is what routers are told, of what the fleet has placed here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest

from egressway.bus.in_process import InProcessBus
from egressway.data_plane.fake import FakeDataPlane
from egressway.node.announce import BgpSettings, FakeAnnouncer
from egressway.node.apply import Applier
from egressway.node.follow import Follower
from egressway.node.last_good import LastGood
from egressway.node.settings import NodeSettings
from egressway.services.configuration.types import Announce, PeerSettings
from egressway.services.node_announce import announcements
from egressway.services.start_error import StartError
from egressway.wire.fleet import (
    FleetAddress,
    FleetLocation,
    FleetPool,
    FleetServer,
    FleetSlice,
    FleetSnapshot,
    Topology,
)
from egressway.wire.snapshot import Settings
from tests.support.waiting import eventually

ROUTER = PeerSettings(address=ip_address("198.51.100.1"), asn=64500, families="both")
ANNOUNCE = Announce(
    asn=64512,
    router_id=ip_address("198.51.100.9"),
    next_hop6=ip_address("2001:db8::9"),
    med=7,
    communities=("64512:100",),
    peers=(ROUTER,),
)


@pytest.fixture
def follower(tmp_path) -> Iterator[Follower]:
    """Of `s1`, with a fleet on disk in which it has ports of 192.0.2.1."""
    topology = Topology(
        settings=Settings(),
        locations=(FleetLocation("lisbon", 38.7, -9.1),),
        servers=(FleetServer("s1", 1, "lis1", "lisbon"),),
    )
    pool = FleetPool("a" * 32, (FleetAddress("192.0.2.1", (FleetSlice(20_000, 29_999, "s1"),)),))
    last_good = LastGood(tmp_path)
    last_good.keep_whole(FleetSnapshot(revision=7, topology=topology, pools=(pool,)), 1)
    last_good.close()
    plane, bus = FakeDataPlane(), InProcessBus()
    kept = LastGood(tmp_path)
    yield Follower(bus, NodeSettings(server="s1"), Applier(plane), plane, last_good=kept)
    kept.close()
    bus.close()


def test_nothing_is_announced_unless_configured(follower):
    assert announcements(Announce(), "s1", follower, lambda: True) is None


def test_routers_are_told_what_this_server_holds_with_what_is_configured(follower):
    made: list[tuple[BgpSettings, FakeAnnouncer]] = []

    def make(settings: BgpSettings) -> FakeAnnouncer:
        made.append((settings, FakeAnnouncer(settings)))
        return made[-1][1]

    announcing = announcements(ANNOUNCE, "s1", follower, lambda: True, make)
    assert announcing is not None
    assert follower.restore()
    announcing.start()
    eventually(lambda: announcing.status.desired == 1)
    (settings, announcer) = made[0]
    assert (settings.asn, settings.peers[0].carried) == (64512, (4, 6))
    received = announcer.received(ROUTER.address)
    assert received.keys() == {ip_network("192.0.2.1/32")}
    (route,) = received.values()
    assert (route.med, route.communities) == (7, ("64512:100",))
    announcing.stop()
    assert announcer.received(ROUTER.address) == {}


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"next_hop6": None}, "next_hop6"),
        ({"next_hop6": ip_address("192.0.2.9")}, "no IPv6 address"),
        ({"communities": ("100",)}, "no community"),
    ],
)
def test_what_cannot_be_announced_with_fails_the_start(follower, wrong, told):
    with pytest.raises(StartError, match=told):
        announcements(replace(ANNOUNCE, **wrong), "s1", follower, lambda: True)
