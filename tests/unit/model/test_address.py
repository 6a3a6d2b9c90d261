"""Addresses, forbidden networks, leased addresses."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest

from egressway.model.address import DENIED_ORIGINS, OriginNetworks, forbidden_reason, parse_address
from egressway.model.errors import Invalid
from egressway.model.lease import parse_leased_address


@pytest.mark.parametrize(
    "given",
    [
        "",
        "192.0.2",
        "192.0.2.1/32",
        "192.0.2.01",
        "0x7f.1",
        "3221225985",
        3221225985,
        "192.0.2.1:80",
        "[2001:db8::1]",
        "fe80::1%eth0",
        " 192.0.2.1",
        "192.0.2.1\n",
        "www.example.com",
        None,
        b"\x7f\0\0\1",
    ],
)
def test_only_a_bare_address_is_an_address(given: object) -> None:
    with pytest.raises(Invalid) as caught:
        parse_address(given, "/ip")
    assert caught.value.pointer == "/ip"


def test_spellings_of_one_address_are_one_address() -> None:
    assert parse_address("2001:DB8:0:0::1", "/ip") == parse_address("2001:db8::1", "/ip")


@pytest.mark.parametrize(
    "inside",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1",
        "fd00::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:192.0.2.1",
        "::127.0.0.1",
        "64:ff9b::127.0.0.1",
        "64:ff9b:1::a9fe:a9fe",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",
        "2002:7f00:1::1",
        "fec0::1",
    ],
)
def test_the_inside_of_the_fleet_is_no_origin(inside: str) -> None:
    reason = forbidden_reason(ip_address(inside), DENIED_ORIGINS, ())
    assert reason is not None
    assert inside in reason or ip_address(inside).compressed in reason


@pytest.mark.parametrize("outside", ["192.0.2.1", "198.51.100.7", "2001:db8::1", "11.0.0.0"])
def test_the_internet_is(outside: str) -> None:
    assert forbidden_reason(ip_address(outside), DENIED_ORIGINS, ()) is None


def test_the_operator_can_allow_a_network() -> None:
    networks = OriginNetworks(allowed=(ip_network("127.0.0.0/8"), ip_network("::1/128")))
    networks.check(ip_address("127.0.0.5"), "/content")
    networks.check(ip_address("::1"), "/content")
    with pytest.raises(Invalid):
        networks.check(ip_address("::ffff:127.0.0.5"), "/content")
    with pytest.raises(Invalid):
        networks.check(ip_address("10.0.0.1"), "/content")


@pytest.mark.parametrize(
    "given",
    ["0.0.0.0", "255.255.255.255", "239.1.1.1", "::", "fe80::1", "ff02::1", "::ffff:192.0.2.1"],
)
def test_what_nothing_can_be_sent_from_is_not_leased(given: str) -> None:
    with pytest.raises(Invalid):
        parse_leased_address(given)


@pytest.mark.parametrize("given", ["192.0.2.1", "127.0.0.9", "10.0.0.1", "2001:db8::1"])
def test_every_other_address_can_be(given: str) -> None:
    assert str(parse_leased_address(given)) == given
