"""Locations, servers, placement: what is parsed, and how an address is split."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Any

import pytest

from egressway.model.data_center import DataCenterChange, DataCenterDraft
from egressway.model.errors import Conflict, Invalid
from egressway.model.location import LocationChange, LocationDraft, distance_km
from egressway.model.placement import (
    PlacementRules,
    Share,
    check_locations,
    effective,
    expand,
    fitted,
    moved,
    split,
)
from egressway.model.placement_draft import PlacementDraft, placeable
from egressway.model.port_slice import PortRange, PortSlice, merged, without
from egressway.model.server import Link, ServerChange, ServerDraft, lowest_free
from egressway.model.slice_move import MoveDraft, moves_after

IP = ip_address("192.0.2.1")
RULES = PlacementRules(PortRange(20_000, 20_099), connection_cap=80)
NOW = datetime(2026, 1, 1, tzinfo=UTC)
LISBON = LocationDraft.parse({"name": "lisbon", "latitude": 38.72, "longitude": -9.14})


def slices(text: str) -> tuple[PortSlice, ...]:
    """`a 0-9, b 10-19`: ports count from 20000."""
    found = []
    for part in filter(None, text.split(", ")):
        server, _, ports = part.partition(" ")
        low, _, high = ports.partition("-")
        found.append(PortSlice(IP, PortRange(20_000 + int(low), 20_000 + int(high)), server))
    return tuple(found)


def told(found: Any) -> str:
    return ", ".join(
        f"{each.server} {each.ports.low - 20_000}-{each.ports.high - 20_000}" for each in found
    )


@pytest.mark.parametrize(
    ("parse", "good", "wrong", "pointer"),
    [
        (LocationDraft, {"name": "l", "latitude": 1, "longitude": 2}, {"name": "-l"}, "/name"),
        (
            LocationDraft,
            {"name": "l", "latitude": 1, "longitude": 2},
            {"latitude": 91},
            "/latitude",
        ),
        (
            LocationDraft,
            {"name": "l", "latitude": 1, "longitude": 2},
            {"latitude": True},
            "/latitude",
        ),
        (
            LocationDraft,
            {"name": "l", "latitude": 1, "longitude": 2},
            {"longitude": float("nan")},
            "/longitude",
        ),
        (
            LocationDraft,
            {"name": "l", "latitude": 1, "longitude": 2},
            {"regions": ["eu", "E U"]},
            "/regions/1",
        ),
        (LocationChange, {}, {"name": "x"}, "/name"),
        (DataCenterDraft, {"name": "d", "location": "l"}, {"location": None}, "/location"),
        (DataCenterDraft, {"name": "d", "location": "l"}, {"name": "a/b"}, "/name"),
        (DataCenterChange, {}, {"servers": []}, "/servers"),
        (ServerDraft, {"name": "s", "data_center": "d"}, {"name": "S"}, "/name"),
        (ServerDraft, {"name": "s", "data_center": "d"}, {"name": "a.b"}, "/name"),
        (ServerDraft, {"name": "s", "data_center": "d"}, {"name": "x" * 64}, "/name"),
        (ServerDraft, {"name": "s", "data_center": "d"}, {"link": "192.0.2.1"}, "/link"),
        (ServerChange, {}, {"name": "t"}, "/name"),
        (MoveDraft, {"source": "a", "target": "b"}, {"target": None}, "/target"),
        (MoveDraft, {"source": "a", "target": "b"}, {"ports": "9-1"}, "/ports"),
        (MoveDraft, {"source": "a", "target": "b"}, {"ports": 9}, "/ports"),
        (
            MoveDraft,
            {"source": "a", "target": "b"},
            {"deadline_seconds": -1},
            "/deadline_seconds",
        ),
    ],
)
def test_a_bad_member_is_pointed_at(
    parse: Any, good: dict[str, Any], wrong: dict[str, Any], pointer: str
) -> None:
    parse.parse(good)
    with pytest.raises(Invalid) as caught:
        parse.parse(good | wrong)
    assert caught.value.pointer == pointer


@pytest.mark.parametrize("text", ["192.0.2.1:8644", "[2001:db8::1]:8644"])
def test_a_link_is_written_as_it_is_read(text: str) -> None:
    assert str(Link.parse(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "192.0.2.1:",
        ":1",
        "192.0.2.1:0",
        "192.0.2.1:65536",
        "[192.0.2.1]:1",
        "2001:db8::1:1",
        None,
    ],
)
def test_what_is_no_link_is_refused(text: Any) -> None:
    with pytest.raises(Invalid):
        Link.parse(text)


def test_the_lowest_number_that_is_free_is_taken() -> None:
    assert [lowest_free(taken) for taken in ([], [0, 1, 2], [0, 2], [1])] == [0, 3, 1, 0]


def test_distance_is_along_the_earth() -> None:
    madrid = LocationDraft.parse({"name": "madrid", "latitude": 40.42, "longitude": -3.7})
    antipode = LocationDraft.parse({"name": "x", "latitude": -38.72, "longitude": 170.86})
    assert distance_km(LISBON, LISBON) == 0
    assert 500 < distance_km(LISBON, madrid) < 506
    assert distance_km(LISBON, antipode) == pytest.approx(20_015, abs=1)


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, ""),
        ({"shares": [], "slices": []}, ""),
        ({"share": []}, "/share"),
        ({"shares": {}}, "/shares"),
        ({"shares": [{"ports": 1}]}, "/shares/0"),
        ({"shares": [{"server": "a", "data_center": "b", "ports": 1}]}, "/shares/0"),
        ({"shares": [{"server": "a"}]}, "/shares/0/ports"),
        ({"shares": [{"server": "a", "ports": -1}]}, "/shares/0/ports"),
        ({"shares": [{"server": "a", "ports": 1}, {"server": "a", "ports": 2}]}, "/shares/1"),
        ({"slices": [{"server": "a", "ports": "1-x"}]}, "/slices/0/ports"),
        (
            {"slices": [{"server": "a", "ports": "1-9"}, {"server": "b", "ports": "9,20"}]},
            "/slices/1/ports",
        ),
        ({"shares": [], "deadline_seconds": 10**9}, "/deadline_seconds"),
    ],
)
def test_a_bad_placement_is_pointed_at(body: dict[str, Any], pointer: str) -> None:
    with pytest.raises(Invalid) as caught:
        PlacementDraft.parse(IP, body)
    assert caught.value.pointer == pointer


def test_only_ipv4_is_placed() -> None:
    assert placeable(IP) == IP
    with pytest.raises(Invalid, match="only IPv4"):
        placeable(ip_address("2001:db8::1"))


def test_ranges_are_merged_and_cut() -> None:
    ranges = [PortRange(10, 19), PortRange(1, 9), PortRange(30, 39)]
    assert merged(ranges) == [PortRange(1, 19), PortRange(30, 39)]
    assert without(ranges, [PortRange(5, 6), PortRange(15, 34)]) == [
        PortRange(1, 4),
        PortRange(7, 14),
        PortRange(35, 39),
    ]


@pytest.mark.parametrize(
    ("current", "shares", "after"),
    [
        ("", {"a": 40, "b": 40}, "a 0-39, b 40-79"),
        ("", {"b": 10}, "b 0-9"),
        ("a 0-79", {"a": 40, "b": 40}, "a 0-39, b 80-99, b 40-59"),
        ("a 0-39, b 40-79", {"a": 40, "b": 30, "c": 10}, "a 0-39, b 40-69, c 80-89"),
        ("a 0-39, b 40-79", {}, ""),
        ("a 10-19", {"a": 10}, "a 10-19"),
        ("a 10-19", {"a": 15}, "a 0-4, a 10-19"),
    ],
)
def test_a_split_keeps_what_it_can_and_takes_first_what_nobody_has(
    current: str, shares: dict[Any, int], after: str
) -> None:
    expected = sorted(slices(after), key=lambda each: each.ports)
    assert told(split(IP, slices(current), shares, RULES)) == told(expected)


def test_more_ports_than_the_cap_are_refused() -> None:
    with pytest.raises(Invalid, match="add up to 81 ports; an address has at most 80"):
        split(IP, (), {"a": 41, "b": 40}, RULES)
    with pytest.raises(Invalid, match="at most 80"):
        fitted(slices("a 0-80"), RULES)
    with pytest.raises(Invalid, match="not within the configured ports"):
        fitted([PortSlice(IP, PortRange(19_999, 20_000), "a")], RULES)


def test_servers_of_a_data_center_divide_its_share_evenly() -> None:
    shares = [Share("d", True, 11), Share("a", False, 5)]
    assert expand(shares, {"d": ["a", "b"]}) == {"a": 11, "b": 5}
    with pytest.raises(Invalid) as caught:
        expand(shares, {"e": ["a"]})
    assert caught.value.pointer == "/shares/0/data_center"


def test_a_fifth_location_is_refused_and_the_four_are_named() -> None:
    four = [(name, f"/shares/{i}") for i, name in enumerate("abcd")]
    check_locations([*four, ("a", "/shares/4")], IP)
    with pytest.raises(Invalid) as caught:
        check_locations([*four, ("e", "/shares/4")], IP)
    assert caught.value.pointer == "/shares/4"
    assert all(f"`{name}`" in caught.value.text for name in "abcde")


def test_a_move_takes_exactly_the_ports_it_names() -> None:
    before = slices("a 0-39, b 40-79")
    part = PortRange(20_010, 20_019)
    assert told(moved(before, part, "a", "b", RULES)) == "a 0-9, b 10-19, a 20-39, b 40-79"
    assert told(moved(before, None, "a", "b", RULES)) == "b 0-79"
    for ports, source in ((PortRange(20_030, 20_040), "a"), (None, "c")):
        with pytest.raises(Conflict):
            moved(before, ports, source, "b", RULES)


def test_a_default_wider_than_the_cap_gives_up_its_highest_ports_when_it_is_split() -> None:
    whole = effective([PortSlice(IP, PortRange(1, 65_535), "a")], RULES, is_default=True)
    assert told(whole) == "a 0-99"
    assert told(moved(whole, PortRange(20_090, 20_099), "a", "b", RULES)) == "a 0-69, b 90-99"
    assert told(moved(whole, None, "a", "b", RULES)) == "b 0-79"


def test_slices_older_than_the_configuration_lose_what_it_does_not_allow() -> None:
    older = [
        PortSlice(IP, PortRange(19_000, 20_049), "a"),
        PortSlice(IP, PortRange(20_050, 30_000), "b"),
    ]
    assert told(effective(older, RULES, is_default=False)) == "a 0-49, b 50-79"


def after(pending: Any, before: str, then: str) -> Any:
    deadline = NOW + timedelta(minutes=1)
    return moves_after(pending, slices(before), slices(then), deadline, NOW)


def routes(moves: Any) -> list[str]:
    return sorted(
        f"{each.source}>{each.target} {each.ports.low - 20_000}-{each.ports.high - 20_000}"
        for each in moves
    )


def test_a_pending_move_follows_its_ports() -> None:
    first = after([], "a 0-9", "b 0-9")
    assert routes(first) == ["a>b 0-9"]
    second = after(first, "b 0-9", "b 0-4, c 5-9")
    assert routes(second) == ["a>b 0-4", "a>c 5-9", "b>c 5-9"]
    assert first[0].id in {each.id for each in second}
    assert len({each.id for each in second}) == 3


def test_ports_that_come_back_end_their_move() -> None:
    away = after([], "a 0-9", "b 0-9")
    assert routes(after(away, "b 0-9", "a 0-4, b 5-9")) == ["a>b 5-9", "b>a 0-4"]


def test_ports_that_are_given_up_stay_with_whoever_had_them() -> None:
    given_up = after([], "a 0-9", "a 0-4")
    assert routes(given_up) == ["a>a 5-9"]
    assert routes(after(given_up, "a 0-4", "a 0-4, b 5-9")) == ["a>b 5-9"]
    assert after(given_up, "a 0-4", "a 0-9") == []
