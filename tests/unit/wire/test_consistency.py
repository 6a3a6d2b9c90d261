"""Every rule of the wire finds its own breach, and nothing in a good snapshot."""

from __future__ import annotations

import msgspec
import pytest

from egressway.wire.capability import WIRE
from egressway.wire.consistency import inconsistencies
from egressway.wire.snapshot import (
    Certificate,
    Fleet,
    Host,
    Link,
    Listener,
    Origin,
    Peer,
    Pool,
    Region,
    Rung,
    Settings,
    Snapshot,
)
from tests.support.snapshots import address, pool, snapshot, zone

DOUBLE = (Listener("127.0.0.1", 80, tls=False), Listener("127.0.0.1", 80, tls=True))


def origin(**more):
    return msgspec.structs.replace(Origin("127.0.0.1", 80, "http", "off"), **more)


def with_origin(**more) -> Snapshot:
    return snapshot(1, zone(hosts=(Host("a.example.com", (origin(**more),)),)))


def with_address(**more) -> Snapshot:
    return snapshot(pools=(Pool("shared", (address(**more),)),))


PEERS = (
    Peer("near", "ams-1", "ams", "192.0.2.2", 7443),
    Peer("beside", "ams-2", "ams", "192.0.2.3", 7443),
    Peer("far", "fra-1", "fra", "192.0.2.4", 7443),
)
HERE = Fleet("here", "ams-1", "ams", Link("192.0.2.1", 7443), PEERS)
LADDER = (
    Rung("data_center", "ams", ("near",)),
    Rung("location", "ams", ("beside",)),
    Rung("closest", "fra", ("far",)),
)


def with_fleet(**more) -> Snapshot:
    return snapshot(fleet=msgspec.structs.replace(HERE, **more))


def with_peer(**more) -> Snapshot:
    return with_fleet(peers=(msgspec.structs.replace(PEERS[0], **more),))


def with_ladder(*rungs) -> Snapshot:
    return snapshot(pools=(Pool("shared", (), elsewhere=rungs),), fleet=HERE)


def of_region(key: str) -> Snapshot:
    return snapshot(1, zone(hosts=(Host("a.example.com", (), region=key),)), fleet=HERE)


