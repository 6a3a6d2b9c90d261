"""Quotas: 1,200 in five minutes per token, 200 in a second per address, unless set otherwise."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from egressway.api.rate_limit import RateLimiter
from egressway.api.settings import ApiSettings, Quota
from egressway.model.permission import Permission
from tests.unit.api.world import check_failure, running

PLENTY = Quota(1_000_000, 1.0, 1.0)


class Clock:
    """Time that stands still until it is told."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_request_past_the_quota_is_refused_until_the_penalty_is_over() -> None:
    clock = Clock()
    limiter = RateLimiter("default", Quota(2, 300.0, 300.0), clock)
    assert [limiter.take("a").is_refused for _ in range(3)] == [False, False, True]
    clock.now += 299.0
    assert limiter.take("a").is_refused
    clock.now += 1.0
    assert not limiter.take("a").is_refused


def test_refused_requests_do_not_prolong_the_penalty() -> None:
    clock = Clock()
    limiter = RateLimiter("default", Quota(1, 10.0, 10.0), clock)
    for _ in range(21):
        limiter.take("a")
        clock.now += 0.5
    assert not limiter.take("a").is_refused


def test_keys_do_not_share_a_quota() -> None:
    limiter = RateLimiter("default", Quota(1, 10.0, 10.0), Clock())
    assert not limiter.take("a").is_refused
    assert not limiter.take("b").is_refused
    assert limiter.take("a").is_refused


def test_quota_is_new_in_the_next_window() -> None:
    clock = Clock()
    limiter = RateLimiter("default", Quota(2, 10.0, 10.0), clock)
    assert [limiter.take("a").remaining for _ in range(2)] == [1, 0]
    clock.now += 10.0
    assert limiter.take("a").remaining == 1


def test_headers_say_what_is_left() -> None:
    clock = Clock()
    limiter = RateLimiter("default", Quota(2, 300.0, 60.0), clock)
    limiter.take("a")
    clock.now += 0.5
    assert dict(limiter.take("a").headers) == {
        b"ratelimit": b'"default";r=0;t=300',
        b"ratelimit-policy": b'"default";q=2;w=300',
    }
    assert dict(limiter.take("a").headers)[b"retry-after"] == b"60"


def test_old_keys_are_forgotten() -> None:
    clock = Clock()
    limiter = RateLimiter("default", Quota(1, 1.0, 1.0), clock)
    for place in range(10_000):
        limiter.take(str(place))
    clock.now += 2.0
    limiter.take("new")
    assert len(limiter._windows) == 1


@pytest.mark.parametrize("numbers", [(0, 1.0, 1.0), (1, 0.0, 1.0), (1, 1.0, -1.0)])
def test_quota_needs_positive_numbers(numbers: tuple[int, float, float]) -> None:
    with pytest.raises(ValueError, match="positive"):
        Quota(*numbers)


def test_limited_token_gets_429_with_retry_after_and_others_go_on(tmp_path: Path) -> None:
    settings = ApiSettings(token_quota=Quota(3, 300.0, 300.0), ip_quota=PLENTY)
    with running(tmp_path, settings) as world:
        account = world.account()
        limited = world.token(account, Permission.ZONE_READ)
        with world.http(limited) as http:
            left = [http.get("/zones").headers["ratelimit"] for _ in range(3)]
            assert [each.partition(";t")[0] for each in left] == [
                f'"default";r={left}' for left in (2, 1, 0)
            ]
            answer = http.get("/zones")
        check_failure(answer, 429)
        assert 290 <= int(answer.headers["retry-after"]) <= 300
        assert answer.headers["ratelimit-policy"] == '"default";q=3;w=300'
        with world.http(world.token(account, Permission.ZONE_READ)) as http:
            assert http.get("/zones").status_code == 200
        for _ in range(5):
            world.call("GET", "/zones")  # the operator is not limited


def test_operator_is_limited_on_request(tmp_path: Path) -> None:
    settings = ApiSettings(
        token_quota=Quota(2, 300.0, 300.0), ip_quota=PLENTY, operator_is_limited=True
    )
    with running(tmp_path, settings) as world, world.http() as http:
        assert [http.get("/zones").status_code for _ in range(3)] == [200, 200, 429]


def test_guessing_tokens_is_limited_by_address(tmp_path: Path) -> None:
    settings = ApiSettings(ip_quota=Quota(5, 300.0, 300.0))
    with running(tmp_path, settings) as world:
        statuses = [
            httpx.get(
                f"{world.base}/zones", headers={"authorization": f"Bearer guess{place}"}
            ).status_code
            for place in range(7)
        ]
        assert statuses == [401] * 5 + [429] * 2
        assert world.call("GET", "/zones") == [], "the operator is not shut out"
        assert httpx.get(f"{world.base}/ips").status_code == 429
        for path in ("healthz", "readyz", "metrics"):
            assert httpx.get(f"{world.url}/{path}").status_code == 200, "nor are supervisors"
