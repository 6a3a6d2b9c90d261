"""A server announces what its data center holds, and its own IPv6 addresses."""

from __future__ import annotations

from ipaddress import ip_network

from egressway.node.announce import AnnouncementPolicy, Route, routes_of
from egressway.wire.fleet import FleetAddress, FleetPool, FleetServer, FleetSlice, Topology
from egressway.wire.snapshot import Settings

POOLS = {
    "p": FleetPool(
        "p",
        (
            FleetAddress("192.0.2.1", (FleetSlice(1, 9, "a1"), FleetSlice(10, 19, "b1"))),
            FleetAddress("192.0.2.2", (FleetSlice(1, 9, "a2"),)),
            FleetAddress("192.0.2.3", (FleetSlice(1, 9, "b1"),)),
            FleetAddress("2001:db8:1::/126"),
            FleetAddress("2001:db8:2::1/128"),
        ),
    )
}


def topology(**states: str) -> Topology:
    return Topology(
        settings=Settings(),
        servers=tuple(
            FleetServer(name, n, name[0], "l", state=states.get(name, "active"))
            for n, name in enumerate(("a1", "a2", "b1"), 1)
        ),
    )


def announced(server: str, policy: AnnouncementPolicy | None = None, **states: str) -> list[str]:
    return [str(each.prefix) for each in routes_of(topology(**states), POOLS, server, policy)]


def test_addresses_of_the_data_center_and_own_ipv6_ones():
    assert announced("a1") == ["192.0.2.1/32", "192.0.2.2/32", "2001:db8:1::1/128"]
    assert announced("b1") == ["192.0.2.1/32", "192.0.2.3/32", "2001:db8:1::3/128"]


def test_server_that_drains_or_is_revoked_announces_nothing():
    assert announced("a1", a1="draining") == []
    assert announced("a1", a1="revoked") == []


def test_neighbour_that_drains_is_still_steered_to_and_a_revoked_one_is_not():
    assert "192.0.2.2/32" in announced("a1", a2="draining")
    assert "192.0.2.2/32" not in announced("a1", a2="revoked")


def test_unknown_server_announces_nothing():
    assert announced("x") == []


def test_aggregate_stands_for_the_addresses_inside():
    policy = AnnouncementPolicy(
        aggregates=(ip_network("192.0.2.0/30"), ip_network("203.0.113.0/24"))
    )
    assert announced("a1", policy) == ["192.0.2.0/30", "2001:db8:1::1/128"]


def test_attributes_come_from_the_longest_example_around():
    policy = AnnouncementPolicy(
        default=Route(ip_network("0.0.0.0/0"), med=100, communities=("64512:1",)),
        special=(
            Route(ip_network("192.0.2.0/24"), med=20),
            Route(ip_network("192.0.2.2/32"), med=10, prepend=1),
        ),
    )
    assert routes_of(topology(), POOLS, "a1", policy) == (
        Route(ip_network("192.0.2.1/32"), med=20),
        Route(ip_network("192.0.2.2/32"), med=10, prepend=1),
        Route(ip_network("2001:db8:1::1/128"), med=100, communities=("64512:1",)),
    )
