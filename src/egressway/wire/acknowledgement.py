"""What a node answers to a snapshot (between CONFIG 4 and CONFIG 3)."""

from __future__ import annotations

import msgspec

__all__ = ["Acknowledgement", "decode", "encode"]


class Acknowledgement(msgspec.Struct, frozen=True):
    """The revision that runs now; another than the snapshot's means that it was refused."""

    revision: int
    reason: str | None = None
    """Why it was refused, for people."""
    zone_id: str | None = None
    """The zone at fault, where there is one: without it the rest may be taken."""
    server: str = ""
    """Whose it is."""
    epoch: int = 0
    """Which process of that name: the higher one is the newer."""
    withheld: dict[str, str] = {}
    """Zones that are not served as they were sent, and why."""
    wants_whole: bool = False
    """What was published does not lead on from what this server has, and no whole is kept that does."""


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Acknowledgement)


def encode(acknowledgement: Acknowledgement) -> bytes:
    """MessagePack."""
    return _encoder.encode(acknowledgement)


def decode(content: bytes) -> Acknowledgement:
    """The inverse of `encode`; raises `msgspec.MsgspecError`."""
    return _decoder.decode(content)
