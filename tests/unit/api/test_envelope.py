"""Conformance 6, 11, 51, 52 and the failures of the API itself."""

from __future__ import annotations

import logging
import re
import sqlite3

import httpx
import pytest

from egressway.api.problems import problem_of
from egressway.model.errors import StoreUncertain
from tests.unit.api.world import World, check_failure


def test_no_route_is_a_404_envelope(world: World) -> None:
    with world.http() as http:
        assert check_failure(http.get("/nothing"), 404)["code"] == 7003


def test_path_outside_the_api_is_a_404_envelope(world: World) -> None:
    check_failure(httpx.get(f"{world.url}/somewhere"), 404)


def test_wrong_method_is_a_405_envelope(world: World) -> None:
    with world.http() as http:
        check_failure(http.post("/ips"), 405)


@pytest.mark.parametrize(
    "raw", [b"{", b"nothing", b'{"name": }', b"\xff\xfe", b'"' + b"a" * 10, b"[" * 5000]
)
def test_malformed_json_is_a_400(world: World, raw: bytes) -> None:
    with world.http() as http:
        answer = http.post("/accounts", content=raw, headers={"content-type": "application/json"})
    assert check_failure(answer, 400)["code"] == 6007


@pytest.mark.parametrize("raw", [b"[]", b"1", b"null", b'"text"'])
def test_json_that_is_no_object_is_a_400_at_the_root(world: World, raw: bytes) -> None:
    with world.http() as http:
        check_failure(http.post("/accounts", content=raw), 400, "")


def test_zero_length_body_where_one_is_needed_is_a_400(world: World) -> None:
    with world.http() as http:
        answer = http.post("/accounts", headers={"content-type": "application/json"})
    check_failure(answer, 400, "")


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"name": 7}, "/name"),
        ({"name": ""}, "/name"),
        ({"name": "a\nb"}, "/name"),
        ({}, "/name"),
        ({"name": "a", "type": "huge"}, "/type"),
        ({"name": "a", "type": []}, "/type"),
        ({"name": "a", "settings": []}, "/settings"),
        ({"name": "a", "settings": {"enforce_twofactor": "true"}}, "/settings/enforce_twofactor"),
        ({"name": "a", "x/y~": 1}, "/x~1y~0"),
    ],
)
def test_wrong_field_is_a_400_that_points_at_it(world: World, body: object, pointer: str) -> None:
    with world.http() as http:
        check_failure(http.post("/accounts", json=body), 400, pointer)


def test_body_above_one_mebibyte_is_a_413(world: World) -> None:
    with world.http() as http:
        answer = http.post("/accounts", content=b" " * (1024 * 1024 + 1))
    check_failure(answer, 413)


def test_body_above_one_mebibyte_in_chunks_is_a_413(world: World) -> None:
    with world.http() as http:
        answer = http.post("/accounts", content=(b" " * 65536 for _ in range(17)))
    check_failure(answer, 413)


@pytest.mark.parametrize(
    "query", ["page=0", "page=x", "per_page=0", "per_page=9999", "direction=up"]
)
def test_wrong_parameter_is_a_400_that_names_it(world: World, query: str) -> None:
    with world.http() as http:
        error = check_failure(http.get(f"/zones?{query}"), 400)
    assert query.partition("=")[0] in error["message"]


def test_page_beyond_the_end_is_empty_and_not_the_last_one(world: World) -> None:
    """Conformance 11."""
    account = world.account()
    zone = world.zone(account)
    for place in range(3):
        world.record(zone, f"h{place}")
    with world.http() as http:
        for path in ("/zones", f"/zones/{zone}/dns_records", "/accounts"):
            beyond = http.get(path, params={"page": 9, "per_page": 2}).json()
            assert beyond["result"] == []
            assert beyond["result_info"]["count"] == 0
        second = http.get(f"/zones/{zone}/dns_records?page=2&per_page=2").json()
    assert len(second["result"]) == 1
    assert second["result_info"] == {
        "page": 2,
        "per_page": 2,
        "count": 1,
        "total_count": 3,
        "total_pages": 2,
    }


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/zones"), ("GET", "/nothing"), ("POST", "/ips"), ("GET", "/ips")]
)
def test_every_answer_says_what_is_left(world: World, method: str, path: str) -> None:
    """Conformance 51: always on REST, `retry-after` only when limited."""
    with world.http() as http:
        answer = http.request(method, path)
    assert re.fullmatch(r'"\w+";r=\d+;t=\d+', answer.headers["ratelimit"])
    assert re.fullmatch(r'"\w+";q=\d+;w=\d+', answer.headers["ratelimit-policy"])
    assert "retry-after" not in answer.headers


def test_unauthenticated_answers_say_what_is_left_too(world: World) -> None:
    with world.http("wrong") as http:
        answer = http.get("/zones")
    assert answer.headers["ratelimit"].startswith('"burst";r=199;')


def test_unknown_headers_and_zero_length_json_are_tolerated(world: World) -> None:
    """Conformance 52."""
    headers = {
        "api-version": "2026-01-01",
        "x-stainless-lang": "python",
        "x-stainless-retry-count": "0",
        "user-agent": "Cloudflare/Python 5.9.0",
        "content-type": "application/json",
    }
    account = world.account()
    zone = world.zone(account)
    with world.http() as http:
        assert http.get("/zones", headers=headers).status_code == 200
        assert http.request("DELETE", f"/zones/{zone}", headers=headers, content=b"").is_success


def test_conflict_is_not_to_be_retried(world: World) -> None:
    account = world.account()
    world.zone(account)
    with world.http() as http:
        answer = http.post("/zones", json={"account": {"id": account}, "name": "example.com"})
    check_failure(answer, 409, "/name")
    assert answer.headers["x-should-retry"] == "false"


def test_unexpected_error_is_a_500_whose_cause_is_only_in_the_log(
    world: World, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise RuntimeError("the secret inside")

    monkeypatch.setattr(world.health, "not_ready", fail)
    with caplog.at_level(logging.ERROR), world.http() as http:
        answer = http.get("/egressway/status")
    error = check_failure(answer, 500)
    assert "secret" not in answer.text
    assert answer.headers["x-request-id"] in error["message"]
    assert answer.headers["x-request-id"] in caplog.text
    assert "the secret inside" in caplog.text
    assert world.operator not in caplog.text


def test_uncertain_change_is_a_503_that_nobody_repeats_by_itself() -> None:
    problem = problem_of(StoreUncertain("It is not known; read again."))
    assert problem is not None
    assert (problem.status, problem.headers) == (503, {"x-should-retry": "false"})
    assert [item.message for item in problem.items] == ["It is not known; read again."]


def test_locked_store_is_a_503_that_says_when_to_come_back(sqlite_world: World) -> None:
    world = sqlite_world
    account = world.account()
    other = sqlite3.connect(world.database, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        with world.http() as http:
            answer = http.post("/zones", json={"account": {"id": account}, "name": "example.com"})
            assert http.get(f"/accounts/{account}").status_code == 200, "readers go on"
    finally:
        other.execute("ROLLBACK")
        other.close()
    error = check_failure(answer, 503)
    assert answer.headers["retry-after"] == "1"
    assert str(world.database) not in error["message"]
    assert world.zone(account), "works again"
