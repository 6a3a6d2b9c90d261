"""Pools, port ranges, slices, usage."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

import pytest

from egressway.model.account import AccountDraft
from egressway.model.errors import Invalid
from egressway.model.lease import addresses_of, parse_leased
from egressway.model.paging import Paging, TextFilter, TextMatch
from egressway.model.pool import PoolChange, PoolDraft, PoolSource
from egressway.model.port_slice import (
    PortRange,
    PortSlice,
    first_overlap,
    parse_port_range,
    parse_port_ranges,
)
from egressway.model.usage import UsageRow
from egressway.model.zone import ZoneChange, ZoneDraft


@pytest.mark.parametrize(
    ("members", "pointer"),
    [
        ({"name": ""}, "/name"),
        ({"name": None}, "/name"),
        ({"source": "mixed"}, "/source"),
        ({"source": None}, "/source"),
        ({"source": []}, "/source"),
        ({"ips": None}, "/ips"),
        ({"ips": "192.0.2.1"}, "/ips"),
        ({"ips": ["192.0.2.1", "192.0.2.0/24"]}, "/ips/1"),
        ({"ips": ["2001:db8::1", "2001:DB8::1"]}, "/ips/1"),
        ({"ip": []}, "/ip"),
    ],
)
def test_a_bad_member_of_a_pool_is_pointed_at(members: dict[str, Any], pointer: str) -> None:
    good: dict[str, Any] = {"name": "p", "source": "leased", "ips": ["192.0.2.1"]}
    assert PoolDraft.parse(good).source is PoolSource.LEASED
    with pytest.raises(Invalid) as caught:
        PoolDraft.parse(good | members)
    assert caught.value.pointer == pointer


def test_a_change_of_a_pool_may_name_anything_or_nothing() -> None:
    assert PoolChange.parse({}) == PoolChange()
    assert PoolChange.parse({"ips": []}) == PoolChange(ips=())


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/account"),
        ({"account": {}, "name": "example.com"}, "/account/id"),
        ({"account": {"id": "a"}}, "/name"),
        ({"account": {"id": "a"}, "name": "com"}, "/name"),
        ({"account": {"id": "a"}, "name": "*.example.com"}, "/name"),
        ({"account": {"id": "a"}, "name": "example.com", "type": "odd"}, "/type"),
        ({"account": {"id": "a"}, "name": "example.com", "plan": {}}, "/plan"),
    ],
)
def test_a_bad_member_of_a_zone_is_pointed_at(body: dict[str, Any], pointer: str) -> None:
    with pytest.raises(Invalid) as caught:
        ZoneDraft.parse(body)
    assert caught.value.pointer == pointer


def test_a_zone_is_paused_with_a_boolean() -> None:
    assert ZoneChange.parse({"paused": True}).is_paused is True
    with pytest.raises(Invalid):
        ZoneChange.parse({"paused": "true"})


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/name"),
        ({"name": "x" * 101}, "/name"),
        ({"name": "x", "type": "big"}, "/type"),
        ({"name": "x", "settings": {"enforce_twofactor": "yes"}}, "/settings/enforce_twofactor"),
        ({"name": "x", "setings": {}}, "/setings"),
    ],
)
def test_a_bad_member_of_an_account_is_pointed_at(body: dict[str, Any], pointer: str) -> None:
    with pytest.raises(Invalid) as caught:
        AccountDraft.parse(body)
    assert caught.value.pointer == pointer


@pytest.mark.parametrize(
    "text",
    [
        "192.0.2.0/24",
        "2001:db8::1/64",
        "2001:db8::/128",
        "2001::/16",
        "::/32",
        "fe80::/64",
        "ff02::/64",
        "::ffff:0:0/96",
        "2001:db8::/x",
        "2001:db8::%eth0/64",
        ["2001:db8::/64"],
    ],
)
def test_what_cannot_be_leased_as_a_range_is_refused(text: Any) -> None:
    with pytest.raises(Invalid) as caught:
        parse_leased(text)
    assert caught.value.pointer == "/ip"


def test_a_server_uses_the_address_of_its_number() -> None:
    network = parse_leased("2001:DB8:1::/126")
    assert [str(ip) for ip in addresses_of(network, [0, 3, 4])] == ["2001:db8:1::", "2001:db8:1::3"]
    assert addresses_of(parse_leased("2001:db8::1"), [0, 1]) == [ip_address("2001:db8::1")]


def test_port_ranges_include_both_ends() -> None:
    ports = parse_port_range("20000-59999")
    assert (len(ports), 20000 in ports, 59999 in ports, 60000 in ports) == (
        40000,
        True,
        True,
        False,
    )
    assert str(ports) == "20000-59999"
    assert parse_port_range("80") == PortRange(80, 80)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-",
        "1-",
        "-1",
        "2-1",
        "0-5",
        "1-65536",
        "1-2-3",
        "a-b",
        "1 - 2",
        "100000",
        "\uff11-\uff12",
    ],
)
def test_what_is_no_port_range_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        parse_port_range(text, "/ports")


def test_port_ranges_are_sorted_and_must_not_overlap() -> None:
    assert parse_port_ranges("30-40, 10-20") == (PortRange(10, 20), PortRange(30, 40))
    with pytest.raises(Invalid, match="10-20 and 20-30 overlap"):
        parse_port_ranges("20-30,10-20")


def test_slices_of_different_addresses_may_share_ports() -> None:
    one, two = ip_address("192.0.2.1"), ip_address("192.0.2.2")
    ports = PortRange(1, 10)
    assert first_overlap([PortSlice(one, ports, "a"), PortSlice(two, ports, "a")]) is None
    assert first_overlap([PortSlice(one, ports, "a"), PortSlice(one, ports, "b")]) is not None


def test_utilization_is_a_ratio() -> None:
    row = UsageRow(ip_address("192.0.2.1"), "198.51.100.1:443", 10, 12, 40, 20, 1, 5)
    assert row.utilization == 0.25
    empty = UsageRow(ip_address("192.0.2.1"), "198.51.100.1:443", 0, 0, 0, 0, 0, 0)
    assert empty.utilization == 0.0


def test_text_filters_name_their_operator() -> None:
    assert TextFilter.parse("contains:a:b") == TextFilter(TextMatch.CONTAINS, "a:b")
    assert TextFilter.parse("example.com") == TextFilter(TextMatch.EQUAL, "example.com")
    assert TextFilter.parse("odd:x") == TextFilter(TextMatch.EQUAL, "odd:x")


def test_an_unknown_order_is_refused_with_the_known_ones() -> None:
    with pytest.raises(Invalid, match="must be one of: name, type"):
        Paging(order="x").ordered_by({"type", "name"})
    for bad in ({"page": 0}, {"per_page": 0}, {"per_page": 5001}):
        with pytest.raises(Invalid):
            Paging(**bad)
