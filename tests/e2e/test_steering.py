"""Return packets reach the server that opened the connection, whichever server routers bring them to.

Everything is real: namespaces, the kernel's packet filter and routing, a vxlan underlay between the
data centers. `router` brings the shared address to `one` alone; see `steered_fleet` for the drawing.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.steered_fleet import IP, NAMES, ORIGIN, OWNERS, PORT, SERVERS, WORKS, Fleet
from tests.support.namespaces import Network, routes, settled
from tests.support.waiting import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

MOVED = [
    [IP, 20_000, 39_999, "one"],
    [IP, 40_000, 49_999, "three"],
]
"""What was `two`'s is `one`'s."""
GAP = [owner for owner in OWNERS if owner[3] != "two"]


@pytest.fixture
def network() -> Iterator[Network]:
    with Network() as network:
        yield network


@pytest.fixture
def fleet(network: Network, tmp_path: Path) -> Fleet:
    return Fleet(network, tmp_path)


@pytest.mark.parametrize("name", NAMES)
def test_each_servers_connections_work_though_all_packets_come_to_one(fleet, name):
    fleet.start()
    assert fleet.works(name, PORT[name]) == WORKS
    assert fleet.exchange(name, 3_000_000) == "done"


@pytest.mark.parametrize("name", NAMES)
def test_datagrams_find_their_way_also_in_fragments(fleet, name):
    fleet.start()
    assert fleet.connect(name, PORT[name], udp=True) == "done"
    assert fleet.talk(name, "ask", name="c", text="hello") == "5"
    assert fleet.talk(name, "ask", name="c", text="4000!") == "4000"


def test_without_steering_only_the_server_that_gets_the_packets_works(fleet):
    """The control of the tests above: the network itself brings nothing to `two`."""
    fleet.network["two"].ip([f"route add local {IP}/32 dev lo"])
    assert fleet.connect("two", PORT["two"], within=1.5) == "TimeoutError"


def test_a_port_that_nobody_owns_is_met_with_silence(fleet):
    fleet.start()
    assert fleet.connect("two", 55_000, within=1.5) == "TimeoutError"
    assert fleet.steer("one", "counters")["dropped"] > 0


def test_a_gap_in_the_map_costs_time_and_no_connection(fleet):
    fleet.start()
    assert fleet.works("two", PORT["two"]) == WORKS
    fleet.apply("one", owners=GAP)
    assert fleet.exchange("two", within=1) == "TimeoutError"
    fleet.apply("one")
    assert fleet.exchange("two", within=60) == "done"


@pytest.mark.parametrize("name", ["two", "three"])
def test_open_connections_stay_when_their_ports_move(fleet, name):
    fleet.start()
    assert fleet.works(name, PORT[name], "old") == WORKS
    moved = [[IP, 20_000, 49_999, "one"]]
    pinned = [[IP, PORT[name], *ORIGIN, name]]
    for each in NAMES:
        fleet.apply(each, owners=moved, pinned=pinned)
    assert fleet.exchange(name, 500_000, "old") == "done"
    # The new owner uses the same ports, but for the one tuple that is still taken.
    assert fleet.works("one", PORT[name] + 1, "new") == WORKS
    assert fleet.exchange(name, 500_000, "old") == "done"


def test_a_pin_that_is_gone_ends_the_old_connection_only(fleet):
    fleet.start()
    assert fleet.works("two", PORT["two"], "old") == WORKS
    fleet.apply("one", owners=MOVED, pinned=[[IP, PORT["two"], *ORIGIN, "two"]])
    assert fleet.works("one", PORT["two"] + 1, "new") == WORKS
    fleet.apply("one", owners=MOVED)
    assert fleet.exchange("one", name="new") == "done"
    assert fleet.exchange("two", name="old", within=5) != "done"


def test_a_socket_that_is_left_where_packets_pass_takes_none_of_the_new_owners(fleet):
    fleet.start()
    assert fleet.works("one", PORT["one"], "left") == WORKS
    moved = [[IP, 20_000, 39_999, "two"], [IP, 40_000, 49_999, "three"]]
    for each in NAMES:
        fleet.apply(each, owners=moved)
    assert fleet.connect("two", PORT["one"], "new", within=10) == "done"
    assert fleet.exchange("two", 500_000, "new") == "done"


@pytest.mark.parametrize("name", NAMES)
def test_a_narrow_link_towards_the_origin_is_learned_by_the_owner(network, tmp_path, name):
    fleet = Fleet(network, tmp_path, narrow=1300)
    fleet.start()
    assert fleet.works(name, PORT[name]) == WORKS
    assert fleet.exchange(name, 60_000, within=20) == "done"
    told = network[name].run("ip", "route", "get", ORIGIN[0], "from", IP)
    assert "mtu 1300" in told


def test_a_pinned_connection_learns_of_a_narrow_link_too(network, tmp_path):
    fleet = Fleet(network, tmp_path, narrow=1300)
    fleet.start()
    assert fleet.works("two", PORT["two"]) == WORKS
    pinned = [[IP, PORT["two"], *ORIGIN, "two"]]
    for each in NAMES:
        fleet.apply(each, owners=MOVED, pinned=pinned)
    assert fleet.exchange("two", 60_000, within=20) == "done"


def test_replacing_everything_again_and_again_disturbs_no_traffic(fleet):
    fleet.start()
    for name in NAMES:
        assert fleet.works(name, PORT[name]) == WORKS
    for turn in range(20):
        others = [[f"192.0.2.{n}", 20_000, 29_999, NAMES[(n + turn) % 3]] for n in range(2, 40)]
        fleet.apply("one", owners=OWNERS + others)
        # As if somebody had emptied it: the table is made anew, in one step.
        fleet.network["one"].run("nft", "flush", "chain", "ip", "egressway_steer", "leaving")
        assert fleet.steer("one", "check") in (True, False)
        for name in NAMES:
            assert fleet.exchange(name, 20_000) == "done"


def test_what_others_have_emptied_is_put_back(fleet):
    fleet.start()
    assert fleet.steer("one", "check") is False
    one = fleet.network["one"]
    one.run("nft", "flush", "ruleset")
    one.run("ip", "rule", "del", "pref", "20")
    one.run("ip", "rule", "add", "pref", "0", "lookup", "local")
    one.run("ip", "link", "del", "egressway")
    assert fleet.steer("one", "check") is True
    assert fleet.steer("one", "check") is False
    assert fleet.steer("one", "status")["repairs_total"] == 1
    for name in NAMES:
        assert fleet.works(name, PORT[name]) == WORKS


def test_servers_that_disagree_do_not_hand_a_packet_round_for_long(fleet):
    fleet.start()
    swapped = [[IP, 20_000, 29_999, "two"], [IP, 30_000, 39_999, "one"]]
    fleet.apply("one", owners=swapped)
    fleet.apply("two", owners=[[IP, 20_000, 29_999, "one"], [IP, 30_000, 39_999, "two"]])
    before = fleet.steer("one", "counters")["steered"]
    fleet.talk("origin", "cast", target=[IP, 20001])
    after = eventually(
        lambda: (count := fleet.steer("one", "counters")["steered"]) > before and count,
        why="the packet has come",
    )
    assert after - before <= 2


def test_the_address_is_not_to_be_found_on_the_link(fleet):
    """No neighbour entry that could go stale: routers reach it through a next hop only."""
    fleet.start()
    router = fleet.network["router"]
    router.ip([f"route replace {IP}/32 dev lan"])
    fleet.connect("one", PORT["one"], within=1.5)
    eventually(
        lambda: "FAILED" in router.run("ip", "neighbour", "show", IP),
        why="nobody answers for the address",
    )


def test_strangers_cannot_send_through_the_tunnel(fleet):
    fleet.start()
    fleet.talk("origin", "cast", target=["10.2.0.1", 8645])
    eventually(lambda: fleet.steer("three", "counters")["refused"] > 0, why="it is counted")


def test_the_host_does_not_become_a_router_for_others(fleet):
    fleet.start()
    fleet.network["origin"].ip(["route add 10.9.9.9/32 via 198.51.100.9"])
    fleet.network["router"].ip(["route add 10.9.9.9/32 via 10.1.0.1"])
    fleet.talk("origin", "cast", target=["10.9.9.9", 9999])
    eventually(lambda: fleet.steer("one", "counters")["refused"] > 0, why="it is counted")


def test_segments_fit_into_the_tunnel_from_the_first_one_on(fleet):
    """The origin is told in the handshake, so that nothing depends on ICMP reaching it."""
    fleet.start()
    assert fleet.works("three", PORT["three"]) == WORKS
    told = fleet.network["origin"].run("ss", "-Htin", "sport", f"= :{ORIGIN[1]}")
    sizes = {int(word[4:]) for word in told.split() if word.startswith("mss:")}
    assert max(sizes) <= 1410


def test_own_ipv6_address_needs_nothing_but_its_route(fleet):
    three = fleet.network["three"]
    fleet.network.cable("far 2001:db8:8::1/64", "edge 2001:db8:8::2/64")
    fleet.network["edge"].ip(["route add 2001:db8::/32 via 2001:db8:8::1"])
    fleet.network["far"].ip(
        ["route add 2001:db8:1::3/128 via 2001:db8:3::1", "route add default via 2001:db8:8::2"]
    )
    three.ip(["route add default via 2001:db8:3::9"])
    fleet.network["origin"].ip(["route add default via 2001:db8:9::9"])
    for router in ("far", "edge"):
        fleet.network[router].sysctl({"net.ipv6.conf.all.forwarding": 1})
    for each in ("three", "far", "edge", "origin"):
        settled(fleet.network[each])
    fleet.start()
    fleet.apply("three", ipv6=["2001:db8:1::3"])
    assert any(
        each["dst"] == "2001:db8:1::3" for each in routes(three, "table", "local", version=6)
    )
    assert fleet.talk("origin", "echo", ip="2001:db8:9::1", port=7) == "done"
    call = {"source": ["2001:db8:1::3", 40_000], "target": ["2001:db8:9::1", 7]}
    assert fleet.talk("three", "connect", name="c6", **call) == "done"
    assert fleet.exchange("three", 100_000, "c6") == "done"


def test_ports_of_slices_are_not_chosen_by_the_host(fleet):
    fleet.start()
    told = fleet.network["two"].run("sysctl", "-n", "net.ipv4.ip_local_reserved_ports").strip()
    assert told == "30000-39999"


def test_overlapping_slices_change_nothing(fleet):
    fleet.start()
    overlapping = [*OWNERS, [IP, 25_000, 26_000, "two"]]
    answer = fleet.steer("one", "apply", own="one", servers=SERVERS, owners=overlapping)
    assert answer.startswith("SlicesOverlap: 192.0.2.1: 20000-29999 of one and 25000-26000 of two")
    assert fleet.works("two", PORT["two"]) == WORKS
