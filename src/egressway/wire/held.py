"""What a server still has open in ports that have left it (between two nodes, over the bus).

It names the moves it has heard of: who is to take the ports over waits for exactly that.
"""

from __future__ import annotations

import msgspec

__all__ = ["HeldPorts", "HeldTuples", "decode", "encode"]


class HeldPorts(msgspec.Struct, frozen=True, array_like=True):
    """Source ports in use from one egress address towards one origin."""

    egress_ip: str
    origin: str
    ports: tuple[int, ...]


class HeldTuples(msgspec.Struct, frozen=True):
    """One server's word."""

    moves: tuple[str, ...]
    """Moves away from this server that it keeps: it opens no connection in their ports any more."""
    held: tuple[HeldPorts, ...]


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(HeldTuples)


def encode(held: HeldTuples) -> bytes:
    """MessagePack."""
    return _encoder.encode(held)


def decode(content: bytes) -> HeldTuples:
    """The inverse of `encode`; raises `msgspec.MsgspecError`."""
    return _decoder.decode(content)
