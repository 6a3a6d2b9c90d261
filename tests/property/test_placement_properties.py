"""Whatever is asked of a placement: slices never overlap, never exceed the cap, never move needlessly."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from egressway.model.data_center import DataCenterDraft
from egressway.model.errors import EgresswayError
from egressway.model.location import LocationDraft
from egressway.model.placement import PlacementRules, handovers, split
from egressway.model.placement_draft import PlacementDraft
from egressway.model.port_slice import PortRange, PortSlice, first_overlap
from egressway.model.server import ServerDraft
from egressway.model.slice_move import MoveDraft, SliceMove, moves_after
from egressway.store import Store
from tests.property.conftest import NewStore
from tests.unit.store.world import account_of, lease_of

IP = ip_address("192.0.2.1")
RULES = PlacementRules(PortRange(20_000, 20_059), connection_cap=40)
NOW = datetime(2026, 1, 1, tzinfo=UTC)
SERVERS = ("a", "b", "c", "d", "e", "f")
SHARES = st.dictionaries(st.sampled_from(SERVERS), st.integers(0, 20), max_size=6)


def owners(slices: tuple[PortSlice, ...]) -> dict[int, str]:
    return {
        port: each.server for each in slices for port in range(each.ports.low, each.ports.high + 1)
    }


@given(st.lists(SHARES, min_size=1, max_size=6))
def test_a_split_gives_exactly_the_shares_and_moves_no_port_without_need(drawn: list) -> None:
    current: tuple[PortSlice, ...] = ()
    for shares in drawn:
        assume(sum(shares.values()) <= RULES.most_ports)
        after = split(IP, current, shares, RULES)
        assert after == split(IP, current, dict(reversed(shares.items())), RULES)
        assert first_overlap(after) is None
        had, have = owners(current), owners(after)
        assert Counter(have.values()) == Counter({k: v for k, v in shares.items() if v})
        assert all(port in RULES.ports for port in have)
        kept = Counter(server for port, server in have.items() if had.get(port) == server)
        assert kept == Counter(
            {
                server: least
                for server, number in Counter(had.values()).items()
                if (least := min(number, shares.get(server, 0)))
            }
        )
        current = after


@given(st.lists(SHARES, min_size=2, max_size=8))
def test_pending_moves_remember_every_former_owner_once(drawn: list) -> None:
    current: tuple[PortSlice, ...] = ()
    pending: list[SliceMove] = []
    former: dict[int, set[str]] = {}
    for shares in drawn:
        assume(sum(shares.values()) <= RULES.most_ports)
        after = split(IP, current, shares, RULES)
        pending = moves_after(pending, current, after, NOW + timedelta(1), NOW)
        for change in handovers(current, after):
            for port in range(change.ports.low, change.ports.high + 1):
                former.setdefault(port, set()).add(change.source)
        have = owners(after)
        for port, server in have.items():
            former.get(port, set()).discard(server)
        said: dict[int, list[str]] = {}
        for move in pending:
            for port in range(move.ports.low, move.ports.high + 1):
                said.setdefault(port, []).append(move.source)
                assert move.target == have.get(port, move.source)
                assert have.get(port) != move.source
        assert {port: sorted(who) for port, who in said.items()} == {
            port: sorted(who) for port, who in former.items() if who
        }
        current = after


STEP = st.tuples(
    st.sampled_from(["put", "data center", "slices", "move", "part", "finish", "server", "drain"]),
    st.integers(0, 6),
    st.integers(0, 6),
    st.integers(0, 60),
    st.integers(1, 30),
)


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(st.lists(STEP, max_size=20))
def test_the_store_keeps_every_placement_within_the_rules(new_store: NewStore, steps: list) -> None:
    with new_store(placement=RULES) as store:
        build(store)
        for step in steps:
            with suppress(EgresswayError):
                take(store, *step)
            check(store)


def build(store: Store) -> None:
    """An address on `local`; then five locations more, one data center each, and six servers."""
    lease_of(store, account_of(store, "a"), str(IP))
    with store.write("test") as write:
        for number in range(5):
            name = f"l{number}"
            write.locations.create(
                LocationDraft.parse({"name": name, "latitude": number, "longitude": number})
            )
            write.data_centers.create(DataCenterDraft.parse({"name": name, "location": name}))
        for number in range(6):
            write.servers.create(
                ServerDraft.parse({"name": f"s{number}", "data_center": f"l{number % 5}"})
            )


def take(store: Store, verb: str, one: int, other: int, low: int, number: int) -> None:
    names = [*(f"s{each}" for each in range(6)), "local"]
    ports = f"{20_000 + low}-{min(20_000 + low + number, 65_535)}"
    bodies = {
        "put": {
            "shares": [
                {"server": name, "ports": number // 2}
                for name in names[min(one, other) : max(one, other) + 1]
            ]
        },
        "data center": {"shares": [{"data_center": f"l{one % 5}", "ports": number}]},
        "slices": {"slices": [{"server": names[one], "ports": ports}]},
    }
    with store.write("test") as write:
        if verb in bodies:
            write.placements.put(IP, PlacementDraft.parse(IP, bodies[verb]))
        elif verb == "finish":
            for move in write.placements.moves(IP)[:one]:
                write.placements.finish_move(IP, move.id)
        elif verb == "server":
            write.servers.delete(names[one])
        elif verb == "drain":
            write.servers.drain(names[one])
            write.servers.activate(names[other])
        else:
            held = write.placements.get(IP).slices
            owned = held[one % len(held)] if held else PortSlice(IP, RULES.ports, names[one])
            first = owned.ports.low + low % len(owned.ports)
            part = {"ports": f"{first}-{min(first + number, owned.ports.high)}"}
            body = {"source": owned.server, "target": names[other]}
            write.placements.move(IP, MoveDraft.parse(body | (part if verb == "part" else {})))


def check(store: Store) -> None:
    with store.read() as read:
        fleet = read.fleet_for_snapshot()
        slices, placement = fleet.slices.get(IP, ()), read.placements.get(IP)
    assert slices == placement.slices
    assert first_overlap(slices) is None
    if placement.is_default:
        assert [each.ports for each in slices] == [RULES.ports]
    else:
        assert sum(len(each.ports) for each in slices) <= RULES.most_ports
    where = {server.name: server.data_center for server in fleet.servers}
    assert len({where[each.server] for each in slices}) <= 4
    have = owners(slices)
    for move in fleet.moves:
        assert move.source in where
        for port in range(move.ports.low, move.ports.high + 1):
            assert have.get(port, move.source) == move.target
            assert have.get(port) != move.source
