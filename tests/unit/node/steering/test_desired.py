"""Who gets a packet follows from who owns what, and from nothing else."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from egressway.node.steering.desired import (
    Interval,
    NextHop,
    Owner,
    SlicesOverlap,
    SteeringState,
    merged,
    steering_state,
)
from egressway.node.steering.names import MOST_SERVERS, OWN_MARK, mark_of
from tests.unit.node.steering.situations import IP, ORIGIN, OTHER, SERVERS, of_one, owner, pin

TWO, THREE = mark_of(2), mark_of(3)


def test_own_ports_are_kept_and_others_go_to_their_owner():
    state = steering_state(of_one(owner(1, 9, "one"), owner(10, 19, "two"), owner(20, 29, "three")))
    assert state.intervals == {
        IP: (Interval(1, 9, OWN_MARK), Interval(10, 19, TWO), Interval(20, 29, THREE))
    }
    assert state.next_hops == {
        TWO: NextHop("two", 2, IPv4Address("10.1.0.2"), through_tunnel=False),
        THREE: NextHop("three", 3, IPv4Address("10.2.0.1"), through_tunnel=True),
    }


def test_neighbour_behind_a_router_is_reached_through_the_tunnel():
    state = steering_state(of_one(owner(10, 19, "two")), not_on_link=["two"])
    assert state.next_hops[TWO].through_tunnel


def test_addresses_of_other_data_centers_alone_are_none_of_our_business():
    state = steering_state(of_one(owner(1, 9, "three"), owner(1, 9, "two", OTHER)))
    assert list(state.intervals) == [OTHER]
    assert THREE not in state.next_hops


def test_address_of_a_neighbour_alone_is_steered_but_not_local():
    state = steering_state(of_one(owner(1, 9, "two")))
    assert list(state.intervals) == [IP]
    assert state.local == frozenset()


def test_own_addresses_of_both_families_are_local():
    six = IPv6Address("2001:db8::1")
    state = steering_state(of_one(owner(1, 9, "one"), ipv6=(six,)))
    assert state.local == {IP, six}


def test_kept_address_stays_local_and_silent_for_its_ports():
    state = steering_state(of_one(keep=frozenset({IP})))
    assert state.local == {IP}
    assert state.intervals == {IP: ()}


def test_pinned_connection_keeps_its_server_and_its_address():
    state = steering_state(of_one(owner(1, 9, "two"), pinned=(pin(5, "one"), pin(6, "three"))))
    assert state.pinned == {(IP, 5, ORIGIN, 443): OWN_MARK, (IP, 6, ORIGIN, 443): THREE}
    assert state.local == {IP}


def test_pin_of_an_address_that_does_not_come_here_is_left_out():
    assert steering_state(of_one(pinned=(pin(5, "three"),))).pinned == {}


def test_server_that_cannot_be_reached_is_told_and_its_ports_are_nobodys():
    state = steering_state(of_one(owner(1, 9, "one"), owner(10, 19, "lost")))
    assert state.unreachable == ("lost",)
    assert state.intervals[IP] == (Interval(1, 9, OWN_MARK),)


def test_owner_that_the_fleet_does_not_know_is_unreachable():
    state = steering_state(of_one(owner(1, 9, "one"), owner(10, 19, "gone")))
    assert state.unreachable == ("gone",)


def test_number_without_a_mark_is_unreachable():
    servers = (*SERVERS[:1], replace(SERVERS[1], number=MOST_SERVERS))
    state = steering_state(replace(of_one(owner(10, 19, "two")), servers=servers))
    assert state.unreachable == ("two",)


def test_address_in_two_data_centers_is_far():
    near = steering_state(of_one(owner(1, 9, "one"), owner(10, 19, "two")))
    far = steering_state(of_one(owner(1, 9, "one"), owner(10, 19, "three")))
    assert (near.far, far.far) == (frozenset(), {IP})


def test_every_other_server_may_send_through_the_tunnel():
    state = steering_state(of_one())
    assert state.peers == {IPv4Address("10.1.0.2"), IPv4Address("10.2.0.1")}


def test_overlap_is_refused_with_both_sides_named():
    with pytest.raises(SlicesOverlap, match=r"1-9 of one and 9-19 of two"):
        steering_state(of_one(owner(9, 19, "two"), owner(1, 9, "one")))


def test_ports_of_own_slices_are_reserved_in_few_ranges():
    state = steering_state(
        of_one(owner(1, 9, "one"), owner(10, 19, "one"), owner(30, 39, "one", OTHER))
    )
    assert state.reserved_ports == ((1, 19), (30, 39))


@given(st.lists(st.tuples(st.integers(1, 60), st.integers(0, 20)), max_size=12))
def test_merged_ranges_have_the_same_ports_and_do_not_touch(spans):
    ranges = [(low, low + length) for low, length in spans]
    result = merged(ranges)
    ports = {port for low, high in ranges for port in range(low, high + 1)}
    assert {port for low, high in result for port in range(low, high + 1)} == ports
    assert all(before[1] + 1 < after[0] for before, after in pairwise(result))


def owner_of(state: SteeringState, ip: IPv4Address, port: int) -> int | None:
    """As the packet filter looks it up."""
    for each in state.intervals.get(ip, ()):
        if each.low <= port <= each.high:
            return each.mark
    return None


@given(st.permutations(range(6)), st.integers(1, 60))
def test_all_servers_agree_on_every_port(order, port):
    names = ["one", "two", "three"]
    owners = tuple(
        Owner(IP, 10 * n + 1, 10 * n + 10, names[place % 3]) for n, place in enumerate(order)
    )
    wanted = next(each.server for each in owners if each.low <= port <= each.high)
    for own in names:
        state = steering_state(replace(of_one(*owners), own=own))
        mark = owner_of(state, IP, port)
        assert mark == OWN_MARK if own == wanted else state.next_hops[mark].server == wanted
