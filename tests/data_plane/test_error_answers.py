"""Answers the plane gives itself: a code for machines, a page for people, an id to find the incident by."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest

from egressway.data_plane._native import error_codes
from tests.support.addresses import listening_port
from tests.support.h1_client import H1Client, fetch
from tests.support.h2_client import fetch_h2
from tests.support.plane import Plane
from tests.support.waiting import eventually
from tests.support.world import World, origin

REFUSED = "refused.example.com"
BROWSER = ("Accept", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8")


@pytest.fixture
def plane() -> Iterator[Plane]:
    world = World()
    world.zone(REFUSED, origin(listening_port()))
    with Plane(world) as running:
        yield running


def test_programs_get_json(plane: Plane) -> None:
    answer = fetch(plane.http, REFUSED)
    assert (answer.status, answer.error) == (502, "origin_refused")
    assert answer.get("content-type") == "application/json; charset=utf-8"
    assert answer.get("cache-control") == "no-store"
    assert answer.get("retry-after") == "1"
    error = msgspec.json.decode(answer.body)["error"]
    assert error["code"] == "origin_refused"
    assert error["message"] == "The origin refused the connection."
    assert error["request_id"] == answer.get("x-request-id")
    assert plane.log_line(request_id=error["request_id"])["error"] == "origin_refused"


def test_browsers_get_a_page(plane: Plane) -> None:
    answer = fetch(plane.http, REFUSED, "/", BROWSER)
    assert (answer.status, answer.error) == (502, "origin_refused")
    assert answer.get("content-type") == "text/html; charset=utf-8"
    page = answer.body.decode()
    assert page.startswith("<!doctype html>")
    assert "The origin refused the connection." in page
    assert str(answer.get("x-request-id")) in page


def test_the_same_holds_over_http2(plane: Plane) -> None:
    answer = fetch_h2(plane.http, REFUSED)
    assert (answer.status, answer.error) == (502, "origin_refused")
    error = msgspec.json.decode(bytes(answer.body))["error"]
    assert error["request_id"] == answer.get("x-request-id")


@pytest.mark.parametrize("host", [REFUSED, "unknown.example.com"])
def test_head_gets_no_body(plane: Plane, host: str) -> None:
    with H1Client(plane.http) as client:
        answer = client.request(host, method="HEAD")
        assert answer.error is not None
        assert answer.body == b""
        assert client.request(host).body != b""
    assert fetch_h2(plane.http, host, method="HEAD").body == b""


def test_the_connection_lives_on_after_an_error_that_is_not_its_own(plane: Plane) -> None:
    with H1Client(plane.http) as client:
        for _ in range(3):
            assert client.request(REFUSED).error == "origin_refused"
            assert client.request("unknown.example.com").error == "zone_not_found"


def test_an_error_before_the_body_is_read_says_whether_the_connection_lives_on(
    plane: Plane,
) -> None:
    with H1Client(plane.http) as client:
        answer = client.request("unknown.example.com", method="POST", body=b"x")
        assert answer.error == "zone_not_found"
        if answer.get("connection") == "close":
            assert client.is_closed_by_peer()
        else:
            assert client.request("unknown.example.com").error == "zone_not_found"


def test_an_error_of_the_request_closes_the_connection(plane: Plane) -> None:
    with H1Client(plane.http) as client:
        client.send(b"GET / HTTP/1.1\r\n\r\n")
        answer = client.read_response()
        assert (answer.status, answer.error) == (400, "host_invalid")
        assert answer.get("connection") == "close"
        assert client.is_closed_by_peer()


def test_nothing_of_the_request_is_shown_in_a_page(plane: Plane) -> None:
    answer = fetch(plane.http, "unknown.example.com", "/<script>alert(1)</script>", BROWSER)
    assert b"script" not in answer.body


def test_errors_are_counted_by_code(plane: Plane) -> None:
    for _ in range(3):
        fetch(plane.http, REFUSED)
    fetch(plane.http, "unknown.example.com")
    eventually(lambda: plane.counted("requests") == 4)
    assert plane.requests["error:origin_refused"] == 3
    assert plane.requests["error:zone_not_found"] == 1


def test_every_code_says_enough() -> None:
    for code, status, source, retry, after, message in error_codes():
        assert code.replace("_", "").isalnum()
        assert 400 <= status <= 599
        assert source in ("client", "egress", "origin", "internal")
        assert retry in ("never", "if_idempotent", "safe")
        assert after is None or after > 0
        assert message.endswith(".")
