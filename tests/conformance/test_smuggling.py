"""Nobody smuggles a request past the data plane that nginx would have refused; HTTP/1 clients."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conformance.conftest import Proxied
from tests.conformance.smuggling import CASES
from tests.conformance.smuggling.case import BEHIND, HOST, Case, Seen
from tests.support.h1_client import exchange, fetch, responses_in
from tests.support.http_message import Cut, Request, Unreadable

parametrized = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


def test_the_corpus_is_large_and_its_names_are_unique() -> None:
    assert len(CASES) >= 60
    assert len({case.name for case in CASES}) == len(CASES)


@parametrized
def test_the_origin_sees_what_was_intended_and_nothing_else(case: Case, egressway: Proxied) -> None:
    before = len(egressway.origin.requests)
    data = exchange(egressway.h1, case.sent + BEHIND)
    statuses = tuple(response.status for response in responses_in(data))
    assert statuses == case.verdict, data
    # Whatever lay hidden in a connection would answer this request, or be answered with it.
    assert fetch(egressway.h1, HOST, "/marker").body == b"GET /marker"
    seen = egressway.origin.requests[before:]
    assert [as_seen(request) for request in seen] == [*case.intended, ("GET", "/marker", b"")]
    assert not set(case.absent) & set(names(seen[:-1]))


@parametrized
def test_the_verdict_is_nginx_s_or_stricter(case: Case, nginx: Proxied) -> None:
    if case.lenient_because is not None:
        assert accepted(nginx, case) < passed(case.verdict), "nginx has become as lenient"
    else:
        assert accepted(nginx, case) >= passed(case.verdict)


def accepted(proxy: Proxied, case: Case) -> int:
    """How many requests of a case were served before the first refusal."""
    try:
        return passed(tuple(r.status for r in responses_in(exchange(proxy.h1, case.sent + BEHIND))))
    except (Unreadable, Cut):
        return 0


def passed(statuses: tuple[int, ...]) -> int:
    return next((n for n, status in enumerate(statuses) if status >= 400), len(statuses))


def as_seen(request: Request) -> Seen:
    return request.method, request.target, request.body


def names(requests: list[Request]) -> Iterator[str]:
    return (name.lower() for request in requests for name, _ in request.fields)
