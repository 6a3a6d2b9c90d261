"""Fixtures that more than one folder of tests needs."""

from __future__ import annotations

import pytest

from tests.support.certificates import Authority


@pytest.fixture(scope="session")
def authority() -> Authority:
    """A certificate authority for this run."""
    return Authority()
