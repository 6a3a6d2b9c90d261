"""Many requests at once that nobody answers yet: HTTP/2, a hundred streams a connection, written by hand.

Forty thousand waiting requests need four hundred sockets this way. Header fields go out uncompressed and
those that come in are not read: the body of an answer says all that is asked of it.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections import Counter
from collections.abc import Iterator
from typing import Final

__all__ = ["Held"]

STREAMS: Final = 100
_PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RST_STREAM, _SETTINGS, _PING, _GOAWAY = 0, 1, 3, 4, 6, 7
_END_STREAM, _END_HEADERS, _ACK = 1, 4, 1
_METHOD_GET, _SCHEME_HTTP, _PATH_NAME, _AUTHORITY_NAME = 0x82, 0x86, 0x04, 0x01


class Held:
    """Requests that were sent and what has become of them."""

    def __init__(self) -> None:
        self._connections: list[_Connection] = []
        self._outcomes: Counter[str] = Counter()
        self._sent = 0

    async def open(self, address: str, port: int, host: str, paths: list[str]) -> None:
        """Ask for all of `paths` at once."""
        loop = asyncio.get_running_loop()
        left = iter(paths)
        while part := list(itertools.islice(left, STREAMS)):
            _, connection = await loop.create_connection(
                lambda: _Connection(self._outcomes), address, port
            )
            connection.ask(host, part)
            self._connections.append(connection)
            self._sent += len(part)

    def outcomes(self) -> dict[str, int]:
        """How many are `held`, `answered`, or ended with an error code, `reset` or `cut`."""
        told = dict(self._outcomes)
        if held := self._sent - sum(told.values()):
            told["held"] = held
        return told

    def leave(self) -> None:
        """Close all connections and forget them."""
        for connection in self._connections:
            connection.leave()
        self._connections.clear()
        self._outcomes.clear()
        self._sent = 0


class _Connection(asyncio.Protocol):
    def __init__(self, outcomes: Counter[str]) -> None:
        self._outcomes = outcomes
        self._buffer = b""
        self._bodies: dict[int, bytes] = {}
        self._is_left = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(_PREFACE + _frame(_SETTINGS, 0, 0, b""))

    def ask(self, host: str, paths: list[str]) -> None:
        frames = []
        for stream, path in zip(itertools.count(1, 2), paths, strict=False):
            fields = bytes((_METHOD_GET, _SCHEME_HTTP))
            fields += _literal(_PATH_NAME, path) + _literal(_AUTHORITY_NAME, host)
            frames.append(_frame(_HEADERS, _END_HEADERS | _END_STREAM, stream, fields))
            self._bodies[stream] = b""
        self._transport.write(b"".join(frames))

    def leave(self) -> None:
        self._is_left = True
        self._transport.abort()

    def connection_lost(self, _: Exception | None) -> None:
        if not self._is_left and self._bodies:
            self._outcomes["cut"] += len(self._bodies)
        self._bodies.clear()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        for kind, flags, stream, payload in self._frames():
            self._take(kind, flags, stream, payload)

    def _take(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind == _SETTINGS and not flags & _ACK:
            self._transport.write(_frame(_SETTINGS, _ACK, 0, b""))
        elif kind == _PING and not flags & _ACK:
            self._transport.write(_frame(_PING, _ACK, 0, payload))
        elif stream not in self._bodies:
            return
        elif kind == _RST_STREAM:
            self._close(stream, "reset")
        elif kind in (_DATA, _HEADERS):
            if kind == _DATA:
                self._bodies[stream] += payload
            if flags & _END_STREAM:
                self._close(stream, _outcome(self._bodies[stream]))

    def _close(self, stream: int, outcome: str) -> None:
        del self._bodies[stream]
        self._outcomes[outcome] += 1

    def _frames(self) -> Iterator[tuple[int, int, int, bytes]]:
        while len(self._buffer) >= 9:
            end = 9 + int.from_bytes(self._buffer[:3])
            if len(self._buffer) < end:
                return
            head, payload = self._buffer[:9], self._buffer[9:end]
            self._buffer = self._buffer[end:]
            yield head[3], head[4], int.from_bytes(head[5:9]) & 0x7FFFFFFF, payload


def _outcome(body: bytes) -> str:
    """`answered` by the origin, or the code of an error of the product's own."""
    try:
        told = json.loads(body)
    except ValueError:
        return "unreadable"
    return "answered" if "seen_ip" in told else str(told.get("error", {}).get("code"))


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    head = bytes((kind, flags)) + stream.to_bytes(4)
    return len(payload).to_bytes(3) + head + payload


def _literal(name_index: int, value: str) -> bytes:
    encoded = value.encode()
    assert len(encoded) < 127
    return bytes((name_index, len(encoded))) + encoded
