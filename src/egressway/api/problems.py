"""Every failure of the API, and the only place where errors become v4 envelopes.

CONFIG 1 of 5, the way back. Two kinds of error meet here: domain errors of `model.errors`, raised
anywhere below, and the few that only HTTP knows (no route, malformed body, too many requests). The
private cause of an unexpected error goes to the log only, under the request id that the answer
names.

Invariants: the status is 4xx or 5xx, `errors` is never empty, codes are at least 1000, a conflict
is never retried by itself.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Any, Final

from litestar import MediaType, Request, Response
from litestar.exceptions import (
    HTTPException,
    MethodNotAllowedException,
    NotFoundException,
    ValidationException,
)

from egressway.api.envelope import ErrorItem, ErrorSource, Failure
from egressway.api.headers import request_id_of
from egressway.model.errors import (
    Conflict,
    EgresswayError,
    Forbidden,
    Invalid,
    NotFound,
    StoreError,
    StoreUncertain,
    Unauthenticated,
)

__all__ = ["MalformedBody", "Problem", "RateLimited", "problem_of", "respond"]

logger = logging.getLogger(__name__)

RETRY_AFTER_SECONDS: Final = "1"


class MalformedBody(Invalid):
    """The body is not what its content type says."""

    default_code = 6007


class RateLimited(EgresswayError):
    """A quota is used up; the headers of the answer say until when."""

    default_code = 1015


@dataclass(frozen=True, slots=True)
class Problem:
    """One failure, ready to be sent."""

    status: int
    items: tuple[ErrorItem, ...]
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def failure(self) -> Failure:
        """The envelope."""
        return Failure(errors=list(self.items))


def respond(request: Request[Any, Any, Any], error: Exception) -> Response[Failure]:
    """The exception handler of the whole application."""
    problem = problem_of(error)
    if problem is None:
        request_id = request_id_of(request.scope)
        logger.error(
            "request %s failed: %s %s",
            request_id,
            request.method,
            request.url.path,
            exc_info=error,
        )
        problem = _unexpected(request_id)
    elif problem.status >= 500:
        logger.warning("%s %s: %s", request.method, request.url.path, error)
    return Response(
        problem.failure,
        status_code=problem.status,
        headers=problem.headers,
        media_type=MediaType.JSON,
    )


def problem_of(error: Exception) -> Problem | None:
    """What to answer for `error`; None when nobody expected it."""
    if isinstance(error, EgresswayError):
        return _of_domain(error)
    if isinstance(error, HTTPException):
        return _of_framework(error)
    return None


# --- domain errors -----------------------------------------------------------------------------

_STATUS: Final[tuple[tuple[type[EgresswayError], int], ...]] = (
    (Invalid, 400),
    (Unauthenticated, 401),
    (Forbidden, 403),
    (NotFound, 404),
    (Conflict, 409),
    (RateLimited, 429),
    (StoreError, 503),
)


# The store's own text names files and processes of this machine: it is for the log.
_STORE_TEXT: Final = (
    "The store is not available at the moment (for example locked by another process); "
    "nothing was changed. Try again later; the log of the server says why."
)


def _of_domain(error: EgresswayError) -> Problem | None:
    status = next((status for kind, status in _STATUS if isinstance(error, kind)), None)
    if status is None:
        return None
    source = None if error.pointer is None else ErrorSource(error.pointer)
    text = error.text
    if isinstance(error, StoreError) and not isinstance(error, StoreUncertain):
        text = _STORE_TEXT
    item = ErrorItem(code=error.code, message=text, source=source)
    return Problem(status, (item,), _headers(error, status))


def _headers(error: EgresswayError, status: int) -> dict[str, str]:
    if status == 409:
        return {"x-should-retry": "false"}
    if status == 503 and error.retry:
        return {"retry-after": RETRY_AFTER_SECONDS}
    if status == 503:
        return {"x-should-retry": "false"}
    if status == 401:
        return {"www-authenticate": "Bearer"}
    return {}


# --- the framework's errors --------------------------------------------------------------------

_FRAMEWORK_CODES: Final = {400: 6003, 415: 6010}


def _of_framework(error: HTTPException) -> Problem | None:
    if isinstance(error, NotFoundException):
        return Problem(404, (ErrorItem(7003, "No route for the URI."),))
    if isinstance(error, MethodNotAllowedException):
        item = ErrorItem(7001, "This URI does not serve the method.")
        return Problem(405, (item,), dict(error.headers or {}))
    if isinstance(error, ValidationException):
        return Problem(400, tuple(_of_parameter(extra) for extra in _extras(error)))
    if error.status_code == 413:
        return Problem(413, (ErrorItem(6009, "The body is too large. Send a smaller one."),))
    if 400 <= error.status_code < 500:
        item = ErrorItem(_FRAMEWORK_CODES.get(error.status_code, 6003), error.detail)
        return Problem(error.status_code, (item,), dict(error.headers or {}))
    return None


def _extras(error: ValidationException) -> list[dict[str, str]]:
    extras = error.extra if isinstance(error.extra, list) else []
    return [dict(extra) for extra in extras] or [{"message": error.detail}]


def _of_parameter(extra: dict[str, str]) -> ErrorItem:
    if extra.get("source") == "body":
        return ErrorItem(6007, "A JSON body is required.", ErrorSource(""))
    name = extra.get("key", "?")
    return ErrorItem(6008, f"The parameter `{name}` is not valid: {extra['message']}.")


def _unexpected(request_id: str) -> Problem:
    message = (
        f"The API failed; its log has the cause under request `{request_id}`. "
        "See whether the change took effect before sending it again."
    )
    return Problem(500, (ErrorItem(1101, message),), {"x-should-retry": "false"})
