"""What cannot be announced is refused before anything is started, with what to write instead."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

import pytest

from egressway.node.announce.desired import AnnouncementError, BgpSettings, Peer, Route, by_prefix

PREFIX = ip_network("192.0.2.1/32")


@pytest.mark.parametrize(
    ("attributes", "said"),
    [
        ({"med": -1}, "MED -1"),
        ({"med": 2**32}, "MED 4294967296"),
        ({"prepend": 17}, "prepending 17 times"),
        ({"communities": ("64512",)}, "`64512` is no community; write it like `64512:100`"),
        ({"communities": ("64512:65536",)}, "`64512:65536`"),
        ({"communities": ("64512:1]; evil",)}, "is no community"),
        ({"large_communities": ("64512:1",)}, "write it like `64512:100:1`"),
    ],
)
def test_bad_attributes_are_named(attributes: dict[str, Any], said: str):
    with pytest.raises(AnnouncementError, match=said.replace("[", r"\[")):
        Route(PREFIX, **attributes)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"asn": 0}, "AS 0 of peer"),
        ({"password": "two words"}, "letters and digits"),
        ({"password": ""}, "letters and digits"),
        ({"password": "x" * 81}, "1-80"),
        ({"local_address": ip_address("2001:db8::1")}, "same family"),
    ],
)
def test_bad_peers_are_named(settings: dict[str, Any], said: str):
    with pytest.raises(AnnouncementError, match=said):
        Peer(ip_address("10.1.0.9"), **{"asn": 64900, **settings})


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"asn": 2**32}, "AS 4294967296"),
        ({"hold_seconds": 2}, "not at least 3"),
        (
            {"peers": (Peer(ip_address("10.1.0.9"), 1), Peer(ip_address("10.1.0.9"), 2))},
            "given twice",
        ),
        (
            {"peers": (Peer(ip_address("10.1.0.9"), 1, families=(4, 6)),)},
            "`next_hop6` is not given",
        ),
    ],
)
def test_bad_settings_are_named(settings: dict[str, Any], said: str):
    with pytest.raises(AnnouncementError, match=said):
        BgpSettings(**{"asn": 64512, "router_id": IPv4Address("10.1.0.1"), "peers": (), **settings})


def test_a_session_may_carry_the_other_family_with_a_next_hop_of_it():
    peer = Peer(ip_address("10.1.0.9"), 1, families=(4, 6))
    hop = IPv6Address("2001:db8::1")
    settings = BgpSettings(64512, IPv4Address("10.1.0.1"), (peer,), next_hop6=hop)
    assert (settings.next_hop(peer, 4), settings.next_hop(peer, 6)) == (None, hop)


def test_of_two_routes_of_one_prefix_the_last_one_counts():
    assert by_prefix([Route(PREFIX, 1), Route(PREFIX, 2)]) == {PREFIX: Route(PREFIX, 2)}
