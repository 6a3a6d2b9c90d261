"""Transactions, the journal, listeners, and threads."""

from __future__ import annotations

import threading
from ipaddress import ip_address

import pytest

from egressway.model.account import Account, AccountDraft
from egressway.model.errors import Conflict, NotFound
from egressway.model.zone import Zone
from egressway.store import Change, ChangeKind, Store
from tests.unit.store.world import (
    ALL,
    account_of,
    draft_of,
    leased_pool,
    record_of,
    set_aegis,
    zone_of,
)


class OnPurpose(Exception):
    """What a caller might raise."""


def changes(store: Store, since: int) -> list[Change]:
    with store.read() as read:
        return read.changes_since(since)


def revision(store: Store) -> int:
    with store.read() as read:
        return read.revision()


def test_an_error_inside_undoes_everything(store: Store, account: Account) -> None:
    before = revision(store)

    def fail() -> None:
        with store.write("test") as write:
            write.accounts.create(AccountDraft("gone"))
            write.leases.create(account.id, ip_address("192.0.2.1"))
            raise OnPurpose

    with pytest.raises(OnPurpose):
        fail()
    assert revision(store) == before
    with store.read() as read:
        assert read.leases.list(account.id, ALL) == ([], 0)
        assert read.accounts.list(ALL)[1] == 1


def test_a_reader_keeps_its_view_while_others_write(store: Store, account: Account) -> None:
    with store.read() as read:
        before = read.revision()
        zone_of(store, account, "new.example")
        assert read.zones.list(ALL) == ([], 0)
        assert read.revision() == before
    assert revision(store) > before


def test_a_writer_sees_what_it_has_written(store: Store, account: Account) -> None:
    with store.write("test") as write:
        lease = write.leases.create(account.id, ip_address("192.0.2.1"))
        assert write.leases.get(account.id, lease.id) == lease
        write.leases.delete(account.id, lease.id)
        with pytest.raises(NotFound):
            write.leases.get(account.id, lease.id)


def test_every_change_is_in_the_journal_with_actor_and_zone(store: Store, zone: Zone) -> None:
    since = revision(store)
    with store.write("token:abc") as write:
        record = write.records.create(zone.id, draft_of())
        write.records.patch(zone.id, record.id, {"comment": "x"})
    (change,) = changes(store, since)
    assert (change.kind, change.object_id, change.zone_id, change.actor) == (
        ChangeKind.RECORD,
        record.id,
        zone.id,
        "token:abc",
    )
    assert change.revision == revision(store) > since


def test_reading_in_a_write_leaves_no_trace(store: Store, zone: Zone) -> None:
    heard: list[int] = []
    store.on_change(heard.append)
    before = revision(store)
    with store.write("test") as write:
        write.zones.get(zone.id)
    assert (revision(store), heard) == (before, [])


def test_pools_leases_and_grants_are_marked_without_a_zone(
    store: Store, account: Account, other: Account
) -> None:
    since = revision(store)
    pool = leased_pool(store, account, "192.0.2.1")
    with store.write("test") as write:
        write.pools.grant(pool.id, other.id)
    assert [(each.kind, each.zone_id) for each in changes(store, since)] == [
        (ChangeKind.LEASE, None),
        (ChangeKind.POOL, None),
        (ChangeKind.GRANT, None),
    ]


def test_a_deleted_zone_is_still_marked(store: Store, zone: Zone) -> None:
    since = revision(store)
    with store.write("test") as write:
        write.zones.delete(zone.id)
    assert [each.zone_id for each in changes(store, since)] == [zone.id]


def test_zones_that_forget_a_deleted_pool_are_marked(
    store: Store, account: Account, zone: Zone
) -> None:
    pool = leased_pool(store, account, "192.0.2.1")
    set_aegis(store, zone, enabled=False, pool_id=pool.id)
    since = revision(store)
    with store.write("test") as write:
        write.pools.delete(account.id, pool.id)
    assert {each.zone_id for each in changes(store, since)} == {zone.id, None}


def test_listeners_hear_of_durable_changes_until_they_leave(store: Store) -> None:
    heard: list[tuple[int, int]] = []
    leave = store.on_change(lambda told: heard.append((told, revision(store))))
    account_of(store, "a")
    assert [told for told, _ in heard] == [stored for _, stored in heard] == [revision(store)]
    leave()
    leave()
    account_of(store, "b")
    assert len(heard) == 1


def test_a_failing_listener_stops_neither_the_write_nor_the_others(store: Store) -> None:
    heard: list[int] = []

    def fail(told: int) -> None:
        raise OnPurpose

    store.on_change(fail)
    store.on_change(heard.append)
    account = account_of(store, "a")
    with store.read() as read:
        assert read.accounts.get(account.id) == account
    assert heard == [revision(store)]


def test_one_of_two_threads_gets_the_address(
    store: Store, account: Account, other: Account
) -> None:
    for number in range(1, 21):
        ip = ip_address(f"192.0.2.{number}")
        start = threading.Barrier(2)
        outcomes: list[str] = []

        def lease(who: Account, ip=ip, start=start, outcomes=outcomes) -> None:
            start.wait()
            try:
                with store.write("test") as write:
                    write.leases.create(who.id, ip)
                outcomes.append("leased")
            except Conflict:
                outcomes.append("refused")

        threads = [threading.Thread(target=lease, args=(who,)) for who in (account, other)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(outcomes) == ["leased", "refused"]
    with store.read() as read:
        assert read.leases.list(account.id, ALL)[1] + read.leases.list(other.id, ALL)[1] == 20


def test_many_threads_write_and_read_without_an_error(store: Store, zone: Zone) -> None:
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for i in range(10):
                record_of(store, zone, f"w{number}-{i}")
                with store.read() as read:
                    assert read.records.list(zone.id, ALL)[1] > i
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with store.read() as read:
        assert read.records.list(zone.id, ALL)[1] == 80
