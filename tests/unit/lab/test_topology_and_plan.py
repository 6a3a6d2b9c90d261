"""Topologies as text, and the network that is planned for them."""

from __future__ import annotations

import itertools
from collections import Counter

import pytest

from egressway.lab.errors import LabError
from egressway.lab.files import default_topology
from egressway.lab.plan import make_plan
from egressway.lab.routers import bird_config
from egressway.lab.topology import parse_topology

SMALL = """
location    lisbon latitude=38.7 longitude=-9.1 regions=eu,pt
data-center one    location=lisbon
server      one-a  data-center=one
origin      shop   location=lisbon network=198.51.100.0/24 network6=2001:db8:a::/64 ports=8001-8003
egress      192.0.2.0/28 2001:db8:e::/64
"""


def test_a_topology_is_what_its_lines_say() -> None:
    topology = parse_topology(SMALL)
    assert topology.locations[0].regions == ("eu", "pt")
    assert topology.location_of("one-a") == "lisbon"
    assert topology.servers_at("lisbon") == ("one-a",)
    assert topology.origin("shop").ports == (8001, 8002, 8003)
    assert topology.origin("shop").processes == 1


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("server two-a data-center=two", "`two` is no data center; there is one"),
        ("location lisbon latitude=1 longitude=1", "the name `lisbon` is taken"),
        ("location core latitude=1 longitude=1", "the name `core` is taken"),
        ("location porto latitude=north longitude=1", "`latitude=north`"),
        ("location Porto latitude=1 longitude=1", "small letters"),
        ("origin bank location=lisbon network=198.51.100.1/24 ports=1", "host bits set"),
        ("planet mars", "`planet` is no kind of thing"),
    ],
)
def test_a_wrong_line_is_refused_with_its_number(line: str, why: str) -> None:
    with pytest.raises(LabError, match="line 7") as refused:
        parse_topology(f"{SMALL}{line}")
    assert why in str(refused.value)


def test_a_topology_without_servers_is_refused() -> None:
    with pytest.raises(LabError, match="at least one `server`"):
        parse_topology("location lisbon latitude=1 longitude=1")


def test_the_default_topology_is_large_enough() -> None:
    topology = default_topology()
    assert len(topology.locations) >= 3
    assert len(topology.data_centers) >= 4
    assert len(topology.servers) >= 6
    assert len(topology.origins) >= 2
    halls = Counter(each.location for each in topology.data_centers)
    assert max(halls.values()) >= 2
    assert max(len(topology.servers_in(hall.name)) for hall in topology.data_centers) >= 2


def test_no_two_interfaces_share_a_name_or_an_address() -> None:
    plan = make_plan(default_topology(), "egw-")
    ends = list(itertools.chain(*plan.cables))
    names = [(end.namespace.name, end.interface) for end in ends]
    addresses = [address for end in ends for address in end.addresses]
    assert len(set(names)) == len(names)
    assert len(set(addresses)) == len(addresses)
    assert all(len(interface) <= 15 for _, interface in names)


def test_a_plan_is_the_same_each_time() -> None:
    assert make_plan(default_topology(), "x-") == make_plan(default_topology(), "x-")


def test_neighbours_know_each_other() -> None:
    plan = make_plan(default_topology(), "egw-")
    for router in plan.routers:
        for there in router.neighbours:
            back = [each.name for each in plan.router(there.name).neighbours]
            assert router.name in back
            assert plan.router(there.name).asn == there.asn


def test_every_server_can_announce_to_its_router() -> None:
    plan = make_plan(default_topology(), "egw-")
    for name, server in plan.servers.items():
        config = bird_config(plan.router(server.router.name))
        assert f"neighbor {server.host.address} as {server.asn};" in config
        assert f"neighbor {server.host.address6} as {server.asn};" in config
        assert f"protocol bgp {name.replace('-', '_')}_v4" in config
