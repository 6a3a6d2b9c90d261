"""What distribution reads in bulk."""

from __future__ import annotations

from ipaddress import ip_address

from sqlalchemy import event

from egressway.model.account import Account
from egressway.model.hostname import Hostname
from egressway.model.ids import ZoneId
from egressway.model.origin import OriginDetails, OriginScheme
from egressway.model.setting import SettingId, SslMode
from egressway.model.token import OPERATOR
from egressway.model.zone import Zone, ZoneChange, ZoneDraft
from egressway.store import SnapshotPool, SnapshotRecord, SnapshotZone, Store
from tests.unit.store.world import (
    ALL,
    account_of,
    leased_pool,
    pool_of,
    record_of,
    set_aegis,
    zone_of,
)


def compiled(store: Store, *zone_ids: ZoneId) -> list[SnapshotZone]:
    with store.read() as read:
        return read.zones_for_snapshot(zone_ids or None)


def test_a_zone_is_compiled_whole(store: Store, account: Account, zone: Zone) -> None:
    pool = leased_pool(store, account, "192.0.2.1")
    record_of(store, zone, "www", settings={"origin_port": 8080, "origin_scheme": "http"})
    record_of(store, zone, "www", "2001:db8::9", type="AAAA")
    record_of(store, zone, "unproxied", proxied=False)
    set_aegis(store, zone, enabled=True, pool_id=pool.id)
    with store.write("test") as write:
        write.settings.put(zone.id, SettingId.SSL, SslMode.OFF)
    assert compiled(store) == [
        SnapshotZone(
            id=zone.id,
            account_id=account.id,
            name=zone.name,
            pool_id=pool.id,
            ssl=SslMode.OFF,
            max_http_version="2",
            h2_max_streams=100,
            records=(
                SnapshotRecord(
                    Hostname("www.example.com"),
                    ip_address("192.0.2.9"),
                    OriginDetails(port=8080, scheme=OriginScheme.HTTP),
                ),
                SnapshotRecord(
                    Hostname("www.example.com"),
                    ip_address("2001:db8::9"),
                    OriginDetails(),
                ),
            ),
            certificates=(),
        )
    ]


def test_a_disabled_zone_has_no_pool(store: Store, account: Account, zone: Zone) -> None:
    pool = leased_pool(store, account, "192.0.2.1")
    set_aegis(store, zone, enabled=True, pool_id=pool.id)
    set_aegis(store, zone, enabled=False)
    assert compiled(store)[0].pool_id is None


def test_only_the_zones_asked_for_are_compiled(store: Store, account: Account, zone: Zone) -> None:
    second = zone_of(store, account, "example.net")
    assert [each.id for each in compiled(store, second.id)] == [second.id]
    assert {each.id for each in compiled(store, second.id, zone.id)} == {zone.id, second.id}
    with store.read() as read:
        assert read.zones_for_snapshot([]) == []


def test_deleted_and_paused_zones_are_left_out(store: Store, account: Account, zone: Zone) -> None:
    second = zone_of(store, account, "example.net")
    with store.write("test") as write:
        write.zones.delete(zone.id)
        write.zones.edit(second.id, ZoneChange(is_paused=True))
    assert compiled(store) == compiled(store, zone.id, second.id) == []


def test_the_number_of_queries_does_not_grow_with_zones(store: Store, account: Account) -> None:
    queries: list[str] = []

    def note(_c: object, _u: object, statement: str, *_: object) -> None:
        queries.append(statement)

    counts = []
    event.listen(store._engine, "before_cursor_execute", note)
    for number in range(3):
        zone = zone_of(store, account, f"z{number}.example")
        record_of(store, zone)
        queries.clear()
        assert len(compiled(store)) == number + 1
        counts.append(len([each for each in queries if each.startswith("SELECT")]))
    assert counts == [5, 5, 5]


def test_pages_cost_the_same_however_full_they_are(store: Store) -> None:
    queries: list[str] = []

    def note(_c: object, _u: object, statement: str, *_: object) -> None:
        queries.append(statement)

    counts = []
    event.listen(store._engine, "before_cursor_execute", note)
    for number in range(3):
        account = account_of(store, f"account {number}")
        zone = zone_of(store, account, f"z{number}.example")
        record_of(store, zone)
        for _ in range(number + 1):
            pool_of(store, account)
        queries.clear()
        with store.read() as read:
            assert read.zones.list(ALL, principal=OPERATOR)[1] == number + 1
            assert read.records.list(zone.id, ALL)[1] == 1
            assert read.pools.list(account.id, ALL)[1] == number + 1
        counts.append(len([each for each in queries if each.startswith("SELECT")]))
    assert counts == [counts[0]] * 3


def test_many_zones_can_be_asked_for_at_once(store: Store, account: Account) -> None:
    with store.write("test") as write:
        made = [
            write.zones.create(ZoneDraft(account.id, Hostname(f"z{number}.example")))
            for number in range(1200)
        ]
    ids = [zone.id for zone in made]
    assert {zone.id for zone in compiled(store, *ids)} == set(ids)
    assert len(compiled(store, *ids[:700], *ids[:700])) == 700


def test_every_pool_is_listed_even_without_addresses(store: Store, account: Account) -> None:
    full = leased_pool(store, account, "192.0.2.2", "192.0.2.1")
    empty = pool_of(store, account)
    with store.read() as read:
        pools = {pool.id: pool for pool in read.pools_for_snapshot()}
    assert pools == {
        full.id: SnapshotPool(full.id, account.id, full.ips),
        empty.id: SnapshotPool(empty.id, account.id, ()),
    }
