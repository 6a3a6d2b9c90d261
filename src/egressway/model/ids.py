"""Of all paths: typed identifiers. 32 random lower-case hexadecimal characters; opaque to everyone."""

from __future__ import annotations

import secrets
from typing import NewType

__all__ = [
    "AccountId",
    "CertificateId",
    "LeaseId",
    "PoolId",
    "RecordId",
    "TokenId",
    "ZoneId",
    "is_id",
    "new_id",
]

AccountId = NewType("AccountId", str)
ZoneId = NewType("ZoneId", str)
RecordId = NewType("RecordId", str)
CertificateId = NewType("CertificateId", str)
LeaseId = NewType("LeaseId", str)
PoolId = NewType("PoolId", str)
TokenId = NewType("TokenId", str)

_HEX = frozenset("0123456789abcdef")


def new_id() -> str:
    """A fresh identifier; wrap it in the type it is for: `ZoneId(new_id())`."""
    return secrets.token_hex(16)


def is_id(text: str) -> bool:
    """Whether `text` has the shape of an identifier we issue."""
    return len(text) == 32 and _HEX.issuperset(text)
