"""Accounts and zones."""

from __future__ import annotations

import pytest

from egressway.model.account import Account, AccountChange, AccountType
from egressway.model.errors import Conflict, Invalid, NotFound
from egressway.model.hostname import Hostname
from egressway.model.ids import AccountId, ZoneId
from egressway.model.paging import Direction, Paging, TextFilter
from egressway.model.zone import Zone, ZoneChange, ZoneDraft, ZoneFilter, ZoneStatus, ZoneType
from egressway.store import Store
from tests.unit.store.world import (
    ALL,
    account_of,
    lease_of,
    leased_pool,
    record_of,
    set_aegis,
    zone_of,
)


def names(store: Store, paging: Paging = ALL, **where: object) -> list[str]:
    with store.read() as read:
        return [zone.name for zone in read.zones.list(paging, ZoneFilter(**where))[0]]  # type: ignore[arg-type]


def test_an_account_comes_back_as_it_was_created(store: Store) -> None:
    account = account_of(
        store,
        "A",
        type="enterprise",
        settings={"abuse_contact_email": "abuse@example.com", "enforce_twofactor": True},
    )
    with store.read() as read:
        assert read.accounts.get(account.id) == account
    assert account.type is AccountType.ENTERPRISE
    assert account.created_on.tzinfo is not None


def test_an_update_changes_what_is_given_and_the_moment(store: Store, account: Account) -> None:
    with store.write("test") as write:
        changed = write.accounts.update(account.id, AccountChange(name="renamed"))
    assert (changed.name, changed.type) == ("renamed", account.type)
    assert changed.modified_on > account.modified_on
    assert changed.created_on == account.created_on


def test_an_account_that_owns_something_stays(store: Store, account: Account, zone: Zone) -> None:
    lease_of(store, account, "192.0.2.1")
    with pytest.raises(Conflict, match="zones and leased IPs"), store.write("test") as write:
        write.accounts.delete(account.id)
    with store.write("test") as write:
        write.accounts.get(account.id)


def test_an_empty_account_goes(store: Store, account: Account) -> None:
    with store.write("test") as write:
        write.accounts.delete(account.id)
    with store.read() as read, pytest.raises(NotFound):
        read.accounts.get(account.id)


def test_what_does_not_exist_is_not_found(store: Store) -> None:
    nowhere = AccountId("0" * 32)
    with store.write("test") as write:
        for call in (
            lambda: write.accounts.get(nowhere),
            lambda: write.accounts.update(nowhere, AccountChange()),
            lambda: write.accounts.delete(nowhere),
            lambda: write.zones.get(ZoneId("0" * 32)),
            lambda: write.zones.edit(ZoneId("0" * 32), ZoneChange()),
            lambda: write.zones.delete(ZoneId("0" * 32)),
            lambda: write.leases.list(nowhere, ALL),
            lambda: write.pools.list(nowhere, ALL),
            lambda: write.tokens.list(nowhere, ALL),
            lambda: write.records.list(ZoneId("0" * 32), ALL),
            lambda: write.certificates.list(ZoneId("0" * 32), ALL),
            lambda: write.settings.list(ZoneId("0" * 32)),
        ):
            with pytest.raises(NotFound):
                call()


def test_accounts_are_found_by_name(store: Store) -> None:
    for name in ("Alpha", "beta", "100%"):
        account_of(store, name)
    with store.read() as read:

        def found(text: str) -> list[str]:
            accounts, total = read.accounts.list(ALL, name=TextFilter.parse(text))
            assert total == len(accounts)
            return [each.name for each in accounts]

        assert found("ALPHA") == ["Alpha"]
        assert found("not_equal:alpha") == ["beta", "100%"]
        assert found("contains:ET") == ["beta"]
        assert found("contains:%") == ["100%"]
        assert found("contains:_") == []
        assert found("starts_with:al") == ["Alpha"]
        assert found("ends_with:A") == ["Alpha", "beta"]
        assert found("starts_with_case_sensitive:al") == []
        assert found("starts_with_case_sensitive:Al") == ["Alpha"]
        assert found("ends_with_case_sensitive:ha") == ["Alpha"]
        assert found("ends_with_case_sensitive:Ha") == []
        assert found("contains_case_sensitive:lph") == ["Alpha"]
        assert found("contains_case_sensitive:LPH") == []
        assert found("ends_with_case_sensitive:much longer than any name") == []