BAD = {
    "peers of a server without a name": (with_fleet(server=""), "has no name"),
    "a peer twice": (with_fleet(peers=(PEERS[0], PEERS[0])), "server near is given twice"),
    "this server as its own peer": (with_peer(server="HERE"), "server here is given twice"),
    "a peer whose name cannot be certified": (with_peer(server="a b"), "is no hostname"),
    "a peer without a port": (with_peer(port=0), "peer near: port 0"),
    "a peer at no address": (with_peer(address="0.0.0.0"), "nothing can be connected to"),
    "a peer at a name": (with_peer(address="near.example.com"), "is not an IP address"),
    "a link at a name": (with_fleet(link=Link("here.example.com", 1)), "is not an IP address"),
    "a link port out of range": (with_fleet(link=Link("192.0.2.1", 65_536)), "link port 65536"),
    "a region twice": (
        with_fleet(regions=(Region("eu", ()), Region("eu", ()))),
        "region eu is given twice",
    ),
    "a region of an unknown server": (
        with_fleet(regions=(Region("eu", ("here", "lost")),)),
        "region eu: server lost is neither",
    ),
    "a host of an unknown region": (of_region("eu"), "the region `eu`, which is not sent"),
    "a rung of an unknown server": (
        with_ladder(Rung("data_center", "ams", ("lost",))),
        "server lost is not a peer",
    ),
    "a rung of the server itself": (
        with_ladder(Rung("data_center", "ams", ("here",))),
        "server here is not a peer",
    ),
    "a server on two rungs": (
        with_ladder(LADDER[0], Rung("location", "ams", ("near",))),
        "server near is given twice",
    ),
    "a rung that leads further than it says": (
        with_ladder(Rung("location", "ams", ("far",))),
        "far does not stand on rung `location`",
    ),
    "a rung that leads elsewhere than it says": (
        with_ladder(Rung("closest", "par", ("far",))),
        "far does not stand in location par",
    ),
    "rungs out of order": (with_ladder(*reversed(LADDER)), "not in the order of the ladder"),
    "a rung twice": (with_ladder(LADDER[1], LADDER[1]), "not in the order of the ladder"),
    "a newer layout": (snapshot(wire=WIRE + 1), f"wire layout {WIRE + 1}"),
    "no shared pool": (snapshot(shared_pool="none"), "shared pool `none`"),
    "the same pool twice": (snapshot(pools=(pool(), pool())), "pool shared is given twice"),
    "an address of two pools": (
        snapshot(pools=(pool(), pool("other", "127.0.0.1"))),
        "is in pool shared and in pool other",
    ),
    "an unknown pool": (snapshot(1, zone(pool="lost")), "names the pool `lost`"),
    "the same zone twice": (snapshot(1, zone(), zone()), "zone zone-example.com is given twice"),
    "a hostname of two zones": (
        snapshot(1, zone(), zone(id="zone-2")),
        "hostname example.com is given twice",
    ),
    "a hostname of two zones in capitals": (
        snapshot(1, zone(), zone(id="zone-2", hosts=(Host("EXAMPLE.com", ()),))),
        "hostname example.com is given twice",
    ),
    "a hostname with a space": (
        snapshot(1, zone(hosts=(Host("a b.example.com", ()),))),
        "`a b.example.com` is not a hostname",
    ),
    "a wildcard of two levels": (
        snapshot(1, zone(hosts=(Host("*.*.example.com", ()),))),
        "`*.*.example.com` is not a hostname",
    ),
    "no streams": (with_origin(h2_max_streams=0), "0 streams"),
    "a server name that is none": (with_origin(sni="a b"), "`a b` is not a TLS server name"),
    "a host that is two fields": (
        with_origin(host="a\r\nX: y"),
        "cannot stand in a Host field",
    ),
    "a certificate without chain": (
        snapshot(1, zone(certificates=(Certificate("c", ("example.com",), (), b"key"),))),
        "certificate c has no chain",
    ),
    "an origin that is a name": (
        with_origin(address="b.example.com"),
        "`b.example.com` is not an IP address",
    ),
    "an origin port of 0": (
        with_origin(port=0),
        "port 0 is not within",
    ),
    "an address twice": (
        snapshot(pools=(pool("shared", "127.0.0.1", "127.0.0.1"),)),
        "address 127.0.0.1 is given twice",
    ),
    "a cap above the ports": (with_address(slices=((20_000, 20_009),), cap=11), "cap 11"),
    "a cap of 0": (with_address(cap=0), "cap 0"),
    "slices that overlap": (with_address(slices=((1, 9), (9, 20)), cap=1), "slice 9-20"),
    "a slice backwards": (with_address(slices=((9, 1),), cap=1), "slice 9-1"),
    "a slice with port 0": (with_address(slices=((0, 5),), cap=1), "slice 0-5"),
    "an egress address that is none": (with_address(ip="192.0.2"), "`192.0.2` is not an IP"),
    "a listener twice": (snapshot(listeners=DOUBLE), "port 80 is given twice"),
    "a network too long": (
        snapshot(settings=Settings(allowed_origins=("192.0.2.0/33",))),
        "`192.0.2.0/33` is not a network",
    ),
    "a network with a netmask": (
        snapshot(settings=Settings(trusted_clients=("192.0.2.0/255.255.255.0",))),
        "is not a network",
    ),
    "an egress address for many": (with_address(ip="224.0.0.1"), "nothing can be sent from it"),
    "an egress address for all": (with_address(ip="0.0.0.0"), "nothing can be sent from it"),
    "an IPv4 address in IPv6 form": (
        with_address(ip="::ffff:192.0.2.1"),
        "nothing can be sent from it",
    ),
    "sent and removed": (
        snapshot(1, zone(), base_revision=0, removed_zones=("zone-example.com",)),
        "both sent and removed",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_breach_is_named(case):
    made, expected = BAD[case]
    assert any(expected in each for each in inconsistencies(made)), list(inconsistencies(made))


def test_spellings_that_receivers_fold_are_no_inconsistency():
    origin = Origin("2001:db8::1", 443, "https", sni="192.0.2.1", host="[2001:db8::1]:8443")
    hosts = (Host("WWW.Example.com.", (origin,)), Host("*.example.com", ()))
    settings = Settings(allowed_origins=("192.0.2.1/24", "203.0.113.7"))
    assert list(inconsistencies(snapshot(1, zone(hosts=hosts), settings=settings))) == []


def test_good_ladder_has_no_inconsistency():
    region = Region("eu", ("here", "far"))
    good = snapshot(
        1,
        zone(hosts=(Host("a.example.com", (), region="eu"),)),
        pools=(Pool("shared", (), overflow=True, elsewhere=LADDER),),
        fleet=msgspec.structs.replace(HERE, regions=(region,)),
    )
    assert list(inconsistencies(good)) == []


def test_good_snapshot_has_no_inconsistency():
    good = snapshot(
        7,
        zone(pool="dedicated"),
        zone("example.net"),
        pools=(pool(), pool("dedicated", "127.77.0.1", "::1")),
    )
    assert list(inconsistencies(good)) == []
