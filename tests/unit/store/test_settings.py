"""Settings of zones, first of all `aegis`."""

from __future__ import annotations

import pytest
from sqlalchemy import update
from sqlalchemy.exc import IntegrityError

from egressway.model.account import Account, AccountChange, AccountType
from egressway.model.errors import Forbidden, Invalid
from egressway.model.ids import PoolId
from egressway.model.pool import PoolChange
from egressway.model.setting import AegisValue, SettingId, SslMode
from egressway.model.zone import Zone
from egressway.store import Store
from egressway.store.schema import ZoneAegisRow
from tests.unit.store.world import (
    aegis,
    around_the_writers,
    lease_of,
    leased_pool,
    pool_of,
    set_aegis,
    zone_of,
)


def test_aegis_is_off_and_not_editable_without_entitlement(store: Store, zone: Zone) -> None:
    setting = aegis(store, zone)
    assert (setting.value, setting.modified_on, setting.editable) == (AegisValue(), None, False)
    with pytest.raises(Forbidden):
        set_aegis(store, zone, enabled=False)
    with store.read() as read:
        assert SettingId.AEGIS not in [each.id for each in read.settings.list(zone.id)]


def test_a_leased_address_entitles(store: Store, account: Account, zone: Zone) -> None:
    lease_of(store, account, "192.0.2.1")
    assert aegis(store, zone).editable
    with store.read() as read:
        assert SettingId.AEGIS in [each.id for each in read.settings.list(zone.id)]


def test_enable_disable_enable_keeps_the_pool(store: Store, account: Account, zone: Zone) -> None:
    pool = leased_pool(store, account, "192.0.2.1")
    on = set_aegis(store, zone, enabled=True, pool_id=pool.id)
    assert (on.value, on.editable) == (AegisValue(True, pool.id), True)
    off = set_aegis(store, zone, enabled=False)
    assert off.value == AegisValue(False, pool.id)
    again = set_aegis(store, zone, enabled=True)
    assert again.value == AegisValue(True, pool.id)
    assert aegis(store, zone) == again
    moments = [each.modified_on for each in (on, off, again) if each.modified_on]
    assert len(moments) == 3
    assert moments == sorted(set(moments))


def test_a_change_to_the_same_value_is_a_change(store: Store, account: Account, zone: Zone) -> None:
    pool = leased_pool(store, account, "192.0.2.1")
    first = set_aegis(store, zone, enabled=True, pool_id=pool.id)
    second = set_aegis(store, zone, enabled=True, pool_id=pool.id)
    assert first.modified_on
    assert second.modified_on
    assert second.modified_on > first.modified_on


def test_enabling_without_any_pool_is_refused(store: Store, account: Account, zone: Zone) -> None:
    lease_of(store, account, "192.0.2.1")
    with pytest.raises(Invalid) as caught:
        set_aegis(store, zone, enabled=True)
    assert caught.value.pointer == "/value/pool_id"


def test_unknown_and_foreign_pools_are_told_apart(
    store: Store, account: Account, zone: Zone, other: Account
) -> None:
    lease_of(store, account, "192.0.2.1")
    foreign = leased_pool(store, other, "192.0.2.2")
    for enabled in (True, False):
        with pytest.raises(Invalid) as unknown:
            set_aegis(store, zone, enabled=enabled, pool_id="0" * 32)
        with pytest.raises(Forbidden) as forbidden:
            set_aegis(store, zone, enabled=enabled, pool_id=foreign.id)
        assert unknown.value.pointer == forbidden.value.pointer == "/value/pool_id"
    assert aegis(store, zone).value == AegisValue()


def test_a_granted_pool_entitles_and_can_be_linked(
    store: Store, account: Account, zone: Zone, other: Account
) -> None:
    pool = leased_pool(store, account, "192.0.2.1")
    foreign = zone_of(store, other, "example.net")
    with pytest.raises(Forbidden):
        set_aegis(store, foreign, enabled=True, pool_id=pool.id)
    with store.write("test") as write:
        write.pools.grant(pool.id, other.id)
    set_aegis(store, zone, enabled=True, pool_id=pool.id)
    set_aegis(store, foreign, enabled=True, pool_id=pool.id)
    with store.read() as read:
        assert {each.pool_id for each in read.zones_for_snapshot()} == {pool.id}


def test_a_zone_can_leave_a_pool_after_the_last_address_of_its_account_is_gone(
    store: Store, account: Account, zone: Zone
) -> None:
    lease = lease_of(store, account, "192.0.2.1")
    pool = pool_of(store, account, "192.0.2.1")
    set_aegis(store, zone, enabled=True, pool_id=pool.id)
    with store.write("test") as write:
        write.pools.patch(account.id, pool.id, PoolChange(ips=()))
        write.leases.delete(account.id, lease.id)
    for more in ({"enabled": True}, {"enabled": False, "pool_id": pool.id}):
        with pytest.raises(Forbidden):
            set_aegis(store, zone, **more)
    assert set_aegis(store, zone, enabled=False).value == AegisValue(False, pool.id)
    with pytest.raises(Forbidden):
        set_aegis(store, zone, enabled=False)


def test_an_enabled_zone_always_has_a_pool(store: Store, account: Account, zone: Zone) -> None:
    pool = leased_pool(store, account, "192.0.2.1")
    set_aegis(store, zone, enabled=True, pool_id=pool.id)
    for bad in (None, PoolId("0" * 32)):
        with pytest.raises(IntegrityError), around_the_writers(store) as connection:
            connection.execute(update(ZoneAegisRow).values(pool_id=bad))


def test_other_settings_have_defaults_until_they_are_set(store: Store, zone: Zone) -> None:
    with store.read() as read:
        before = read.settings.get(zone.id, SettingId.SSL)
    assert (before.value, before.modified_on, before.editable) == (SslMode.FULL, None, True)
    with store.write("test") as write:
        put = write.settings.put(zone.id, SettingId.SSL, SslMode.STRICT)
        write.settings.put(zone.id, SettingId.ORIGIN_MAX_HTTP_VERSION, "1")
        write.settings.put(zone.id, SettingId.ORIGIN_H2_MAX_STREAMS, 7)
    with store.read() as read:
        assert read.settings.get(zone.id, SettingId.SSL) == put
        assert put.modified_on is not None
        assert put.value is SslMode.STRICT
        assert [each.value for each in read.settings.list(zone.id)] == [SslMode.STRICT, "1", 7]


def test_the_account_type_decides_defaults_only(store: Store, account: Account, zone: Zone) -> None:
    with store.write("test") as write:
        write.settings.put(zone.id, SettingId.ORIGIN_H2_MAX_STREAMS, 50)
        write.accounts.update(account.id, AccountChange(type=AccountType.ENTERPRISE))
    with store.read() as read:
        (compiled,) = read.zones_for_snapshot()
        version = read.settings.get(zone.id, SettingId.ORIGIN_MAX_HTTP_VERSION).value
    assert (version, compiled.max_http_version, compiled.h2_max_streams) == ("1", "1", 50)
