"""The whole product, new for each test."""

from __future__ import annotations

import pytest

from tests.support.product import Product, configuration


@pytest.fixture
def product(tmp_path):
    with Product(configuration(tmp_path / "data")) as running:
        yield running
