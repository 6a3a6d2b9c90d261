"""Stores for tests that need a new one for every example."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from egressway.store import Store
from tests.support.postgres import Postgres
from tests.support.sqlite import new_file

NewStore = Callable[..., AbstractContextManager[Store]]


@pytest.fixture(params=["sqlite", "postgresql"])
def new_store(request: pytest.FixtureRequest) -> NewStore:
    """Opens an empty store of either kind, with what `Store.open` takes."""
    if request.param == "sqlite":
        return _in_a_file
    server: Postgres = request.getfixturevalue("postgres")

    @contextmanager
    def in_postgresql(**options: Any) -> Iterator[Store]:
        url = server.new_url()
        with Store.open(url, **options) as store:
            yield store
        server.drop(url)

    return in_postgresql


@contextmanager
def _in_a_file(**options: Any) -> Iterator[Store]:
    with (
        tempfile.TemporaryDirectory() as folder,
        Store.open(new_file(Path(folder) / "egressway.db"), **options) as store,
    ):
        yield store
