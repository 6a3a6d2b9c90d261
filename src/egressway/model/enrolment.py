"""Of all paths: enrolment is how a server becomes part of a fleet and stays it.

It joins once with a token that the operator gives out for it, and renews its certificate by itself
from then on. Joining again is how a server is replaced: its epoch grows, and whoever held the
identity before gives way.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import IntEnum
from typing import Final

from egressway.model.errors import Forbidden
from egressway.model.server import ServerName

__all__ = [
    "JOIN_TOKEN_LIFETIME",
    "KEPT_AFTER_EXPIRY",
    "EnrolmentRefused",
    "NodeCertificate",
    "Refusal",
    "StoredAuthority",
]

JOIN_TOKEN_LIFETIME: Final = timedelta(hours=1)
"""Unless the operator says otherwise."""

KEPT_AFTER_EXPIRY: Final = timedelta(days=30)
"""A server that was off for longer than this must join again."""


class Refusal(IntEnum):
    """Why a server is not let in; codes for programs."""

    UNKNOWN_TOKEN = 9301
    USED_TOKEN = 9302
    EXPIRED_TOKEN = 9303
    OTHER_SERVER = 9304
    REVOKED = 9305
    """For good: the node should stop."""
    SUPERSEDED = 9306
    """Another node has joined with this identity since: this one should stop."""
    FOREIGN_CERTIFICATE = 9307
    UNPROVEN = 9308


class EnrolmentRefused(Forbidden):
    """A server is not let in. Asking again does not help; the text says what does."""

    def __init__(self, why: Refusal, text: str) -> None:
        super().__init__(text, code=why)


@dataclass(frozen=True, slots=True)
class StoredAuthority:
    """The fleet's certificate authority as it is kept, DER; `repr` is free of the key."""

    certificate: bytes
    key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class NodeCertificate:
    """What is remembered of a certificate that a node was given."""

    serial: str
    server: ServerName
    epoch: int
    not_after: datetime
