"""Before a target is measured: it answers rightly, from its own address, only by its table."""

from __future__ import annotations

import http.client

from bench.cases import ZONE, Case, Protocol
from bench.targets.target import Target

UNKNOWN_ZONE = "nobody.bench.example"
_TIMEOUT_SECONDS = 5.0


class WrongAnswerError(Exception):
    """A target did something else than it is measured for."""


def verify(target: Target, case: Case) -> None:
    """Check one request of the case, the address that the origin sees, and an unknown hostname.

    Raises:
        WrongAnswerError: naming the target, what was expected and what came.
    """
    _expect(target, "length of the body", case.body_bytes, len(_get(target, ZONE, case.path)[1]))
    if target.source is None:
        return
    _, seen = _get(target, ZONE, "/source")
    _expect(target, "source address", target.source, seen.decode(errors="replace"))
    if Protocol.H2C in target.protocols:
        status, _ = _get(target, UNKNOWN_ZONE, "/small")
        if status == http.client.OK:
            raise WrongAnswerError(f"`{target.name}`: answers for a hostname not in its table")


def _get(target: Target, host: str, path: str) -> tuple[int, bytes]:
    address = "127.0.0.1" if target.source else "127.0.0.2"
    connection = http.client.HTTPConnection(address, target.ports.plain, timeout=_TIMEOUT_SECONDS)
    try:
        connection.request("GET", path, headers={"Host": host})
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (OSError, http.client.HTTPException) as error:
        raise WrongAnswerError(f"`{target.name}`: {host}{path}: {error!r}") from error
    finally:
        connection.close()


def _expect(target: Target, what: str, expected: object, found: object) -> None:
    if expected != found:
        raise WrongAnswerError(f"`{target.name}`: {what}: expected {expected!r}, found {found!r}")
