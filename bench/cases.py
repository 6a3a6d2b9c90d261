"""What is asked of every target: one case per way of speaking to a proxy."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

TABLE_SIZE = 1_000
"""Zones in every target's table while requests are measured."""

ZONE = "z0500.bench.example"
"""Hostname that the load generators ask for: the middle of the table."""


class Protocol(Enum):
    """How the client speaks to the proxy. The proxy speaks HTTP/1.1 to the origin in every case."""

    HTTP1 = "http/1.1"
    HTTP1_TLS = "http/1.1 over TLS"
    H2C = "http/2, prior knowledge"


@dataclass(frozen=True, slots=True)
class Case:
    """One load.

    `connections` clients at once, `streams` requests in flight on each, `body_bytes` in every
    answer. With `closes` every request comes on a connection of its own. With `forwards` the
    request may also be measured through two proxies, one behind the other.
    """

    name: str
    title: str
    protocol: Protocol
    path: str
    body_bytes: int
    connections: int = 64
    streams: int = 1
    closes: bool = False
    forwards: bool = False


def zone_names(count: int = TABLE_SIZE) -> list[str]:
    """Hostnames of the table, one per zone."""
    return [f"z{number:04}.bench.example" for number in range(count)]


CASES = (
    Case("keepalive", "HTTP/1.1 keep-alive, 32 B", Protocol.HTTP1, "/small", 32),
    Case("chunked", "HTTP/1.1, 10 KB chunked", Protocol.HTTP1, "/chunked", 10_000),
    Case("body", "HTTP/1.1, 64 KiB body", Protocol.HTTP1, "/body", 65_536),
    Case("http2", "HTTP/2 in, 32 B", Protocol.H2C, "/small", 32, connections=32, streams=10),
    Case("tls", "TLS in, 32 B", Protocol.HTTP1_TLS, "/small", 32),
    Case("connect", "a connection per request, 32 B", Protocol.HTTP1, "/small", 32, closes=True),
    Case("forward", "forwarded once, 32 B", Protocol.HTTP1, "/small", 32, forwards=True),
    Case(
        *("forward-alone", "forwarded once, one client, 32 B", Protocol.HTTP1, "/small", 32),
        connections=1,
        forwards=True,
    ),
)
