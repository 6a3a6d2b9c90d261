"""What a server runs follows from the fleet's state and its own name."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from egressway.model.region import REGION_KEYS
from egressway.node.localise import Localiser
from egressway.node.settings import NodeSettings
from egressway.wire.consistency import inconsistencies
from egressway.wire.fleet import SHARED_POOL, FleetAddress, FleetSlice
from egressway.wire.fleet_state import FleetState
from egressway.wire.snapshot import Listener, Pool, Snapshot
from tests.support.fleets import (
    address,
    delta,
    fleet,
    move,
    pool,
    server,
    topology,
    zone,
)

SERVERS = ("ams-1-1", "ams-1-2", "ams-2-1", "fra-1-1", "sjc-1-1")
EVERYWHERE = pool("p", address("192.0.2.1", "ams-1-1", "ams-1-2", "ams-2-1", "fra-1-1"))
NOBODY: frozenset[str] = frozenset()


def settings(name: str, **more) -> NodeSettings:
    return NodeSettings(server=name, listeners=(Listener("127.0.0.1", 0, tls=False),), **more)


def localised(whole, name: str = "ams-1-1", waiting=NOBODY, **more) -> Snapshot:
    made = Localiser(settings(name, **more)).whole(FleetState(whole), waiting, ())
    assert list(inconsistencies(made)) == []
    return made


def pool_of(snapshot: Snapshot, pool_id: str = "p") -> Pool:
    (own,) = (each for each in snapshot.pools if each.id == pool_id)
    return own


def rungs(snapshot: Snapshot) -> list[tuple[str, str, tuple[str, ...]]]:
    return [(each.rung, each.location, each.servers) for each in pool_of(snapshot).elsewhere]


def test_every_server_gets_its_own_slices_and_together_they_are_all():
    whole = fleet(topology=topology(*SERVERS), pools=(EVERYWHERE,))
    slices = []
    for name in SERVERS[:4]:
        (own,) = pool_of(localised(whole, name)).addresses
        assert own.cap == sum(high - low + 1 for low, high in own.slices) == 10_000
        slices += own.slices
    assert sorted(slices) == [(20_000 + n * 10_000, 29_999 + n * 10_000) for n in range(4)]
    assert pool_of(localised(whole, "sjc-1-1")).addresses == ()


def test_ladder_leads_from_near_to_far():
    whole = fleet(topology=topology(*SERVERS), pools=(EVERYWHERE,))
    assert rungs(localised(whole)) == [
        ("data_center", "ams", ("ams-1-2",)),
        ("location", "ams", ("ams-2-1",)),
        ("closest", "fra", ("fra-1-1",)),
    ]
    assert [(rung, place) for rung, place, _ in rungs(localised(whole, "sjc-1-1"))] == [
        ("closest", "ams"),
        ("closest", "fra"),
    ]


def test_locations_equally_far_are_in_the_order_of_their_names():
    places = tuple(server(f"{name}-1-1", location=name) for name in ("sjc", "fra"))
    same = tuple(
        type(each)(each.name, 10.0, 10.0) for each in topology().locations if each.name != "ams"
    )
    here = next(each for each in topology().locations if each.name == "ams")
    whole = fleet(
        topology=topology("ams-1-1", *places, locations=(here, *reversed(same))),
        pools=(pool("p", address("192.0.2.1", "sjc-1-1", "fra-1-1")),),
    )
    assert [place for _, place, _ in rungs(localised(whole))] == ["fra", "sjc"]


@pytest.mark.parametrize("state", ["draining", "revoked"])
def test_server_that_is_on_its_way_out_is_not_asked(state):
    holders = ("ams-1-1", "ams-2-1") if state == "revoked" else ("ams-1-1", "ams-1-2", "ams-2-1")
    whole = fleet(
        topology=topology("ams-1-1", server("ams-1-2", state=state), "ams-2-1"),
        pools=(pool("p", address("192.0.2.1", *holders)),),
    )
    made = localised(whole)
    assert [servers for _, _, servers in rungs(made)] == [("ams-2-1",)]
    peers = [peer.server for peer in made.fleet.peers]
    assert ("ams-1-2" in peers) == (state == "draining"), "a draining one still comes with requests"


def test_server_without_a_link_is_no_peer():
    whole = fleet(
        topology=topology("ams-1-1", server("ams-1-2", link=None)),
        pools=(pool("p", address("192.0.2.1", "ams-1-2")),),
    )
    made = localised(whole)
    assert (rungs(made), made.fleet.peers) == ([], ())


def test_draining_address_is_offered_to_nobody_and_said_to_the_data_plane():
    whole = fleet(
        topology=topology("ams-1-1", "ams-1-2"),
        pools=(pool("p", address("192.0.2.1", "ams-1-1", "ams-1-2", draining=True)),),
    )
    made = localised(whole)
    assert rungs(made) == []
    assert [each.draining for each in pool_of(made).addresses] == [True]


def test_own_drain_is_a_drain_of_all_own_addresses_but_not_of_the_shared_ones():
    whole = fleet(
        topology=topology(server("ams-1-1", state="draining")),
        pools=(pool("p", address("192.0.2.1", "ams-1-1"), address("2001:db8::/120")),),
    )
    made = localised(whole, shared_ips=(ip_address("127.0.0.1"),))
    assert all(each.draining for each in pool_of(made).addresses)
    assert [each.draining for each in pool_of(made, SHARED_POOL).addresses] == [False]


def test_older_of_two_with_one_name_opens_nothing_more():
    whole = fleet(
        topology=topology(server("ams-1-1", epoch=2)),
        pools=(pool("p", address("192.0.2.1", "ams-1-1")),),
    )
    for epoch, is_draining in ((1, True), (2, False)):
        made = localised(whole, epoch=epoch, shared_ips=(ip_address("127.0.0.1"),))
        drains = {each.draining for pool in made.pools for each in pool.addresses}
        assert drains == {is_draining}


def test_server_that_the_fleet_does_not_know_has_only_the_shared_pool():
    whole = fleet(topology=topology("fra-1-1"), pools=(pool("p", address("192.0.2.1", "fra-1-1")),))
    made = localised(whole, shared_ips=(ip_address("127.0.0.1"),))
    assert (pool_of(made).addresses, rungs(made), made.fleet.server) == ((), [], "")
    assert len(pool_of(made, SHARED_POOL).addresses) == 1


def test_ipv6_address_is_the_one_of_the_servers_number():
    made = localised(
        fleet(
            topology=topology(server("ams-1-1", number=5)),
            pools=(pool("p", address("2001:db8:1::/64"), address("2001:db8::7/128")),),
        )
    )
    (only,) = pool_of(made).addresses
    assert (only.ip, only.slices) == ("2001:db8:1::5", ((20_000, 59_999),))
    first = fleet(
        topology=topology(server("ams-1-1", number=0)), pools=(pool("p", address("2001:db8::7")),)
    )
    assert [each.ip for each in pool_of(localised(first)).addresses] == ["2001:db8::7"]


def test_caps_of_all_servers_never_add_up_to_more_than_the_addresss():
    whole = fleet(topology=topology(*SERVERS[:4], connection_cap=10_000), pools=(EVERYWHERE,))
    caps = [pool_of(localised(whole, name)).addresses[0].cap for name in SERVERS[:4]]
    assert sum(caps) == 10_000


def test_dedicated_addresses_are_not_shared_whatever_their_family():
    shared = tuple(map(ip_address, ("192.0.2.1", "192.0.2.9", "2001:db8::5", "2001:db8:1::5")))
    made = localised(
        fleet(pools=(pool("p", address("192.0.2.1", "ams-1-1"), address("2001:db8::/64")),)),
        shared_ips=shared,
    )
    ips = [each.ip for each in pool_of(made, SHARED_POOL).addresses]
    assert ips == ["192.0.2.9", "2001:db8:1::5"]


def test_regions_list_the_nearest_first_with_this_server_when_it_is_inside():
    whole = fleet(topology=topology(*SERVERS, regions=("eu", "us")))
    inside = {each.key: each.servers for each in localised(whole, "fra-1-1").fleet.regions}
    assert inside["eu"] == ("fra-1-1", "ams-1-1", "ams-1-2", "ams-2-1")
    outside = {each.key: each.servers for each in localised(whole, "sjc-1-1").fleet.regions}
    assert outside["eu"] == ("ams-1-1", "ams-1-2", "ams-2-1", "fra-1-1")
    assert outside["us"] == ("sjc-1-1",)


def test_a_region_without_hostname_or_location_is_there_with_nobody_in_it():
    whole = fleet(topology=topology(*SERVERS, regions=("us", "jp", "a-later-one")))
    found = {each.key: each.servers for each in localised(whole, "sjc-1-1").fleet.regions}
    assert set(found) == {*REGION_KEYS, "a-later-one"}
    assert {key: servers for key, servers in found.items() if servers} == {"us": ("sjc-1-1",)}


def test_ports_on_their_way_here_are_not_used_before_they_may():
    moved = move("fra-1-1", "ams-1-1", 20_000, 24_999)
    whole = fleet(
        topology=topology("ams-1-1", "fra-1-1", moves=(moved,)),
        pools=(pool("p", address("192.0.2.1", "ams-1-1", "fra-1-1")),),
    )
    (own,) = pool_of(localised(whole, waiting=frozenset({moved.id}))).addresses
    assert (own.slices, own.cap) == (((25_000, 39_999),), 15_000)
    (own,) = pool_of(localised(whole)).addresses
    assert own.slices == ((20_000, 39_999),)


def test_whole_slice_on_its_way_here_is_no_address_yet():
    moved = move("fra-1-1", "ams-1-1", 20_000, 59_999)
    whole = fleet(
        topology=topology("ams-1-1", "fra-1-1", moves=(moved,)),
        pools=(pool("p", address("192.0.2.1", "ams-1-1")),),
    )
    assert pool_of(localised(whole, waiting=frozenset({moved.id}))).addresses == ()


def test_own_settings_stay_and_common_limits_come_from_the_fleet():
    made = localised(fleet(), server_name="edge")
    assert (made.settings.server_name, made.settings.allowed_origins[0]) == ("edge", "127.0.0.0/8")
    assert len(made.listeners) == 1


# Differences.


def applied(state: FleetState, localiser: Localiser, change, waiting=NOBODY) -> Snapshot:
    base = state.revision
    state.apply(change)
    return localiser.difference(state, change, base, waiting, ())


def test_change_of_a_zone_makes_no_pool_anew():
    state = FleetState(fleet(topology=topology(*SERVERS), pools=(EVERYWHERE,)))
    localiser = Localiser(settings("ams-1-1"))
    first = localiser.whole(state, NOBODY, ())
    made = applied(state, localiser, delta(1, zones=(zone(pool="p"),)))
    assert made.pools is first.pools
    assert (made.base_revision, [each.name for each in made.zones]) == (1, ["example.com"])


def test_differences_lead_where_the_whole_leads():
    state = FleetState(fleet(topology=topology(*SERVERS), pools=(EVERYWHERE,)))
    localiser = Localiser(settings("ams-1-1"))
    localiser.whole(state, NOBODY, ())
    other = FleetAddress("192.0.2.2", (FleetSlice(30_000, 30_009, "ams-1-1"),))
    steps = (
        {"pools": (pool("q", other),)},
        {"topology": topology(*SERVERS[:3], server("fra-1-1", state="draining"))},
        {"removed_pools": ("p",)},
        {"pools": (pool("p", address("192.0.2.1", "ams-2-1")), pool("q"))},
    )
    for step in steps:
        made = applied(state, localiser, delta(state.revision, **step))
        anew = Localiser(settings("ams-1-1")).whole(state, NOBODY, ())
        assert {each.id: each for each in made.pools} == {each.id: each for each in anew.pools}
        assert (made.fleet, made.settings) == (anew.fleet, anew.settings)


def test_zone_that_is_left_out_is_in_neither():
    state = FleetState(fleet(zones=(zone("a.example.com"), zone("b.example.com"))))
    localiser = Localiser(settings("ams-1-1"))
    without = {"zone-a.example.com"}
    made = localiser.whole(state, NOBODY, without)
    assert [each.name for each in made.zones] == ["b.example.com"]
    change = delta(1, zones=(zone("a.example.com"),))
    state.apply(change)
    assert localiser.difference(state, change, 1, NOBODY, without).zones == ()
