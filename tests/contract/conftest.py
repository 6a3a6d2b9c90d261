"""The API that the official SDK talks to in these tests, over SQLite and over PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.api.world import World, running


@pytest.fixture
def world(tmp_path: Path, store_url: str) -> Iterator[World]:
    with running(tmp_path, store_url=store_url) as started:
        yield started
