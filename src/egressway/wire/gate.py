"""The rollout document as bytes (between CONFIG 3 and CONFIG 4)."""

from __future__ import annotations

import msgspec

from egressway.model.rollout import IMMEDIATE, Rollout

__all__ = ["decode", "encode"]

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Rollout)


def encode(rollout: Rollout) -> bytes:
    """MessagePack, a map keyed by field name."""
    return _encoder.encode(rollout)


def decode(content: bytes) -> Rollout:
    """The inverse of `encode`; nothing is `IMMEDIATE`. Raises `msgspec.MsgspecError`."""
    return _decoder.decode(content) if content else IMMEDIATE
