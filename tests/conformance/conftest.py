"""A data plane and an nginx, each with an origin of its own, for all tests of this folder in a process."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.conformance.smuggling.case import HOST
from tests.support.http_message import Request, response_bytes
from tests.support.nginx import Nginx
from tests.support.origins import Origin, answering
from tests.support.plane import Plane
from tests.support.world import World, origin

IMPATIENT = {"head_ms": 1_000, "body_ms": 1_000, "idle_h1_ms": 1_000}
"""As nginx is configured: cases that leave it waiting end soon."""


@dataclass
class Proxied:
    """An origin, and the addresses at which a proxy in front of it takes HTTP/1 and HTTP/2."""

    origin: Origin
    h1: tuple[str, int]
    h2: tuple[str, int]


def echo(request: Request) -> bytes:
    """An answer that says what was asked, so that answers cannot be taken for each other."""
    return response_bytes(200, f"{request.method} {request.target}".encode())


@pytest.fixture(scope="session")
def egressway() -> Iterator[Proxied]:
    """The data plane."""
    with Origin(answering(echo)) as home:
        world = World(settings=IMPATIENT)
        world.zone(HOST, origin(home.port))
        with Plane(world, workers=2) as plane:
            yield Proxied(home, plane.http, plane.http)


@pytest.fixture(scope="session")
def nginx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxied]:
    """The rival."""
    folder = tmp_path_factory.mktemp("nginx")
    with Origin(answering(echo)) as home, Nginx(folder, home.port) as rival:
        yield Proxied(home, rival.address, rival.h2_address)
