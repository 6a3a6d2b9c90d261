"""Headers that every answer carries, whoever made it.

CONFIG 1 of 5, the last touch. Also answers that no handler made (no route, wrong method, failed
authentication) get a request id and the rate-limit headers.
"""

from __future__ import annotations

import secrets
from typing import Final, cast

from litestar.types import Message, Scope

from egressway.api.rate_limit import Allowance
from egressway.api.settings import ApiSettings

__all__ = ["complete_headers", "request_id_of", "set_allowance"]

_ALLOWANCE: Final = "egressway.allowance"
_REQUEST_ID: Final = "egressway.request_id"


async def complete_headers(message: Message, scope: Scope) -> None:
    """Adds the request id and what the caller may still do."""
    if message["type"] != "http.response.start":
        return
    lines = [(b"x-request-id", request_id_of(scope).encode()), (b"cache-control", b"no-store")]
    message["headers"] = [*message["headers"], *lines, *_allowance(scope).headers]


def request_id_of(scope: Scope) -> str:
    """This request's id, made when first asked for; never taken from the client."""
    state = cast("dict[str, str]", scope["state"])
    return state.setdefault(_REQUEST_ID, secrets.token_hex(16))


def set_allowance(scope: Scope, allowance: Allowance) -> None:
    """Remembers what `Ratelimit` shall say."""
    scope["state"][_ALLOWANCE] = allowance


def _allowance(scope: Scope) -> Allowance:
    known = scope["state"].get(_ALLOWANCE)
    if isinstance(known, Allowance):
        return known
    quota = ApiSettings().ip_quota
    return Allowance("burst", quota, quota.requests, quota.window_seconds)
