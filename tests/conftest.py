"""Fixtures that more than one folder of tests needs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.certificates import Authority
from tests.support.postgres import Postgres
from tests.support.sqlite import new_file


@pytest.fixture(scope="session")
def authority() -> Authority:
    """A certificate authority for this run."""
    return Authority()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server for this run."""
    with Postgres() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty store of either kind; what asks for it runs on both."""
    if request.param == "sqlite":
        yield new_file(tmp_path / "store.sqlite")
        return
    server: Postgres = request.getfixturevalue("postgres")
    url = server.new_url()
    yield url
    server.drop(url)
