"""Just enough of RFC 6455: a handshake, and text messages short enough for a length of one byte."""

from __future__ import annotations

import base64
import hashlib
import os
from typing import Final

__all__ = ["accept_key", "message", "new_key", "read_message"]

_MAGIC: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_TEXT: Final = 0x81
_LONGEST: Final = 125


def new_key() -> str:
    """For `Sec-WebSocket-Key`."""
    return base64.b64encode(os.urandom(16)).decode()


def accept_key(key: str) -> str:
    """What the server answers to a key."""
    return base64.b64encode(hashlib.sha1(key.encode() + _MAGIC).digest()).decode()  # noqa: S324


def message(text: bytes, *, masked: bool) -> bytes:
    """One frame; a client's is masked."""
    assert len(text) <= _LONGEST
    if not masked:
        return bytes((_TEXT, len(text))) + text
    mask = os.urandom(4)
    return bytes((_TEXT, 0x80 | len(text))) + mask + _masked(text, mask)


def read_message(buffer: bytes) -> tuple[bytes, bytes] | None:
    """The first message and what follows it; None while it is not whole."""
    if len(buffer) < 2:
        return None
    is_masked, length = buffer[1] & 0x80, buffer[1] & 0x7F
    start = 6 if is_masked else 2
    if len(buffer) < start + length:
        return None
    text = buffer[start : start + length]
    if is_masked:
        text = _masked(text, buffer[2:6])
    return text, buffer[start + length :]


def _masked(text: bytes, mask: bytes) -> bytes:
    return bytes(byte ^ mask[at % 4] for at, byte in enumerate(text))
