"""Typed client of our own API: what users script with, and what the command line is made of.

CONFIG and MEASUREMENT, the outside end: it speaks HTTP to `api` and imports nothing of the server.
Files, in the order a call passes them: `access` (where, with which token), `client` (the
attributes), `resources/` (paths and bodies), `transport` (one request, safe retries), `objects`
(what comes back), `errors` (what can go wrong, and what to do then), `names` (names for ids).
"""

from egressway.client.access import DEFAULT_URL, Access, find_access
from egressway.client.client import Client
from egressway.client.errors import (
    AmbiguousNameError,
    ClientError,
    ConflictError,
    InterruptedRequestError,
    InvalidRequestError,
    NotAuthenticatedError,
    NotConfiguredError,
    NotFoundError,
    NotPermittedError,
    RateLimitedError,
    RefusedError,
    ServerFailedError,
    UnexpectedAnswerError,
    UnknownNameError,
    UnreachableError,
)
from egressway.client.transport import Transport

__all__ = [
    "DEFAULT_URL",
    "Access",
    "AmbiguousNameError",
    "Client",
    "ClientError",
    "ConflictError",
    "InterruptedRequestError",
    "InvalidRequestError",
    "NotAuthenticatedError",
    "NotConfiguredError",
    "NotFoundError",
    "NotPermittedError",
    "RateLimitedError",
    "RefusedError",
    "ServerFailedError",
    "Transport",
    "UnexpectedAnswerError",
    "UnknownNameError",
    "UnreachableError",
    "find_access",
]
