"""A fleet that contradicts itself is found out, wherever the contradiction lies."""

from __future__ import annotations

import pytest

from egressway.wire.fleet import FleetAddress, FleetLocation, FleetSlice
from egressway.wire.fleet_consistency import fleet_inconsistencies, parse_link
from egressway.wire.fleet_state import FleetState
from tests.support.fleets import address, delta, fleet, move, pool, server, topology, zone

FIVE = tuple(FleetLocation(name, 0.0, float(at)) for at, name in enumerate("abcde"))
OVERLAP = FleetAddress(
    "192.0.2.1", (FleetSlice(20_000, 30_000, "ams-1-1"), FleetSlice(30_000, 40_000, "fra-1-1"))
)
TWO = topology("ams-1-1", "fra-1-1")


def defects(**whole) -> list[str]:
    return list(fleet_inconsistencies(FleetState(fleet(**whole))))


def test_good_fleet_has_no_defects():
    assert (
        defects(
            topology=topology(
                "ams-1-1", "fra-1-1", moves=(move("ams-1-1", "fra-1-1", 20_000, 20_999),)
            ),
            pools=(
                pool("p", address("192.0.2.1", "ams-1-1", "fra-1-1"), address("2001:db8::/64")),
            ),
            zones=(zone(pool="p"),),
        )
        == []
    )


@pytest.mark.parametrize(
    ("whole", "said"),
    [
        ({"topology": TWO, "pools": (pool("p", OVERLAP),)}, "overlap"),
        ({"pools": (pool("p", address("192.0.2.1", "nobody")),)}, "no server nobody"),
        (
            {
                "topology": topology(server("ams-1-1", state="revoked")),
                "pools": (pool("p", address("192.0.2.1", "ams-1-1")),),
            },
            "revoked",
        ),
        (
            {
                "topology": topology(*(f"{name}-1-1" for name in "abcde"), locations=FIVE),
                "pools": (pool("p", address("192.0.2.1", *(f"{name}-1-1" for name in "abcde"))),),
            },
            "5 locations",
        ),
        (
            {"pools": (pool("p", FleetAddress("192.0.2.1", (FleetSlice(1, 9, "ams-1-1"),))),)},
            "out of range",
        ),
        ({"pools": (pool("p", FleetAddress("192.0.2.300")),)}, "neither"),
        (
            {"pools": (pool("p", address("2001:db8::/64", "ams-1-1")),)},
            "every server has its own",
        ),
        (
            {
                "pools": (
                    pool("p", address("192.0.2.1", "ams-1-1")),
                    pool("q", address("192.0.2.1", "ams-1-1")),
                )
            },
            "is in pool",
        ),
        ({"pools": (pool("shared"),)}, "own, and was sent"),
        ({"topology": topology("ams-1-1", server("ams-1-1", number=5))}, "given twice"),
        (
            {"topology": topology("ams-1-1", server("fra-1-1", number=server("ams-1-1").number))},
            "number",
        ),
        ({"topology": topology("oslo-1-1")}, "no location oslo"),
        (
            {"topology": topology("ams-1-1", server("fra-1-1", data_center="ams-1"))},
            "stands in two locations",
        ),
        ({"topology": topology(server("ams-1-1", link="ams:8644"))}, "not an address and port"),
        (
            {"topology": topology("ams-1-1", moves=(move("ams-1-1", "gone", 20_000, 20_001),))},
            "no server gone",
        ),
        ({"topology": topology("ams-1-1", first_port=5, last_port=4)}, "no range"),
        ({"zones": (zone(pool="lost"),)}, "`lost`"),
        ({"zones": (zone("a b"),)}, "not a hostname"),
        ({"zones": (zone("a.example.com"), zone("a.example.com", id="other"))}, "given twice"),
    ],
)
def test_contradiction_is_told(whole, said):
    found = defects(**whole)
    assert any(said in each for each in found), found


def test_difference_is_checked_for_what_it_touches():
    state = FleetState(fleet(topology=TWO, pools=(pool("p"),), zones=(zone(pool="p"),)))
    good = delta(1, pools=(pool("p", address("192.0.2.1", "ams-1-1")),))
    undo = state.apply(good)
    assert list(fleet_inconsistencies(state, good)) == []
    state.take_back(undo)
    bad = delta(1, pools=(pool("p", OVERLAP),))
    state.apply(bad)
    assert any("overlap" in each for each in fleet_inconsistencies(state, bad))


def test_pool_is_not_removed_from_under_a_zone():
    state = FleetState(fleet(pools=(pool("p"),), zones=(zone(pool="p"),)))
    gone = delta(1, removed_pools=("p",))
    state.apply(gone)
    assert any("removed" in each for each in fleet_inconsistencies(state, gone))


def test_server_that_is_revoked_later_is_found_in_pools_that_did_not_change():
    state = FleetState(fleet(topology=TWO, pools=(pool("p", address("192.0.2.1", "fra-1-1")),)))
    revoked = delta(1, topology=topology("ams-1-1", server("fra-1-1", state="revoked")))
    state.apply(revoked)
    assert any("revoked" in each for each in fleet_inconsistencies(state, revoked))


def test_links_are_read_as_they_are_written():
    assert parse_link("192.0.2.1:8644") == ("192.0.2.1", 8644)
    assert parse_link("[2001:db8::1]:8644") == ("2001:db8::1", 8644)
    for bad in ("2001:db8::1:8644", "[192.0.2.1]:8644", "192.0.2.1", "192.0.2.1:0", "x:1", ""):
        assert parse_link(bad) is None
