"""Who is told the same, and which keys are left out for whom."""

from __future__ import annotations

import pytest

from egressway.wire.fleet import FleetLocation, FleetSnapshot
from egressway.wire.region_class import EVERYWHERE, class_of, classes, for_class
from egressway.wire.snapshot import Certificate, Zone
from tests.support.fleets import fleet, server, topology

LOCATIONS = (
    FleetLocation("ams", 52.4, 4.9, ("nl", "eu")),
    FleetLocation("fra", 50.1, 8.7, ("de", "eu")),
    FleetLocation("sjc", 37.4, -121.9, ("us",)),
)


def around(*regions: str):
    return topology("ams-1-1", "fra-1-1", "sjc-1-1", locations=LOCATIONS, regions=regions)


@pytest.mark.parametrize(
    ("regions", "expected"),
    [
        ((), ("all",)),
        (("jp",), ("all",)),
        (("eu",), ("all", "eu")),
        (("eu", "us"), ("all", "eu", "us")),
        (("de", "eu", "jp"), ("all", "de=eu", "eu")),
    ],
)
def test_only_regions_that_are_used_divide_the_fleet(regions, expected):
    assert classes(around(*regions)) == expected


def test_a_server_whose_location_is_not_known_is_in_no_region():
    assert class_of(server("xxx-1-1"), around("eu")) == EVERYWHERE


def certificate(name: str) -> Certificate:
    return Certificate(name, ("example.com",), (b"chain",), name.encode())


def snapshot() -> FleetSnapshot:
    free = Zone("free", "a", "example.net", certificates=(certificate("free"),))
    zone = Zone(
        "z", "a", "example.com", certificates=tuple(map(certificate, ("de", "both", "any")))
    )
    return fleet(zones=(free, zone), confined={"de": ("de",), "both": ("de", "eu")})


@pytest.mark.parametrize(
    ("cls", "sent"),
    [
        ("all", ["any"]),
        ("eu", ["any"]),
        ("de", ["de", "any"]),
        ("de=eu", ["de", "both", "any"]),
        ("us", ["any"]),
    ],
)
def test_a_class_is_sent_everything_but_the_keys_of_other_regions(cls, sent):
    whole = snapshot()
    made = for_class(whole, cls)
    free, zone = made.zones
    assert [each.id for each in zone.certificates] == sent
    assert free is whole.zones[0]
    assert made.confined == {}
    assert (made.revision, made.topology) == (whole.revision, whole.topology)


def test_nothing_is_copied_while_nothing_is_confined():
    whole = fleet()
    assert for_class(whole, "all") is whole
