"""A store per test."""

from __future__ import annotations

import pytest

from tests.support.installation import Installation


@pytest.fixture
def installation(tmp_path):
    made = Installation(tmp_path)
    yield made
    made.close()