def test_a_zone_is_active_at_once(store: Store, account: Account, zone: Zone) -> None:
    assert (zone.status, zone.is_paused, zone.type) == (ZoneStatus.ACTIVE, False, ZoneType.FULL)
    assert (zone.account_id, zone.account_name) == (account.id, "first")
    with store.read() as read:
        assert read.zones.get(zone.id) == zone


def test_a_zone_exists_once_in_all_accounts(store: Store, zone: Zone, other: Account) -> None:
    with pytest.raises(Conflict) as caught:
        zone_of(store, other, "example.com")
    assert (caught.value.pointer, caught.value.code) == ("/name", 1061)


def test_a_zone_needs_an_account_that_exists(store: Store) -> None:
    with pytest.raises(Invalid) as caught, store.write("test") as write:
        write.zones.create(ZoneDraft(AccountId("0" * 32), Hostname("example.com")))
    assert caught.value.pointer == "/account/id"


def test_an_edit_pauses_a_zone(store: Store, zone: Zone) -> None:
    with store.write("test") as write:
        paused = write.zones.edit(zone.id, ZoneChange(is_paused=True))
    assert paused.is_paused
    assert paused.modified_on > zone.modified_on


def test_deleting_a_zone_takes_all_that_is_its(store: Store, account: Account, zone: Zone) -> None:
    record_of(store, zone)
    pool = leased_pool(store, account, "192.0.2.1")
    set_aegis(store, zone, enabled=True, pool_id=pool.id)
    with store.write("test") as write:
        write.zones.delete(zone.id)
    again = zone_of(store, account, "example.com")
    with store.read() as read:
        assert read.records.list(again.id, ALL) == ([], 0)
        (compiled,) = read.zones_for_snapshot()
        assert (compiled.pool_id, compiled.records) == (None, ())
    record_of(store, again)
    with store.write("test") as write:
        write.pools.delete(account.id, pool.id)


def test_zones_are_filtered(store: Store, account: Account, other: Account) -> None:
    zone_of(store, account, "alpha.example")
    zone_of(store, account, "beta.example")
    zone_of(store, other, "gamma.example")
    assert names(store, name=TextFilter.parse("BETA.example")) == ["beta.example"]
    assert names(store, name=TextFilter.parse("contains:a.ex"), account_id=other.id) == [
        "gamma.example"
    ]
    assert names(store, account_name=TextFilter.parse("second")) == ["gamma.example"]
    assert names(store, status=ZoneStatus.PENDING) == []
    assert names(store, type=ZoneType.FULL, status=ZoneStatus.ACTIVE) == names(store)
    assert names(
        store, name=TextFilter.parse("alpha.example"), account_id=other.id, match_any=True
    ) == ["alpha.example", "gamma.example"]
    assert names(store, name=TextFilter.parse("alpha.example"), account_id=other.id) == []


def test_zones_are_sorted_and_paged_without_repeating(store: Store, account: Account) -> None:
    every = [f"z{i}.example" for i in range(7)]
    for name in every:
        zone_of(store, account, name)
    assert names(store) == every
    assert names(store, Paging(order="name", direction=Direction.DESC)) == every[::-1]
    for order in ("name", "status", "account.id", "account.name", "plan.id"):
        pages = [names(store, Paging(page, 3, order=order)) for page in (1, 2, 3, 4)]
        assert [len(page) for page in pages] == [3, 3, 1, 0]
        assert sorted(name for page in pages for name in page) == every
    with pytest.raises(Invalid, match="order must be one of"):
        names(store, Paging(order="color"))
