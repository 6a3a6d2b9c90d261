"""Join tokens: what lets a server into a fleet, once (beside CONFIG).

Written `<secret>.<pin>`: the secret proves that the operator has invited the server, the pin (SHA-256
of the authority's certificate, hexadecimal) lets the server prove that it speaks to the operator's
fleet before it shows the secret to anybody.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass, field
from typing import Final

__all__ = ["JoinToken"]

_SECRET_BYTES: Final = 32
_FORM: Final = re.compile(r"([A-Za-z0-9_-]{43})\.([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class JoinToken:
    """Both halves; `repr` is free of the secret."""

    secret: str = field(repr=False)
    pin: str

    @classmethod
    def new(cls, pin: str) -> JoinToken:
        """A fresh one for the fleet with this authority."""
        return cls(secrets.token_urlsafe(_SECRET_BYTES), pin)

    @classmethod
    def parse(cls, text: str) -> JoinToken | None:
        """As it was told; None for what is no join token, or only a part of one."""
        found = _FORM.fullmatch(text.strip())
        return cls(found[1], found[2]) if found else None

    def __str__(self) -> str:
        return f"{self.secret}.{self.pin}"

    @property
    def digest(self) -> bytes:
        """What is stored of it; it has enough entropy to need no slower hash."""
        return hashlib.sha256(self.secret.encode()).digest()
