"""A store of its own per test, in SQLite and in PostgreSQL, with one account and one zone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from egressway.model.account import Account
from egressway.model.zone import Zone
from egressway.store import Store
from tests.unit.store.world import account_of, zone_of


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    with Store.open(store_url) as opened:
        yield opened


@pytest.fixture
def account(store: Store) -> Account:
    return account_of(store, "first")


@pytest.fixture
def other(store: Store) -> Account:
    return account_of(store, "second")


@pytest.fixture
def zone(store: Store, account: Account) -> Zone:
    return zone_of(store, account, "example.com")
