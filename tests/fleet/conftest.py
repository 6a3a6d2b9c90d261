"""What more than one file needs."""

from __future__ import annotations

import pytest

from egressway.services.demo_origin import DemoOrigin


@pytest.fixture(scope="module")
def origin():
    """An origin that tells what it sees."""
    running = DemoOrigin()
    yield running
    running.stop()
