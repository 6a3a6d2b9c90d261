"""Nobody smuggles a request past the data plane that nginx would have refused; HTTP/2 clients."""

from __future__ import annotations

import pytest

from tests.conformance.conftest import Proxied
from tests.conformance.smuggling.case import HOST
from tests.conformance.smuggling.h2_cases import H2_CASES, H2Case
from tests.support.h1_client import fetch
from tests.support.h2_client import H2Client
from tests.support.http_message import Request

parametrized = pytest.mark.parametrize("case", H2_CASES, ids=lambda case: case.name)


@parametrized
def test_the_origin_sees_what_was_intended_and_nothing_else(
    case: H2Case, egressway: Proxied
) -> None:
    before = len(egressway.origin.requests)
    assert is_served(egressway, case) == (case.seen is not None)
    # Whatever lay hidden in a connection would answer this request, or be answered with it.
    assert fetch(egressway.h1, HOST, "/marker").body == b"GET /marker"
    *seen, marker = egressway.origin.requests[before:]
    assert marker.target == "/marker"
    assert [(r.method, r.target, r.body) for r in seen] == [case.seen] * (case.seen is not None)
    assert all(fields_hold(request, case) for request in seen)


@parametrized
def test_the_verdict_is_nginx_s_or_stricter(case: H2Case, nginx: Proxied) -> None:
    if case.lenient_because is not None:
        assert not is_served(nginx, case), "nginx has become as lenient"
    else:
        assert is_served(nginx, case) >= (case.seen is not None)


def is_served(proxy: Proxied, case: H2Case) -> bool:
    """The request was answered well; not refused, reset or cut off."""
    with H2Client(proxy.h2, is_strict=False) as client:
        try:
            stream = send(client, case)
        except ConnectionError:
            return False
        client.wait_for(lambda: client.is_closed or is_over(client, stream))
        answer = client.streams[stream]
        return answer.is_ended and answer.reset_code is None and answer.status < 400


def is_over(client: H2Client, stream: int) -> bool:
    answer = client.streams[stream]
    return answer.is_ended or answer.reset_code is not None or client.goaway is not None


def send(client: H2Client, case: H2Case) -> int:
    """Write all frames at once, whatever is answered meanwhile."""
    stream = client.start_raw(case.head, end=case.data is None)
    pieces = case.data or ()
    for number, piece in enumerate(pieces, 1):
        is_last = number == len(pieces) and not case.trailers
        client.h2.send_data(stream, piece, end_stream=is_last)
    if case.trailers:
        client.h2.send_headers(stream, list(case.trailers), end_stream=True)
    client.flush()
    return stream


def fields_hold(request: Request, case: H2Case) -> bool:
    names = {name.lower() for name, _ in request.fields + request.trailers}
    has_all = all(request.get_all(name) == [value] for name, value in case.fields)
    return has_all and not names & set(case.absent)
