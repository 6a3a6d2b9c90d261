"""Keys and origins of regional hostnames stay with the servers inside the region."""

from __future__ import annotations

import msgspec

from egressway.node.localise import Localiser
from egressway.node.settings import NodeSettings
from egressway.wire.consistency import inconsistencies
from egressway.wire.fleet import FleetSnapshot, Topology
from egressway.wire.fleet_state import FleetState
from egressway.wire.snapshot import Certificate, Host, Listener, Origin, Snapshot, Zone
from tests.support.fleets import LOCATIONS, delta, fleet, topology

NOBODY: frozenset[str] = frozenset()
ORIGIN = (Origin("127.0.0.1", 80, "http"),)
SERVERS = ("ams-1-1", "fra-1-1", "sjc-1-1")


def certificate(name: str, *hosts: str, key: bytes | None = None) -> Certificate:
    return Certificate(name, hosts, (b"chain",), key or name.encode())


REGIONAL = Zone(
    "z",
    "a",
    "example.com",
    hosts=(
        Host("eu.example.com", ORIGIN, "eu"),
        Host("us.example.com", ORIGIN, "us"),
        Host("www.example.com", ORIGIN),
    ),
    certificates=(
        certificate("wildcard", "*.example.com"),
        certificate("eu", "eu.example.com"),
        certificate("www", "www.example.com"),
        certificate("same key", "example.com", key=b"eu"),
    ),
)
ORDINARY = Zone(
    "o",
    "a",
    "example.net",
    hosts=(Host("example.net", ORIGIN),),
    certificates=(certificate("net", "example.net"),),
)


def whole(**more: object) -> FleetSnapshot:
    around: Topology = topology(*SERVERS, regions=("eu", "us"), **more)
    return fleet(topology=around, zones=(ORDINARY, REGIONAL))


def localiser(name: str) -> Localiser:
    listeners = (Listener("127.0.0.1", 0, tls=False),)
    return Localiser(NodeSettings(server=name, listeners=listeners))


def keys_of(snapshot: Snapshot, zone: str = "z") -> set[str]:
    (found,) = (each for each in snapshot.zones if each.id == zone)
    return {each.id for each in found.certificates}


def served_by(snapshot: Snapshot) -> set[str]:
    (found,) = (each for each in snapshot.zones if each.id == "z")
    assert [host.name for host in found.hosts] == [host.name for host in REGIONAL.hosts]
    assert [host.region for host in found.hosts] == [host.region for host in REGIONAL.hosts]
    return {host.name for host in found.hosts if host.origins}


def test_a_server_gets_keys_and_origins_of_its_own_regions_only():
    for name, keys, hosts in (
        ("ams-1-1", {"eu", "www", "same key"}, {"eu.example.com", "www.example.com"}),
        ("sjc-1-1", {"www"}, {"us.example.com", "www.example.com"}),
    ):
        made = localiser(name).whole(FleetState(whole()), NOBODY, ())
        assert list(inconsistencies(made)) == []
        assert keys_of(made) == keys
        assert served_by(made) == hosts
        assert keys_of(made, "o") == {"net"}


def test_a_changed_zone_is_confined_like_the_others():
    state, here = FleetState(whole()), localiser("sjc-1-1")
    here.whole(state, NOBODY, ())
    wider = msgspec.structs.replace(
        REGIONAL, certificates=(*REGIONAL.certificates, certificate("new", "eu.example.com"))
    )
    change = delta(1, zones=(wider,))
    state.apply(change)
    made = here.difference(state, change, 1, NOBODY, ())
    assert keys_of(made) == {"www"}


def test_a_server_whose_location_comes_into_a_region_gets_what_it_lacks():
    state, here = FleetState(whole()), localiser("sjc-1-1")
    assert keys_of(here.whole(state, NOBODY, ())) == {"www"}
    both = tuple(
        msgspec.structs.replace(each, regions=("eu", "us")) if each.name == "sjc" else each
        for each in LOCATIONS
    )
    inside = delta(1, topology=topology(*SERVERS, regions=("eu", "us"), locations=both))
    state.apply(inside)
    made = here.difference(state, inside, 1, NOBODY, ())
    assert keys_of(made) == {"wildcard", "eu", "www", "same key"}
    assert [zone.id for zone in made.zones] == ["z"], "others are as they were"
    outside = delta(2, topology=topology(*SERVERS, regions=("eu", "us")))
    state.apply(outside)
    assert keys_of(here.difference(state, outside, 2, NOBODY, ())) == {"www"}
    assert here.difference(state, delta(3), 3, NOBODY, ()).zones == ()


def test_a_zone_that_is_withheld_is_not_sent_for_the_sake_of_a_region():
    state, here = FleetState(whole()), localiser("sjc-1-1")
    here.whole(state, NOBODY, ("z",))
    nowhere = delta(1, topology=topology(*SERVERS))
    state.apply(nowhere)
    assert here.difference(state, nowhere, 1, NOBODY, ("z",)).zones == ()
