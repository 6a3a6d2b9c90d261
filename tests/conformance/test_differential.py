"""Ordinary requests through the data plane and through nginx: same answer, same request at the origin."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conformance.conftest import Proxied
from tests.conformance.ordinary_requests import REQUESTS, Ordinary, script
from tests.conformance.smuggling.case import HOST
from tests.support.h1_client import H1Client
from tests.support.http_message import Message, Response
from tests.support.nginx import Nginx
from tests.support.origins import Origin
from tests.support.plane import Plane
from tests.support.world import World, origin

DIFFERENT_IN_ANSWERS = {
    "server": "nginx names itself, the data plane leaves the origin's word",
    "date": "the same",
    "x-request-id": "set by the data plane",
    "connection": "each decides for itself how long it keeps a connection",
}

DIFFERENT_AT_ORIGINS = {
    "x-forwarded-for": "set by the data plane; nginx was not told to",
    "x-forwarded-proto": "the same",
    "forwarded": "the same",
    "x-request-id": "the same",
    "cdn-loop": "the same",
    "connection": "nginx was told to leave it out",
    "content-length": "nginx counts the body when it has all of it, and names the length of none",
    "transfer-encoding": "the same",
}


@pytest.fixture(scope="module")
def ours() -> Iterator[Proxied]:
    with Origin(script) as home:
        world = World()
        world.zone(HOST, origin(home.port))
        with Plane(world, workers=2) as plane:
            yield Proxied(home, plane.http, plane.http)


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxied]:
    folder = tmp_path_factory.mktemp("nginx-differential")
    with Origin(script) as home, Nginx(folder, home.port) as rival:
        yield Proxied(home, rival.address, rival.h2_address)


def test_there_are_enough_requests() -> None:
    assert len({request.name for request in REQUESTS}) >= 40


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda request: request.name)
def test_answer_and_request_are_the_same(
    request_: Ordinary, ours: Proxied, theirs: Proxied
) -> None:
    our_answer, their_answer = answer(ours, request_), answer(theirs, request_)
    assert our_answer.status == their_answer.status
    assert our_answer.body == their_answer.body
    assert fields(our_answer, DIFFERENT_IN_ANSWERS) == fields(their_answer, DIFFERENT_IN_ANSWERS)
    our_request, their_request = ours.origin.requests[-1], theirs.origin.requests[-1]
    assert our_request.start == their_request.start
    assert our_request.body == their_request.body
    assert fields(our_request, DIFFERENT_AT_ORIGINS) == fields(their_request, DIFFERENT_AT_ORIGINS)


def answer(proxy: Proxied, request: Ordinary) -> Response:
    with H1Client(proxy.h1) as client:
        client.send(request.sent)
        return client.read_response(request.method)


def fields(message: Message, different: dict[str, str]) -> list[tuple[str, str]]:
    """Without those that may differ; names in lower case, sorted, repeated ones in order."""
    kept = [(n.lower(), v) for n, v in message.fields if n.lower() not in different]
    return sorted(kept, key=lambda pair: pair[0])
