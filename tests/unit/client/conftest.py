"""A server that obeys, and a client of it that does not wait between attempts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from egressway.client import Access, Client, Transport
from tests.support.scripted_api import ScriptedApi, scripted_api

TOKEN = "a-token-for-tests"


@pytest.fixture
def api() -> Iterator[ScriptedApi]:
    with scripted_api() as running:
        yield running


@dataclass
class Pauses:
    """Stands in for the clock: notes how long a pause would have been."""

    seconds: list[float] = field(default_factory=list)

    def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


@pytest.fixture
def pauses() -> Pauses:
    return Pauses()


@pytest.fixture
def client(api: ScriptedApi, pauses: Pauses) -> Iterator[Client]:
    with Client(Transport(Access(api.url, TOKEN), sleep=pauses)) as opened:
        yield opened
