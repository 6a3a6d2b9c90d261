"""One API per test: no two tests share a database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.api.world import World, running


@pytest.fixture
def world(tmp_path: Path, store_url: str) -> Iterator[World]:
    """Over SQLite, and over PostgreSQL."""
    with running(tmp_path, store_url=store_url) as started:
        yield started


@pytest.fixture
def sqlite_world(tmp_path: Path) -> Iterator[World]:
    """For what can only be done to a file."""
    with running(tmp_path) as started:
        yield started
