"""Every rule of the wire finds its own breach, and nothing in a good snapshot."""

from __future__ import annotations

import msgspec
import pytest

from egressway.wire.consistency import inconsistencies
from egressway.wire.snapshot import Certificate, Host, Listener, Origin, Pool, Settings, Snapshot
from tests.support.snapshots import address, pool, snapshot, zone

DOUBLE = (Listener("127.0.0.1", 80, tls=False), Listener("127.0.0.1", 80, tls=True))


def origin(**more):
    return msgspec.structs.replace(Origin("127.0.0.1", 80, "http", "off"), **more)


def with_origin(**more) -> Snapshot:
    return snapshot(1, zone(hosts=(Host("a.example.com", (origin(**more),)),)))


def with_address(**more) -> Snapshot:
    return snapshot(pools=(Pool("shared", (address(**more),)),))


BAD = {
    "a newer layout": (snapshot(wire=2), "wire layout 2"),
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


def test_good_snapshot_has_no_inconsistency():
    good = snapshot(
        7,
        zone(pool="dedicated"),
        zone("example.net"),
        pools=(pool(), pool("dedicated", "127.77.0.1", "::1")),
    )
    assert list(inconsistencies(good)) == []
