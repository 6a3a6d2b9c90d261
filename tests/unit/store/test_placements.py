"""Locations, data centers, servers, and who has which ports of an address."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import event, insert, text, update
from sqlalchemy.exc import IntegrityError

from egressway.model.account import Account
from egressway.model.data_center import DataCenterChange, DataCenterDraft, DataCenterName
from egressway.model.errors import Conflict, EgresswayError, Invalid, NotFound
from egressway.model.ids import PoolId
from egressway.model.location import LocationChange, LocationDraft, LocationName
from egressway.model.placement import Placement, PlacementRules
from egressway.model.placement_draft import PlacementDraft
from egressway.model.pool import PoolChange
from egressway.model.port_slice import PortRange
from egressway.model.server import (
    LOCAL,
    Server,
    ServerChange,
    ServerDraft,
    ServerName,
    ServerState,
)
from egressway.model.slice_move import MoveDraft, MoveId, SliceMove
from egressway.store import ChangeKind, Store, migrations
from egressway.store.engine import WRITING, open_engine
from egressway.store.schema import PortSliceRow, SliceMoveRow
from tests.unit.store.world import (
    ALL,
    account_of,
    around_the_writers,
    lease_of,
    leased_pool,
    open_store,
    url_of,
)

IP = ip_address("192.0.2.1")
PLACES = {"a1": "a", "a2": "a", "b1": "b", "c1": "c", "d1": "d", "e1": "e"}


@pytest.fixture
def fleet(store: Store) -> Store:
    """Five locations of one letter each; a data center has the name of its only server."""
    with store.write("test") as write:
        for name in sorted(set(PLACES.values())):
            write.locations.create(LocationDraft(LocationName(name), 1.0, 2.0))
        for name, location in PLACES.items():
            data_center = DataCenterName(name)
            write.data_centers.create(DataCenterDraft(data_center, LocationName(location)))
            write.servers.create(ServerDraft(ServerName(name), data_center))
    return store


@pytest.fixture
def placed(fleet: Store, account: Account) -> Store:
    """The address is in a pool and shared by `a1` and `b1`."""
    leased_pool(fleet, account, str(IP))
    put(fleet, a1=20_000, b1=20_000)
    return fleet


def put(store: Store, ip: Any = IP, **shares: int) -> Placement:
    body = {"shares": [{"server": name, "ports": number} for name, number in shares.items()]}
    with store.write("test") as write:
        return write.placements.put(ip, PlacementDraft.parse(ip, body))


def move(store: Store, source: str, target: str, **members: Any) -> list[SliceMove]:
    draft = MoveDraft.parse({"source": source, "target": target} | members)
    with store.write("test") as write:
        return list(write.placements.move(IP, draft))


def told(placement: Placement) -> list[str]:
    return [f"{each.server} {each.ports}" for each in placement.slices]


def placement_of(store: Store, ip: Any = IP) -> Placement:
    with store.read() as read:
        return read.placements.get(ip)


def touched_since(store: Store, revision: int) -> set[tuple[ChangeKind, str]]:
    with store.read() as read:
        return {(change.kind, change.object_id) for change in read.changes_since(revision)}


def revision_of(store: Store) -> int:
    with store.read() as read:
        return read.revision()


# Places.


def test_a_new_store_has_one_server_at_one_place(store: Store) -> None:
    with store.read() as read:
        fleet = read.fleet_for_snapshot()
    assert [(each.name, each.number, each.state) for each in fleet.servers] == [
        (LOCAL, 0, ServerState.ACTIVE)
    ]
    assert [each.name for each in fleet.locations] == ["local"]
    assert [(each.name, each.location) for each in fleet.data_centers] == [("local", "local")]


def test_servers_get_the_lowest_free_number(fleet: Store) -> None:
    with fleet.write("test") as write:
        write.servers.delete(ServerName("a2"))
        again = write.servers.create(ServerDraft(ServerName("z"), DataCenterName("a1")))
        next_one = write.servers.create(ServerDraft(ServerName("y"), DataCenterName("a1")))
    assert (again.number, next_one.number) == (2, 7)


def test_a_name_is_taken_once_and_a_place_must_exist(fleet: Store) -> None:
    with fleet.write("test") as write:
        for make, pointer in (
            (lambda: write.locations.create(LocationDraft(LocationName("a"), 0, 0)), "/name"),
            (
                lambda: write.data_centers.create(
                    DataCenterDraft(DataCenterName("a1"), LocationName("a"))
                ),
                "/name",
            ),
            (
                lambda: write.data_centers.create(
                    DataCenterDraft(DataCenterName("new"), LocationName("nowhere"))
                ),
                "/location",
            ),
            (
                lambda: write.servers.create(ServerDraft(ServerName("a1"), DataCenterName("a1"))),
                "/name",
            ),
            (
                lambda: write.servers.create(ServerDraft(ServerName("new"), DataCenterName("?"))),
                "/data_center",
            ),
        ):
            with pytest.raises((Conflict, Invalid)) as caught:
                make()
            assert caught.value.pointer == pointer


def test_a_place_that_holds_something_is_not_removed_and_what_it_holds_is_named(
    placed: Store,
) -> None:
    with placed.write("test") as write:
        for remove, named in (
            (lambda: write.locations.delete(LocationName("a")), "a1, a2"),
            (lambda: write.data_centers.delete(DataCenterName("a1")), "a1"),
            (lambda: write.servers.delete(ServerName("a1")), str(IP)),
        ):
            with pytest.raises(Conflict, match=named):
                remove()
        write.servers.delete(ServerName("a2"))
        write.data_centers.delete(DataCenterName("a2"))


def test_a_server_with_ports_stays_in_its_location(placed: Store) -> None:
    with placed.write("test") as write:
        for change, pointer in (
            (
                lambda: write.servers.edit(ServerName("a1"), ServerChange(DataCenterName("c1"))),
                "/data_center",
            ),
            (
                lambda: write.data_centers.edit(
                    DataCenterName("a1"), DataCenterChange(LocationName("c"))
                ),
                "/location",
            ),
        ):
            with pytest.raises(Conflict, match=str(IP)) as caught:
                change()
            assert caught.value.pointer == pointer
        near = write.servers.edit(ServerName("a1"), ServerChange(DataCenterName("a2")))
        assert near.data_center == "a2"
        away = write.servers.edit(ServerName("e1"), ServerChange(DataCenterName("c1")))
        assert away.data_center == "c1"


def test_a_server_with_connections_under_way_is_not_removed(placed: Store) -> None:
    (pending,) = move(placed, "a1", "a2")
    with placed.write("test") as write:
        with pytest.raises(Conflict, match=str(IP)):
            write.servers.delete(ServerName("a1"))
        write.placements.finish_move(IP, pending.id)
        write.servers.delete(ServerName("a1"))


def state(store: Store, name: str) -> Server:
    with store.read() as read:
        return read.servers.get(ServerName(name))


def test_a_revoked_server_stays_revoked_and_its_ports_are_nobodys(placed: Store) -> None:
    with placed.write("test") as write:
        write.servers.revoke(ServerName("a1"))
        for verb in (write.servers.activate, write.servers.drain, write.servers.admit):
            with pytest.raises(Conflict, match="revoked for life"):
                verb(ServerName("a1"))
        write.data_centers.set_state(DataCenterName("a1"), ServerState.ACTIVE)
    assert state(placed, "a1").state is ServerState.REVOKED
    with placed.read() as read:
        assert [each.server for each in read.fleet_for_snapshot().slices[IP]] == ["b1"]
    assert told(placement_of(placed)) == ["a1 20000-39999", "b1 40000-59999"]
    move(placed, "a1", "a2")
    with placed.read() as read:
        assert [each.server for each in read.fleet_for_snapshot().slices[IP]] == ["a2", "b1"]


def test_every_admission_is_a_new_epoch(fleet: Store) -> None:
    with fleet.write("test") as write:
        assert [write.servers.admit(ServerName("a1")).epoch for _ in range(2)] == [1, 2]


def test_a_data_center_is_drained_as_a_whole(fleet: Store) -> None:
    with fleet.write("test") as write:
        write.servers.create(ServerDraft(ServerName("z"), DataCenterName("a1")))
        changed = write.data_centers.set_state(DataCenterName("a1"), ServerState.DRAINING)
        again = write.data_centers.set_state(DataCenterName("a1"), ServerState.DRAINING)
    assert (list(changed), list(again)) == (["a1", "z"], [])
    assert state(fleet, "z").state is ServerState.DRAINING
    assert state(fleet, "a2").state is ServerState.ACTIVE


def test_unknown_places_are_not_found(store: Store) -> None:
    with store.write("test") as write:
        for call in (
            lambda: write.locations.edit(LocationName("?"), LocationChange()),
            lambda: write.locations.delete(LocationName("?")),
            lambda: write.data_centers.get(DataCenterName("?")),
            lambda: write.data_centers.set_state(DataCenterName("?"), ServerState.ACTIVE),
            lambda: write.servers.get(ServerName("?")),
            lambda: write.servers.drain(ServerName("?")),
            lambda: write.placements.get(IP),
            lambda: write.placements.moves(IP),
            lambda: write.placements.address("0" * 32),
            lambda: write.placements.set_draining(IP, True),
        ):
            with pytest.raises(NotFound):
                call()


# Default placement.


def test_an_address_of_a_single_machine_is_placed_on_it(store: Store, account: Account) -> None:
    lease_of(store, account, str(IP))
    lease_of(store, account, "2001:db8::1")
    assert told(placement_of(store)) == ["local 20000-59999"]
    assert placement_of(store).is_default
    assert placement_of(store, ip_address("2001:db8::1")).slices == ()


def test_an_address_of_a_fleet_waits_for_its_operator(fleet: Store, account: Account) -> None:
    lease_of(fleet, account, str(IP))
    assert placement_of(fleet).slices == ()
    with fleet.read() as read:
        assert IP not in read.fleet_for_snapshot().slices


def test_a_default_placement_follows_the_configuration(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        lease_of(store, account_of(store, "a"), str(IP))
    rules = PlacementRules(PortRange(30_000, 30_099), 50)
    with Store.open(url_of(tmp_path), placement=rules) as store:
        assert told(placement_of(store)) == ["local 30000-30099"]
        with store.read() as read:
            fleet = read.fleet_for_snapshot()
        assert [each.ports for each in fleet.slices[IP]] == [rules.ports]
        assert fleet.rules == rules


def test_placement_belongs_to_the_lease_and_not_to_a_pool(placed: Store, account: Account) -> None:
    before = placement_of(placed)
    with placed.write("test") as write:
        (pool,), _ = write.pools.list(account.id, ALL)
        write.pools.patch(account.id, pool.id, PoolChange(ips=()))
        write.pools.delete(account.id, pool.id)
    assert placement_of(placed) == before
    with placed.write("test") as write:
        (lease,), _ = write.leases.list(account.id, ALL)
        write.leases.delete(account.id, lease.id)
    lease_of(placed, account, str(IP))
    assert placement_of(placed).slices == ()


def test_an_address_is_named_by_itself_or_by_its_lease(store: Store, account: Account) -> None:
    lease = lease_of(store, account, str(IP))
    with store.read() as read:
        assert read.placements.address(lease.id) == read.placements.address("192.0.2.1") == IP
        with pytest.raises(Invalid):
            read.placements.address("nonsense")


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_what_was_leased_before_places_existed_is_placed_on_the_machine(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    is_file = kind == "sqlite"
    url = url_of(tmp_path) if is_file else request.getfixturevalue("postgres").empty_url()
    as_of_step_2(url)
    with Store.open(url) as store:
        assert told(placement_of(store)) == ["local 20000-59999"]
        assert placement_of(store).is_default
        with store.read() as read:
            assert set(read.fleet_for_snapshot().slices) == {IP}
            assert [pool.overflow for pool in read.pools_for_snapshot()] == [False]


def as_of_step_2(url: str) -> None:
    """A database as the version before wrote it: an account, a pool, an address of either family."""
    moments = "'2026-01-01 00:00:00', '2026-01-01 00:00:00'"
    engine = open_engine(url)
    with engine.connect().execution_options(**{WRITING: True}) as connection:
        config = Config()
        config.set_main_option("script_location", str(Path(migrations.__path__[0])))
        config.attributes["connection"] = connection
        command.upgrade(config, "0002")
        for statement in (
            f"INSERT INTO account VALUES ('a', 'A', 'standard', NULL, false, {moments})",
            f"INSERT INTO lease VALUES ('l', 'a', '192.0.2.1', {moments})",
            f"INSERT INTO lease VALUES ('m', 'a', '2001:db8::1', {moments})",
            f"INSERT INTO pool VALUES ('p', 'a', 'P', 'leased', {moments})",
        ):
            connection.exec_driver_sql(statement)
        connection.commit()
    engine.dispose()


# Splitting.


def test_shares_become_slices_and_say_who_keeps_what(placed: Store) -> None:
    assert told(placement_of(placed)) == ["a1 20000-39999", "b1 40000-59999"]
    after = put(placed, a1=10_000, b1=20_000, c1=10_000)
    assert told(after) == ["a1 20000-29999", "c1 30000-39999", "b1 40000-59999"]
    assert not after.is_default
    with placed.read() as read:
        (pending,) = read.placements.moves(IP)
    assert (pending.source, pending.target, str(pending.ports)) == ("a1", "c1", "30000-39999")
    assert pending.deadline - pending.created_on == timedelta(hours=1)


def test_the_same_shares_again_change_nothing(placed: Store) -> None:
    revision = revision_of(placed)
    assert put(placed, b1=20_000, a1=20_000) == placement_of(placed)
    assert revision_of(placed) == revision


def test_a_fifth_location_is_refused_and_the_four_are_named(placed: Store) -> None:
    put(placed, a1=1, a2=1, b1=1, c1=1, d1=1)
    before = placement_of(placed)
    five = {name: str(20_000 + i) for i, name in enumerate(("a1", "b1", "c1", "d1", "e1"))}
    for call, pointer in (
        (lambda: put(placed, a1=1, b1=1, c1=1, d1=1, e1=1), "/shares/4"),
        (lambda: slices(placed, **five), "/slices"),
        (lambda: move(placed, "a1", "e1"), "/target"),
    ):
        with pytest.raises(Invalid) as caught:
            call()
        assert caught.value.pointer == pointer
        assert all(f"`{name}`" in caught.value.text for name in "abcde")
    assert placement_of(placed) == before
    move(placed, "d1", "e1")
    assert {each.server for each in placement_of(placed).slices} == {"a1", "a2", "b1", "c1", "e1"}


def slices(store: Store, **ports: str) -> Placement:
    body = {"slices": [{"server": name, "ports": each} for name, each in ports.items()]}
    with store.write("test") as write:
        return write.placements.put(IP, PlacementDraft.parse(IP, body))


def test_slices_can_be_written_out(placed: Store) -> None:
    after = slices(placed, a1="20000-20009,20020-20029", b1="20010-20019")
    assert told(after) == ["a1 20000-20009", "b1 20010-20019", "a1 20020-20029"]
    assert slices(placed).slices == ()


@pytest.mark.parametrize(
    ("shares", "error", "pointer"),
    [
        ({"a1": 20_000, "b1": 20_001}, Invalid, "/shares"),
        ({"a1": 1, "nobody": 1}, Invalid, "/shares/1/server"),
        ({"a2": 1}, Conflict, None),
    ],
)
def test_a_placement_that_cannot_be_is_refused_whole(
    placed: Store, shares: dict[str, int], error: type[EgresswayError], pointer: str | None
) -> None:
    with placed.write("test") as write:
        write.servers.drain(ServerName("a2"))
    before, revision = placement_of(placed), revision_of(placed)
    with pytest.raises(error) as caught:
        put(placed, **shares)
    assert caught.value.pointer == pointer
    assert (placement_of(placed), revision_of(placed)) == (before, revision)


def test_a_draining_server_may_keep_what_it_has(placed: Store) -> None:
    with placed.write("test") as write:
        write.servers.drain(ServerName("a1"))
    assert told(put(placed, a1=10_000, b1=30_000))[0] == "a1 20000-29999"
    with pytest.raises(Conflict, match="`a1` is draining"):
        put(placed, a1=10_001)


def test_a_data_centers_share_goes_to_its_active_servers(placed: Store) -> None:
    with placed.write("test") as write:
        for name in ("x", "y"):
            write.servers.create(ServerDraft(ServerName(name), DataCenterName("c1")))
        write.servers.drain(ServerName("x"))
        body = {"shares": [{"data_center": "c1", "ports": 11}]}
        after = write.placements.put(IP, PlacementDraft.parse(IP, body))
    assert told(after) == ["c1 20000-20005", "y 20006-20010"]


# Moving and draining.


def test_a_move_gives_new_connections_to_the_target_at_once(placed: Store) -> None:
    (pending,) = move(placed, "a1", "c1", ports="20000-20999", deadline_seconds=60)
    assert told(placement_of(placed)) == [
        "c1 20000-20999",
        "a1 21000-39999",
        "b1 40000-59999",
    ]
    with placed.read() as read:
        assert read.fleet_for_snapshot().moves == (pending,)
        assert read.fleet_for_snapshot([]).moves == (pending,)
    with placed.write("test") as write:
        write.placements.finish_move(IP, pending.id)
        with pytest.raises(NotFound):
            write.placements.finish_move(IP, pending.id)
    with placed.read() as read:
        assert read.fleet_for_snapshot().moves == ()


@pytest.mark.parametrize(
    ("members", "error", "pointer"),
    [
        ({"source": "a1", "target": "a1"}, Invalid, "/target"),
        ({"source": "?", "target": "a1"}, Invalid, "/source"),
        ({"source": "nobody", "target": "a1"}, Invalid, "/source"),
        ({"source": "a1", "target": "nobody"}, Invalid, "/target"),
        ({"source": "c1", "target": "a1"}, Conflict, None),
        ({"source": "a1", "target": "b1", "ports": "39999-40000"}, Conflict, None),
    ],
)
def test_a_move_that_cannot_be_is_refused(
    placed: Store, members: dict[str, str], error: type[EgresswayError], pointer: str | None
) -> None:
    before = placement_of(placed)
    with pytest.raises(error) as caught:
        move(placed, **members)
    assert caught.value.pointer == pointer
    assert placement_of(placed) == before


def test_overdue_moves_are_finished(placed: Store) -> None:
    move(placed, "a1", "a2", ports="20000", deadline_seconds=0)
    move(placed, "a1", "a2", ports="20001", deadline_seconds=3600)
    revision = revision_of(placed)
    with placed.write("test") as write:
        assert len(write.placements.finish_overdue(datetime.now(UTC))) == 1
        assert [str(each.ports) for each in write.placements.moves(IP)] == ["20001-20001"]
    assert (ChangeKind.PLACEMENT, str(IP)) in touched_since(placed, revision)


def test_an_address_is_drained_everywhere(placed: Store) -> None:
    revision = revision_of(placed)
    with placed.write("test") as write:
        assert write.placements.set_draining(IP, True).is_draining
        (pool,) = write.pools_for_snapshot()
    with placed.read() as read:
        assert read.fleet_for_snapshot().draining == {IP}
        assert read.fleet_for_snapshot([]).draining == frozenset()
    assert touched_since(placed, revision) == {
        (ChangeKind.PLACEMENT, str(IP)),
        (ChangeKind.POOL, pool.id),
    }
    with placed.write("test") as write:
        assert not write.placements.set_draining(IP, False).is_draining


def test_a_change_of_placement_touches_the_pool_and_one_of_a_server_does_not(
    placed: Store,
) -> None:
    with placed.read() as read:
        (pool,) = read.pools_for_snapshot()
    revision = revision_of(placed)
    put(placed, a1=1)
    assert touched_since(placed, revision) == {
        (ChangeKind.PLACEMENT, str(IP)),
        (ChangeKind.POOL, pool.id),
    }
    revision = revision_of(placed)
    with placed.write("test") as write:
        write.servers.drain(ServerName("a1"))
    assert touched_since(placed, revision) == {(ChangeKind.SERVER, "a1")}


# Reading in bulk, and the guards below.


def test_slices_are_read_for_the_addresses_asked_for(placed: Store, account: Account) -> None:
    other = ip_address("192.0.2.2")
    lease_of(placed, account, str(other))
    put(placed, other, c1=5)
    with placed.read() as read:
        assert set(read.fleet_for_snapshot().slices) == {IP, other}
        assert set(read.fleet_for_snapshot([other]).slices) == {other}
        (pool,) = read.pools_for_snapshot()
        assert read.pools_for_snapshot([pool.id]) == [pool]
        assert read.pools_for_snapshot([]) == []
        many = [PoolId(f"{number:032x}") for number in range(70_000)]
        assert read.pools_for_snapshot([pool.id, *many]) == [pool]
        crowd = [ip_address(number) for number in range(1, 70_000)]
        assert set(read.fleet_for_snapshot([IP, *crowd]).slices) == {IP}
        assert [each.ip for each in read.placements.list(ALL)[0]] == [IP, other]


def test_the_number_of_queries_does_not_grow_with_the_fleet(
    placed: Store, account: Account
) -> None:
    queries: list[str] = []

    def note(_c: object, _u: object, statement: str, *_: object) -> None:
        queries.append(statement)

    counts = []
    event.listen(placed._engine, "before_cursor_execute", note)
    for number in range(2, 5):
        ip = ip_address(f"192.0.2.{number}")
        lease_of(placed, account, str(ip))
        put(placed, ip, a1=number, b1=number)
        queries.clear()
        with placed.read() as read:
            assert len(read.fleet_for_snapshot().slices) == number
            assert read.placements.list(ALL)[1] == number
        counts.append(len([each for each in queries if each.startswith("SELECT")]))
    assert counts == [counts[0]] * 3


def slice_row(low: int, high: int, server: str, **members: Any) -> Any:
    row = {"ip": IP, "low": low, "high": high, "server": server, "is_default": False}
    return insert(PortSliceRow).values(**row | members)


def test_the_database_itself_guards_slices(placed: Store) -> None:
    put(placed, a1=10, b1=10, c1=10, d1=10)
    now = datetime.now(UTC)
    moving = {"id": MoveId("0" * 32), "deadline": now, "created_on": now}
    for statement, guard in (
        (slice_row(20_009, 30_000, "a1"), "overlap"),
        (slice_row(19_000, 60_000, "a1"), "overlap"),
        (slice_row(20_001, 20_001, "b1"), "overlap"),
        (update(PortSliceRow).where(PortSliceRow.low == 20_000).values(high=20_010), "overlap"),
        (slice_row(30_000, 30_000, "e1"), "locations"),
        (update(PortSliceRow).where(PortSliceRow.low == 20_000).values(server="a2"), None),
        (slice_row(30_000, 29_999, "a1"), "CHECK"),
        (slice_row(0, 5, "a1"), "CHECK"),
        (slice_row(30_000, 30_001, "a1", is_default=True), "CHECK"),
        (slice_row(30_000, 30_000, "nobody"), "FOREIGN"),
        (slice_row(30_000, 30_000, "a1", ip=ip_address("192.0.2.9")), "FOREIGN"),
        (
            insert(SliceMoveRow).values(
                ip=IP, low=5, high=1, source=ServerName("a1"), target=ServerName("b1"), **moving
            ),
            "CHECK",
        ),
        (text("DELETE FROM server WHERE name = 'b1'"), "FOREIGN"),
        (text("UPDATE server SET number = 0 WHERE name = 'b1'"), "UNIQUE"),
        (text("UPDATE location SET latitude = 91"), "CHECK"),
    ):
        if guard is None:
            with around_the_writers(placed) as connection:
                connection.execute(statement)
            continue
        with (
            pytest.raises(IntegrityError, match=f"(?i){guard}"),
            around_the_writers(placed) as connection,
        ):
            connection.execute(statement)


def test_a_lease_that_ends_takes_its_placement_with_it(fleet: Store, account: Account) -> None:
    lease = lease_of(fleet, account, str(IP))
    put(fleet, a1=5)
    move(fleet, "a1", "b1")
    with fleet.write("test") as write:
        write.leases.delete(account.id, lease.id)
    with fleet.read() as read:
        assert read.fleet_for_snapshot().moves == ()
        assert read.fleet_for_snapshot().slices == {}
