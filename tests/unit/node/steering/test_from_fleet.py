"""Ports on their way stay with their source until it has told what it holds."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address

from egressway.model.slice_move import CLOSING_SECONDS
from egressway.node.steering.desired import Owner, Pinned, Situation
from egressway.node.steering.from_fleet import keeping, move_sources, owned, situation
from egressway.wire.fleet import (
    FleetAddress,
    FleetLocation,
    FleetMove,
    FleetPool,
    FleetServer,
    FleetSlice,
    Topology,
)
from egressway.wire.held import HeldPorts, HeldTuples
from egressway.wire.snapshot import Settings

SETTINGS = Settings()
NOW = 1_000.0
IP = "192.0.2.1"
HELD = HeldPorts(IP, "198.51.100.1:443", (150, 450))
OPEN = (Pinned(IPv4Address(IP), 150, IPv4Address("198.51.100.1"), 443, "a1"),)


@dataclass
class Fleet:
    """Servers `a1`, `a2`, `b1` with 100 ports each; `a1`'s go to `a2` on request."""

    moves: tuple[FleetMove, ...] = ()
    slices: tuple[FleetSlice, ...] = (
        FleetSlice(100, 199, "a1"),
        FleetSlice(200, 299, "a2"),
        FleetSlice(300, 399, "b1"),
    )
    told: dict[str, HeldTuples] = field(default_factory=dict)
    states: dict[str, str] = field(default_factory=dict)
    settings: Settings = SETTINGS

    def seen_by(
        self, server: str, *, own: tuple[HeldPorts, ...] = (), now: float = NOW
    ) -> Situation:
        topology = Topology(
            settings=self.settings,
            locations=(FleetLocation("l", 0, 0),),
            servers=tuple(
                FleetServer(
                    name, n, name[0], "l", f"10.0.0.{n}:8644", self.states.get(name, "active")
                )
                for n, name in enumerate(("a1", "a2", "b1"), 1)
            ),
            moves=self.moves,
        )
        addresses = (FleetAddress(IP, self.slices), FleetAddress("2001:db8::/126"))
        pools = {"p": FleetPool("p", addresses)}
        found = situation(topology, pools, server, told=self.told, own_held=own, now=now)
        assert found is not None
        return found

    def owners(self, server: str, now: float = NOW) -> dict[tuple[int, int], str]:
        return {(each.low, each.high): each.server for each in self.seen_by(server, now=now).owners}


def moving() -> Fleet:
    """Half of `a1`'s ports are on their way to `a2`."""
    return Fleet(
        moves=(FleetMove("m", IP, 150, 199, "a1", "a2", int(NOW) + 60),),
        slices=(
            FleetSlice(100, 149, "a1"),
            FleetSlice(150, 299, "a2"),
            FleetSlice(300, 399, "b1"),
        ),
    )


def told(fleet: Fleet) -> Fleet:
    fleet.told = {"a1": HeldTuples(("m",), (HELD,))}
    return fleet


BEFORE = {(100, 149): "a1", (150, 199): "a1", (200, 299): "a2", (300, 399): "b1"}
AFTER = {(100, 149): "a1", (150, 299): "a2", (300, 399): "b1"}


def test_slices_and_servers_are_taken_over():
    found = Fleet().seen_by("a1")
    assert found.owners[0] == Owner(IPv4Address(IP), 100, 199, "a1")
    assert [(each.name, each.data_center) for each in found.servers] == [
        ("a1", "a"),
        ("a2", "a"),
        ("b1", "b"),
    ]
    assert found.servers[2].underlay == IPv4Address("10.0.0.3")


def test_own_ipv6_address_is_the_one_of_the_number():
    assert Fleet().seen_by("b1").ipv6 == (IPv6Address("2001:db8::3"),)


def test_until_the_source_has_told_its_ports_stay_with_it_everywhere_else():
    fleet = moving()
    assert fleet.owners("a2") == BEFORE
    assert fleet.owners("b1") == BEFORE


def test_the_source_itself_knows_and_changes_at_once():
    found = moving().seen_by("a1", own=(HELD,))
    assert {(each.low, each.high): each.server for each in found.owners} == AFTER
    assert OPEN[0] in found.pinned
    assert found.keep == {IPv4Address(IP)}


def test_neighbours_pass_on_what_routers_still_bring_when_a_data_center_gives_an_address_up():
    gone = Fleet(
        moves=(FleetMove("m", IP, 100, 199, "a1", "b1", int(NOW) + 60),),
        slices=(FleetSlice(100, 399, "b1"),),
    )
    assert gone.seen_by("a2").keep == {IPv4Address(IP)}
    assert Fleet(slices=gone.slices).seen_by("a2").keep == set()


def test_what_is_kept_is_cut_out_of_what_others_have():
    before, after = Fleet().seen_by("a2"), Fleet(slices=(FleetSlice(100, 399, "b1"),))
    wanted = keeping(after.seen_by("a2"), owned(before))
    assert [(each.low, each.high, each.server) for each in wanted.owners] == [
        (100, 199, "b1"),
        (200, 299, "a2"),
        (300, 399, "b1"),
    ]


def test_keeping_what_one_has_anyway_changes_nothing():
    found = Fleet().seen_by("a2")
    assert keeping(found, owned(found)) == found


def test_once_told_ports_and_open_connections_change_together():
    found = told(moving()).seen_by("b1")
    assert {(each.low, each.high): each.server for each in found.owners} == AFTER
    assert found.pinned == OPEN


def test_word_about_another_move_is_not_enough():
    fleet = moving()
    fleet.told = {"a1": HeldTuples(("another",), ())}
    assert fleet.owners("b1") == BEFORE


def test_when_a_source_has_closed_everything_nobody_waits_and_nothing_is_pinned():
    over = NOW + 61 + CLOSING_SECONDS
    late = told(moving()).seen_by("b1", now=over)
    assert late.pinned == ()
    assert moving().owners("b1", now=over) == AFTER


def test_connections_are_pinned_while_their_source_closes_them():
    assert told(moving()).seen_by("b1", now=NOW + 61).pinned != ()


def test_a_revoked_source_is_not_waited_for():
    fleet = moving()
    fleet.slices = (FleetSlice(150, 299, "a2"), FleetSlice(300, 399, "b1"))
    fleet.states = {"a1": "revoked"}
    assert fleet.owners("b1") == {(150, 299): "a2", (300, 399): "b1"}
    assert [each.name for each in fleet.seen_by("b1").servers] == ["a2", "b1"]


def test_ports_that_moved_twice_stay_with_the_first_that_has_not_told():
    fleet = moving()
    fleet.moves = (*fleet.moves, FleetMove("n", IP, 150, 299, "a2", "b1", int(NOW) + 60))
    fleet.slices = (FleetSlice(100, 149, "a1"), FleetSlice(150, 399, "b1"))
    fleet.told = {"a2": HeldTuples(("n",), ())}
    assert fleet.owners("b1") == {(100, 149): "a1", (150, 199): "a1", (200, 399): "b1"}


def test_a_server_that_the_fleet_does_not_know_has_no_situation():
    topology = Topology(settings=SETTINGS)
    assert situation(topology, {}, "x", told={}, own_held=(), now=NOW) is None


def test_sources_of_moves_are_to_be_followed():
    topology = Topology(settings=SETTINGS, moves=moving().moves)
    assert move_sources(topology) == {"a1"}
