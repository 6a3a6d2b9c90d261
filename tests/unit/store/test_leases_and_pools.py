"""Leases, pools, grants."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest
from sqlalchemy import insert
from sqlalchemy.exc import IntegrityError

from egressway.model.account import Account
from egressway.model.errors import Conflict, Invalid, NotFound
from egressway.model.ids import LeaseId, PoolId
from egressway.model.lease import Lease, parse_leased
from egressway.model.paging import Paging
from egressway.model.pool import Pool, PoolChange, PoolSource
from egressway.model.zone import Zone
from egressway.store import Store
from egressway.store.schema import LeaseRow, PoolIpRow
from tests.unit.store.world import (
    ALL,
    aegis,
    around_the_writers,
    lease_of,
    leased_pool,
    pool_of,
    set_aegis,
    zone_of,
)


def patch(store: Store, pool: Pool, **members: object) -> Pool:
    with store.write("test") as write:
        return write.pools.patch(pool.account_id, pool.id, PoolChange.parse(members))


def delete(store: Store, pool: Pool) -> None:
    with store.write("test") as write:
        write.pools.delete(pool.account_id, pool.id)


def ips_of(pool: Pool) -> list[str]:
    return [str(ip) for ip in pool.ips]


def test_an_address_is_leased_once(store: Store, account: Account, other: Account) -> None:
    lease = lease_of(store, account, "2001:db8::1")
    for whom, text in ((account, "this account"), (other, "another account")):
        with pytest.raises(Conflict, match=text) as caught:
            lease_of(store, whom, "2001:DB8:0::1")
        assert caught.value.pointer == "/ip"
    with store.read() as read:
        assert read.leases.list(account.id, ALL) == ([lease], 1)
        assert read.leases.list(other.id, ALL) == ([], 0)


def test_a_returned_address_can_be_leased_again(
    store: Store, account: Account, other: Account
) -> None:
    lease = lease_of(store, account, "192.0.2.1")
    with pytest.raises(NotFound), store.write("test") as write:
        write.leases.delete(other.id, lease.id)
    with store.write("test") as write:
        write.leases.delete(account.id, lease.id)
    assert lease_of(store, other, "192.0.2.1").account_id == other.id


def test_an_address_in_a_pool_stays_leased(store: Store, account: Account) -> None:
    lease = lease_of(store, account, "192.0.2.1")
    pool = pool_of(store, account, "192.0.2.1")
    with pytest.raises(Conflict, match=pool.name), store.write("test") as write:
        write.leases.delete(account.id, lease.id)
    patch(store, pool, ips=[])
    with store.write("test") as write:
        write.leases.delete(account.id, lease.id)


def test_leases_are_paged(store: Store, account: Account) -> None:
    for number in range(5):
        lease_of(store, account, f"192.0.2.{number}")
    with store.read() as read:
        pages = [read.leases.list(account.id, Paging(page, 2)) for page in (1, 2, 3, 4)]
    assert [len(items) for items, _ in pages] == [2, 2, 1, 0]
    assert {total for _, total in pages} == {5}


def test_a_pool_keeps_the_order_of_its_addresses(store: Store, account: Account) -> None:
    pool = leased_pool(store, account, "192.0.2.9", "2001:db8::1", "192.0.2.1")
    with store.read() as read:
        assert read.pools.get(account.id, pool.id) == read.pools.find(pool.id) == pool
    assert ips_of(pool) == ["192.0.2.9", "2001:db8::1", "192.0.2.1"]
    assert ips_of(patch(store, pool, ips=["192.0.2.1", "192.0.2.9"])) == ["192.0.2.1", "192.0.2.9"]


def test_a_pool_holds_only_what_is_leased_to_its_account(
    store: Store, account: Account, other: Account
) -> None:
    lease_of(store, other, "192.0.2.1")
    for ip in ("192.0.2.1", "192.0.2.2"):
        with pytest.raises(Invalid, match="not leased to this account") as caught:
            pool_of(store, account, ip)
        assert caught.value.pointer == "/ips/0"


def test_a_mixed_pool_is_refused_and_both_sides_are_named(store: Store, account: Account) -> None:
    lease_of(store, account, "192.0.2.1")
    for source, ips in (
        ("leased", ("192.0.2.1", "198.51.100.1")),
        ("byoip", ("198.51.100.1", "192.0.2.1")[::-1]),
    ):
        with pytest.raises(Invalid, match="never both") as caught:
            pool_of(store, account, *ips, source=source)
        assert "lease" in caught.value.text
        assert "BYOIP" in caught.value.text
        assert (caught.value.pointer or "").startswith("/ips/")


def test_a_byoip_pool_needs_a_prefix(store: Store, account: Account) -> None:
    with pytest.raises(Invalid, match="no BYOIP prefix"):
        pool_of(store, account, "198.51.100.1", source="byoip")
    assert pool_of(store, account, source="byoip").source is PoolSource.BYOIP


def test_the_source_stays_for_life(store: Store, account: Account) -> None:
    pool = leased_pool(store, account, "192.0.2.1")
    with pytest.raises(Invalid) as caught:
        patch(store, pool, source="byoip")
    assert caught.value.pointer == "/source"
    assert patch(store, pool, source="leased", name="renamed").name == "renamed"


def test_an_address_is_in_one_pool(store: Store, account: Account) -> None:
    first = leased_pool(store, account, "192.0.2.1")
    lease_of(store, account, "192.0.2.2")
    second = pool_of(store, account, "192.0.2.2")
    with pytest.raises(Conflict, match="one pool only") as caught:
        patch(store, second, ips=["192.0.2.2", "192.0.2.1"])
    assert caught.value.pointer == "/ips/1"
    patch(store, first, ips=[])
    assert len(patch(store, second, ips=["192.0.2.2", "192.0.2.1"]).ips) == 2


def test_the_database_itself_guards_addresses(store: Store, account: Account) -> None:
    pool = leased_pool(store, account, "192.0.2.1")
    (ip,) = pool.ips
    with store.read() as read:
        (lease,), _ = read.leases.list(account.id, ALL)
    again = {"created_on": lease.created_on, "modified_on": lease.created_on}
    member = {"pool_id": pool.id, "position": 1}
    free = ip_address("192.0.2.50")
    leased, byoip = PoolSource.LEASED, PoolSource.BYOIP
    for statement, guard in (
        (
            insert(LeaseRow).values(id=LeaseId("0" * 32), account_id=account.id, ip=ip, **again),
            "UNIQUE",
        ),
        (insert(PoolIpRow).values(**member, ip=ip, source=leased, lease_id=lease.id), "UNIQUE"),
        (insert(PoolIpRow).values(**member, ip=free, source=byoip, lease_id=None), "FOREIGN"),
        (insert(PoolIpRow).values(**member, ip=free, source=leased, lease_id=None), "CHECK"),
        (insert(PoolIpRow).values(**member, ip=free, source=leased, lease_id=lease.id), "FOREIGN"),
    ):
        with (
            pytest.raises(IntegrityError, match=f"(?i){guard}"),
            around_the_writers(store) as connection,
        ):
            connection.execute(statement)


def test_a_change_of_a_pool_updates_its_moment(store: Store, account: Account) -> None:
    pool = leased_pool(store, account, "192.0.2.1")
    assert patch(store, pool, name="x").modified_on > pool.modified_on


def test_a_pool_in_use_is_not_deleted_and_its_zones_are_named(
    store: Store, account: Account, zone: Zone
) -> None:
    pool = leased_pool(store, account, "192.0.2.1")
    second = zone_of(store, account, "example.net")
    for each in (zone, second):
        set_aegis(store, each, enabled=True, pool_id=pool.id)
    with pytest.raises(Conflict, match=r"the zones example\.com, example\.net"):
        delete(store, pool)
    set_aegis(store, second, enabled=False)
    with pytest.raises(Conflict, match=r"the zone example\.com"):
        delete(store, pool)
    set_aegis(store, zone, enabled=False)
    delete(store, pool)
    assert aegis(store, zone).value.pool_id is None  # type: ignore[union-attr]
    with store.read() as read, pytest.raises(NotFound):
        read.pools.find(pool.id)


def test_pools_of_other_accounts_are_not_found(
    store: Store, account: Account, other: Account
) -> None:
    pool = leased_pool(store, account, "192.0.2.1")
    with store.write("test") as write:
        for call in (
            lambda: write.pools.get(other.id, pool.id),
            lambda: write.pools.patch(other.id, pool.id, PoolChange()),
            lambda: write.pools.delete(other.id, pool.id),
            lambda: write.pools.find(PoolId("0" * 32)),
            lambda: write.pools.grants(PoolId("0" * 32)),
        ):
            with pytest.raises(NotFound):
                call()


def test_a_grant_can_be_given_twice_and_taken_back(
    store: Store, account: Account, other: Account
) -> None:
    pool = leased_pool(store, account, "192.0.2.1")
    with store.write("test") as write:
        write.pools.grant(pool.id, other.id)
        write.pools.grant(pool.id, other.id)
        assert list(write.pools.grants(pool.id)) == [other.id]
        write.pools.revoke(pool.id, other.id)
        assert list(write.pools.grants(pool.id)) == []
        with pytest.raises(NotFound):
            write.pools.revoke(pool.id, other.id)
        with pytest.raises(Invalid):
            write.pools.grant(pool.id, account.id)


def test_a_grant_in_use_stays(store: Store, account: Account, other: Account) -> None:
    pool = leased_pool(store, account, "192.0.2.1")
    foreign = zone_of(store, other, "example.net")
    with store.write("test") as write:
        write.pools.grant(pool.id, other.id)
    set_aegis(store, foreign, enabled=True, pool_id=pool.id)
    with pytest.raises(Conflict, match=r"example\.net"), store.write("test") as write:
        write.pools.revoke(pool.id, other.id)
    set_aegis(store, foreign, enabled=False)
    with store.write("test") as write:
        write.pools.revoke(pool.id, other.id)
    assert aegis(store, foreign).value.pool_id is None  # type: ignore[union-attr]


# Ranges of IPv6.


def range_of(store: Store, account: Account, text: str) -> Lease:
    with store.write("test") as write:
        return write.leases.create(account.id, parse_leased(text))


def test_a_range_is_leased_pooled_and_drained_like_an_address(
    store: Store, account: Account
) -> None:
    lease = range_of(store, account, "2001:db8:1::/64")
    network = ip_network("2001:db8:1::/64")
    assert lease.ip == network
    pool = pool_of(store, account, "2001:db8:1::/64")
    with store.write("test") as write:
        assert write.pools.get(account.id, pool.id).ips == (network,)
        assert write.placements.set_draining(network, True).slices == ()
        assert write.placements.address(lease.id) == network
        assert [each.ips for each in write.pools_for_snapshot()] == [(network,)]
        assert write.fleet_for_snapshot().draining == {network}
        with pytest.raises(Conflict, match="is in the pool"):
            write.leases.delete(account.id, lease.id)


@pytest.mark.parametrize(
    ("held", "asked"),
    [
        ("2001:db8:1::/64", "2001:db8:1::5"),
        ("2001:db8:1::5", "2001:db8:1::/64"),
        ("2001:db8:1::/64", "2001:db8::/32"),
        ("2001:db8::/32", "2001:db8:1::/64"),
        ("2001:db8:1::/64", "2001:db8:1::/64"),
    ],
)
def test_leases_never_overlap(
    store: Store, account: Account, other: Account, held: str, asked: str
) -> None:
    range_of(store, account, held)
    for whose in (account, other):
        with pytest.raises(Conflict, match=r"overlaps|already leased") as caught:
            range_of(store, whose, asked)
        assert caught.value.pointer == "/ip"
    range_of(store, other, "2001:db9::/64")
    range_of(store, other, "192.0.2.1")
