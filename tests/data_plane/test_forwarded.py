"""What the plane says of a client cannot be said by the client."""

from __future__ import annotations

import re

import pytest

from tests.support.certificates import Authority
from tests.support.h1_client import H1Client, fetch
from tests.support.h2_client import fetch_h2
from tests.support.http_message import response_bytes
from tests.support.origins import Origin, answering
from tests.support.plane import Plane
from tests.support.world import World, origin

HOST = "www.example.com"

FORGED = [
    ("X-Forwarded-For", "203.0.113.9"),
    ("X-Forwarded-Proto", "https"),
    ("X-Forwarded-Host", "evil.example.com"),
    ("X-Forwarded-Port", "443"),
    ("Forwarded", "for=203.0.113.9;proto=https"),
    ("X-Real-IP", "203.0.113.9"),
    ("X-Request-Id", "forged"),
    ("Egressway-Zone", "forged"),
]

FORGED_IN_DISGUISE = [(name.replace("-", "_"), value) for name, value in FORGED if "-" in name]


def plane_to(home: Origin, **settings: object) -> Plane:
    world = World(settings=dict(settings))
    world.zone(HOST, origin(home.port))
    return Plane(world)


@pytest.mark.parametrize("forged", [FORGED, FORGED_IN_DISGUISE], ids=["plain", "disguised"])
def test_a_client_cannot_forge_what_the_plane_says(forged: list[tuple[str, str]]) -> None:
    with Origin(answering()) as home, plane_to(home) as plane:
        assert fetch(plane.http, HOST, "/", *forged).status == 200
        lower = [(name.lower(), value) for name, value in forged]
        assert fetch_h2(plane.http, HOST, "/", *lower).status == 200
        for request in home.requests:
            assert request.get_all("x-forwarded-for") == ["127.0.0.1"]
            assert request.get_all("x-forwarded-proto") == ["http"]
            assert request.get_all("forwarded") == [f'for=127.0.0.1;proto=http;host="{HOST}"']
            assert len(request.get_all("x-request-id")) == 1
            text = " ".join(f"{name}: {value}" for name, value in request.fields)
            assert "203.0.113.9" not in text
            assert "forged" not in text
            assert "evil" not in text


def test_a_trusted_clients_word_is_kept_and_added_to() -> None:
    with Origin(answering()) as home, plane_to(home, trusted_clients=["127.0.0.0/8"]) as plane:
        assert fetch(plane.http, HOST, "/", ("X-Forwarded-For", "203.0.113.9")).status == 200
        assert home.requests[0].get_all("x-forwarded-for") == ["203.0.113.9, 127.0.0.1"]


def test_the_scheme_is_the_clients(authority: Authority) -> None:
    with Origin(answering()) as home:
        world = World()
        world.zone(HOST, origin(home.port), certificates=[authority.issue(HOST)])
        with Plane(world) as plane:
            assert fetch(plane.https, HOST, tls=authority.client_context()).status == 200
            assert home.requests[0].get("x-forwarded-proto") == "https"


def test_a_client_of_ipv6_is_named() -> None:
    with Origin(answering()) as home:
        world = World()
        port = world.listen(tls=False, ip="::1")
        world.zone(HOST, origin(home.port))
        with Plane(world):
            assert fetch(("::1", port), HOST).status == 200
            assert home.requests[0].get("x-forwarded-for") == "::1"
            assert home.requests[0].get("forwarded") == f'for="[::1]";proto=http;host="{HOST}"'


def test_one_request_id_goes_to_origin_client_and_log_and_to_no_other_request() -> None:
    with (
        Origin(answering(response_bytes(200, b"x", ("X-Request-Id", "the origins")))) as home,
        plane_to(home) as plane,
        H1Client(plane.http) as client,
    ):
        ids = []
        for _ in range(50):
            answer = client.request(HOST)
            assert answer.get_all("x-request-id") == home.requests[-1].get_all("x-request-id")
            ids.append(str(answer.get("x-request-id")))
        assert len(set(ids)) == 50
        assert all(re.fullmatch("[0-9a-f]{32}", each) for each in ids)
        assert plane.log_line(request_id=ids[-1])["status"] == 200


def test_an_origin_cannot_speak_for_the_plane() -> None:
    with (
        Origin(answering(response_bytes(200, b"x", ("Egressway-Error", "internal")))) as home,
        plane_to(home) as plane,
    ):
        assert fetch(plane.http, HOST).error is None
        assert fetch_h2(plane.http, HOST).error is None
