"""A state follows differences, takes them back, and finds the difference to any other."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from egressway.wire.fleet_state import BaseMismatch, FleetState, difference
from tests.support.fleets import address, delta, fleet, pool, topology, zone


def contents(state: FleetState) -> tuple:
    return (
        state.revision,
        state.topology,
        dict(state.pools),
        dict(state.zones),
        {ip: state.pool_of_ip(ip) for ip in state.ips},
        {pool_id: state.zones_of_pool(pool_id) for pool_id in state.pools},
    )


@pytest.fixture
def state() -> FleetState:
    return FleetState(
        fleet(
            1,
            pools=(pool("p", address("192.0.2.1", "ams-1-1")), pool("q")),
            zones=(zone("a.example.com", pool="p"), zone("b.example.com")),
        )
    )


def test_difference_brings_changes_and_leaves_the_rest(state):
    changed = zone("a.example.com")
    state.apply(delta(1, zones=(changed,), removed_zones=("zone-b.example.com",)))
    assert dict(state.zones) == {changed.id: changed}
    assert set(state.pools) == {"p", "q"}
    assert (state.revision, state.zones_of_pool("p")) == (2, 0)


def test_address_that_goes_from_pool_to_pool_has_one_owner(state):
    moved = address("192.0.2.1", "ams-1-1")
    state.apply(delta(1, pools=(pool("q", moved), pool("p"))))
    assert state.pool_of_ip("192.0.2.1") == "q"
    state.apply(delta(2, removed_pools=("q",), pools=(pool("p", moved),)))
    assert state.pool_of_ip("192.0.2.1") == "p"


def test_difference_that_starts_later_or_ends_earlier_changes_nothing(state):
    before = contents(state)
    for wrong in (delta(2, zones=(zone(),)), delta(0, 0, zones=(zone(),)), fleet(3)):
        with pytest.raises(BaseMismatch):
            state.apply(wrong)
    assert contents(state) == before


def test_difference_from_an_earlier_revision_fits(state):
    state.apply(delta(0, 5, zones=(zone("c.example.com"),)))
    assert state.revision == 5
    assert len(state.zones) == 3


def test_a_difference_is_no_beginning():
    with pytest.raises(BaseMismatch, match="not the whole"):
        FleetState(delta(1))


names = st.sampled_from([f"{letter}.example.com" for letter in "abcd"])
zones = st.builds(zone, names, pool=st.sampled_from([None, "p", "q"]))
pools = st.builds(
    lambda pool_id, ips: pool(pool_id, *(address(f"192.0.2.{ip}", "ams-1-1") for ip in ips)),
    st.sampled_from("pqr"),
    st.sets(st.integers(1, 4), max_size=2),
)
topologies = st.sampled_from([None, topology("ams-1-1"), topology("ams-1-1", "fra-1-1")])


@st.composite
def changes(draw) -> dict:
    return {
        "topology": draw(topologies),
        "zones": tuple({each.id: each for each in draw(st.lists(zones))}.values()),
        "removed_zones": tuple(draw(st.sets(names.map("zone-{}".format)))),
        "pools": tuple({each.id: each for each in draw(st.lists(pools))}.values()),
        "removed_pools": tuple(draw(st.sets(st.sampled_from("pqr")))),
    }


def without_doubles(change: dict) -> dict:
    """What is sent is not removed in the same difference."""
    for kind in ("zones", "pools"):
        sent = {each.id for each in change[kind]}
        change[f"removed_{kind}"] = tuple(x for x in change[f"removed_{kind}"] if x not in sent)
    return change


@settings(max_examples=200, deadline=None)
@given(st.lists(changes().map(without_doubles), min_size=1, max_size=5))
def test_what_was_applied_can_be_taken_back_and_reached_from_anywhere(steps):
    state = FleetState(fleet(1, zones=(zone("a.example.com", pool="p"),), pools=(pool("p"),)))
    start = state.copy()
    for step in steps:
        before = contents(state)
        undo = state.apply(delta(state.revision, **step))
        after = contents(state)
        state.take_back(undo)
        assert contents(state)[:4] == before[:4]
        state.apply(delta(state.revision, **step))
        assert contents(state)[:4] == after[:4]
    start.apply(difference(start, state))
    assert contents(start)[:4] == contents(state)[:4]
    assert start.revision == state.revision
