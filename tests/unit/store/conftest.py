"""A store in a file of its own, with one account and one zone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from egressway.model.account import Account
from egressway.model.zone import Zone
from egressway.store import Store
from tests.unit.store.world import account_of, open_store, zone_of


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def account(store: Store) -> Account:
    return account_of(store, "first")


@pytest.fixture
def other(store: Store) -> Account:
    return account_of(store, "second")


@pytest.fixture
def zone(store: Store, account: Account) -> Zone:
    return zone_of(store, account, "example.com")
