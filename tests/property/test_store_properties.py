"""What must hold for every sequence: who sees what, and to whom addresses and names belong."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from ipaddress import ip_address

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from egressway.model.account import Account
from egressway.model.errors import EgresswayError
from egressway.model.ids import TokenId
from egressway.model.permission import Permission, Resource
from egressway.model.pool import Pool, PoolChange, PoolDraft, PoolSource
from egressway.model.token import Effect, Policy, Principal
from egressway.model.zone import Zone
from egressway.store import Store
from tests.property.conftest import NewStore
from tests.unit.store.world import ALL, account_of, draft_of, zone_of

SLOW = settings(
    max_examples=40, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)


@contextmanager
def fleet(new_store: NewStore) -> Iterator[tuple[Store, list[Account], list[Zone]]]:
    """A store with two accounts, and zones of which one lies below another's."""
    with new_store() as store:
        accounts = [account_of(store, "first"), account_of(store, "second")]
        zones = [
            zone_of(store, accounts[0], "example.com"),
            zone_of(store, accounts[0], "example.net"),
            zone_of(store, accounts[1], "a.example.com"),
        ]
        yield store, accounts, zones


RESOURCE = st.tuples(st.sampled_from([None, 0, 1]), st.sampled_from([None, 0, 1, 2]), st.booleans())
POLICY = st.tuples(
    st.sampled_from(list(Effect)),
    st.sampled_from(
        [
            Permission.ZONE_READ,
            Permission.ZONE_WRITE,
            Permission.ACCOUNT_SETTINGS_READ,
            Permission.DNS_READ,
        ]
    ),
    st.lists(RESOURCE, min_size=1, max_size=3),
)


@SLOW
@given(
    st.lists(st.tuples(st.sampled_from([None, 0, 1]), st.lists(POLICY, max_size=4)), max_size=30)
)
def test_a_list_shows_exactly_what_the_principal_may_read(new_store: NewStore, drawn: list) -> None:
    with fleet(new_store) as (store, accounts, zones), store.read() as read:
        for owner, policies in drawn:
            principal = Principal(
                TokenId("0" * 32),
                "t",
                None if owner is None else accounts[owner].id,
                policies=tuple(
                    Policy(
                        effect,
                        frozenset({permission}),
                        tuple(
                            Resource(
                                None if a is None else accounts[a].id,
                                None if z is None else zones[z].id,
                                zones_only or z is not None,
                            )
                            for a, z, zones_only in resources
                        ),
                    )
                    for effect, permission, resources in policies
                ),
            )
            seen, _ = read.zones.list(ALL, principal=principal)
            assert [zone.id for zone in seen] == [
                zone.id
                for zone in zones
                if principal.may(Permission.ZONE_READ, zone.account_id, zone.id)
            ]
            shown, _ = read.accounts.list(ALL, principal=principal)
            assert [account.id for account in shown] == [
                account.id
                for account in accounts
                if principal.may(Permission.ACCOUNT_SETTINGS_READ, account.id)
            ]


NAME = st.sampled_from(["@", "*", "a", "b", "*.a", "a.a"])
RECORD_STEP = st.tuples(
    st.sampled_from(["create", "replace", "delete"]),
    st.integers(0, 2),
    st.integers(0, 9),
    NAME,
    st.integers(1, 3),
    st.booleans(),
)


@SLOW
@given(st.lists(RECORD_STEP, max_size=25))
def test_a_proxied_name_is_always_in_one_zone_only(new_store: NewStore, steps: list) -> None:
    with fleet(new_store) as (store, _, zones):
        for verb, number, which, name, last, proxied in steps:
            zone = zones[number]
            with suppress(EgresswayError), store.write("test") as write:
                records, _ = write.records.list(zone.id, ALL)
                draft = draft_of(name, f"192.0.2.{last}", proxied=proxied)
                if verb == "create":
                    write.records.create(zone.id, draft)
                elif which < len(records) and verb == "replace":
                    write.records.replace(zone.id, records[which].id, draft)
                elif which < len(records):
                    write.records.delete(zone.id, records[which].id)
            with store.read() as read:
                served = [
                    {record.name for record in each.records} for each in read.zones_for_snapshot()
                ]
                assert sum(map(len, served)) == len(set().union(*served))
                held = read._session.connection().exec_driver_sql("SELECT name FROM host")
                assert {name for (name,) in held} == set().union(*served)


POOL_STEP = st.tuples(
    st.sampled_from(["lease", "unlease", "create", "patch", "delete"]),
    st.integers(0, 1),
    st.lists(st.integers(1, 4), max_size=3, unique=True),
    st.integers(0, 5),
)


@SLOW
@given(st.lists(POOL_STEP, max_size=30))
def test_an_address_has_one_lease_and_one_pool_of_the_same_account(
    new_store: NewStore, steps: list
) -> None:
    with fleet(new_store) as (store, accounts, _):
        for verb, owner, numbers, which in steps:
            account = accounts[owner]
            ips = tuple(ip_address(f"192.0.2.{number}") for number in numbers)
            with suppress(EgresswayError), store.write("test") as write:
                pools, _ = write.pools.list(account.id, ALL)
                leases, _ = write.leases.list(account.id, ALL)
                if verb == "lease":
                    for ip in ips:
                        write.leases.create(account.id, ip)
                elif verb == "unlease" and which < len(leases):
                    write.leases.delete(account.id, leases[which].id)
                elif verb == "create":
                    write.pools.create(account.id, PoolDraft("p", PoolSource.LEASED, ips))
                elif verb == "patch" and which < len(pools):
                    write.pools.patch(account.id, pools[which].id, PoolChange(ips=ips))
                elif verb == "delete" and which < len(pools):
                    write.pools.delete(account.id, pools[which].id)
            _check_pools(store, accounts)


def _check_pools(store: Store, accounts: list[Account]) -> None:
    with store.read() as read:
        leased = {
            account.id: {lease.ip for lease in read.leases.list(account.id, ALL)[0]}
            for account in accounts
        }
        assert leased[accounts[0].id].isdisjoint(leased[accounts[1].id])
        pooled: list[Pool] = [
            pool for account in accounts for pool in read.pools.list(account.id, ALL)[0]
        ]
        every = [ip for pool in pooled for ip in pool.ips]
        assert len(every) == len(set(every))
        assert all(set(pool.ips) <= leased[pool.account_id] for pool in pooled)
