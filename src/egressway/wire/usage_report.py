"""What a node agent tells about the second that passed (between MEASUREMENT 1 and MEASUREMENT 2).

Gauges (`current`, `peak`, `capacity`) are as they are; counts are the difference to the report
before, so a receiver adds them up and a lost report loses only its own second.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

__all__ = ["EgressUsage", "UsageReport", "decode", "encode"]


class EgressUsage(msgspec.Struct, frozen=True):
    """Connections of one egress address to one origin."""

    egress_ip: str
    origin: str
    """`ip:port`, IPv6 in brackets."""
    protocol: str
    current: int
    peak: int
    """The most there were at one moment since the report before."""
    capacity: int
    opened: int = 0
    refused: int = 0
    """Wanted when the cap was reached, or refused by the kernel or the origin."""
    reused: int = 0
    handshakes: int = 0
    queued: int = 0
    sent: int = 0
    received: int = 0


class UsageReport(msgspec.Struct, frozen=True):
    """All egress addresses of one server."""

    server: str
    at: datetime
    egress: tuple[EgressUsage, ...]
    process: str = ""
    """Drawn when the process starts: two of them tell of one server while one takes over."""
    requests: int = 0
    """Answers to clients since the report before."""
    errors: int = 0
    """Those among them that the proxy gave by itself, for a reason of its own or of its addresses."""


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(UsageReport)


def encode(report: UsageReport) -> bytes:
    """MessagePack, a map keyed by field name."""
    return _encoder.encode(report)


def decode(content: bytes) -> UsageReport:
    """The inverse of `encode`; raises `msgspec.ValidationError` naming the wrong place."""
    return _decoder.decode(content)
