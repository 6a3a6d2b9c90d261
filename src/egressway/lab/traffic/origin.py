"""A customer's server, in a process: `python -m egressway.lab.traffic.origin CONTROL ADDRESS... -- PORT...`

What it does with a request is the first part of the path: `/hold/...` answers when it is told to,
`/stream/...` sends a piece every tenth of a second until then, a WebSocket gets its messages back, and
anything else is answered at once. Every answer says which address and port the request came from.
Several processes listen on the same ports; the kernel spreads connections over them.

`CONTROL` is a Unix socket: `release` ends everything that is held, `drop` closes all connections, `peers`
tells how many connections there are by port and peer address, and how many there have been at most.
"""

from __future__ import annotations

import asyncio
import json
import resource
import socket
import sys
from collections import Counter
from contextlib import suppress
from pathlib import Path

from egressway.lab.traffic.websocket import accept_key, message, read_message

_PIECE_SECONDS = 0.1
_PIECE = b"%x\r\n%b\r\n" % (1_024, b"." * 1_024)
_LAST_PIECE = b"4\r\nend\n\r\n0\r\n\r\n"


class Origin:
    """What the connections of one process share."""

    def __init__(self) -> None:
        self.connections: set[Connection] = set()
        self.held: set[Connection] = set()
        self.open: Counter[tuple[int, str]] = Counter()
        self.most: Counter[tuple[int, str]] = Counter()
        self._streams: set[Connection] = set()

    def arrived(self, connection: Connection, key: tuple[int, str]) -> None:
        self.connections.add(connection)
        self.open[key] += 1
        self.most[key] = max(self.most[key], self.open[key])

    def left(self, connection: Connection, key: tuple[int, str]) -> None:
        self.open[key] -= 1
        self.connections.discard(connection)
        self.held.discard(connection)
        self._streams.discard(connection)

    def hold(self, connection: Connection) -> None:
        self.held.add(connection)

    def stream(self, connection: Connection) -> None:
        if not self._streams:
            asyncio.get_running_loop().call_later(_PIECE_SECONDS, self._send_pieces)
        self._streams.add(connection)

    def release(self) -> int:
        """Answer everybody who waits."""
        waiting = len(self.held) + len(self._streams)
        for connection in list(self.held):
            connection.answer()
        for connection in list(self._streams):
            connection.write(_LAST_PIECE)
            connection.next_request()
        self.held.clear()
        self._streams.clear()
        return waiting

    def drop(self) -> int:
        """Close every connection."""
        dropped = len(self.connections)
        for connection in list(self.connections):
            connection.drop()
        return dropped

    def _send_pieces(self) -> None:
        for connection in self._streams:
            connection.write(_PIECE)
        if self._streams:
            asyncio.get_running_loop().call_later(_PIECE_SECONDS, self._send_pieces)


class Connection(asyncio.Protocol):
    """One connection, one request after the other."""

    __slots__ = (
        "_buffer",
        "_head",
        "_is_busy",
        "_is_websocket",
        "_key",
        "_origin",
        "_peer",
        "_transport",
    )

    def __init__(self, origin: Origin) -> None:
        self._origin = origin
        self._buffer = b""
        self._head = b""
        self._is_busy = False
        self._is_websocket = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._peer = transport.get_extra_info("peername")
        self._key = (transport.get_extra_info("sockname")[1], self._peer[0])
        self._origin.arrived(self, self._key)

    def connection_lost(self, _: Exception | None) -> None:
        self._origin.left(self, self._key)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if self._is_websocket:
            self._echo()
        elif not self._is_busy:
            self._take()

    def write(self, data: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(data)

    def answer(self) -> None:
        """Say where the request came from."""
        told = {"seen_ip": self._peer[0], "seen_port": self._peer[1]}
        body = json.dumps(told).encode() + b"\n"
        self.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
            % (len(body), body)
        )
        self.next_request()

    def drop(self) -> None:
        self._transport.abort()

    def next_request(self) -> None:
        self._is_busy = False
        if self._buffer:
            self._take()

    def _take(self) -> None:
        """Requests have no bodies; the lab's clients send none."""
        head, end, rest = self._buffer.partition(b"\r\n\r\n")
        if not end:
            return
        self._buffer, self._head, self._is_busy = rest, head, True
        path = head.split(b" ", 2)[1]
        if b"\r\nupgrade: websocket" in head.lower():
            self._upgrade()
        elif path.startswith(b"/hold/"):
            self._origin.hold(self)
        elif path.startswith(b"/stream/"):
            self.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            self._origin.stream(self)
        else:
            self.answer()

    def _upgrade(self) -> None:
        fields = dict(line.split(b": ", 1) for line in self._head.lower().split(b"\r\n")[1:])
        at = self._head.lower().index(b"sec-websocket-key: ") + len(b"sec-websocket-key: ")
        key = self._head[at : at + len(fields[b"sec-websocket-key"])].decode()
        self.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: %b\r\n\r\n" % accept_key(key).encode()
        )
        self._is_websocket = True
        self._echo()

    def _echo(self) -> None:
        while (found := read_message(self._buffer)) is not None:
            text, self._buffer = found
            self.write(message(text, masked=False))


def _told(counts: Counter[tuple[int, str]]) -> list[tuple[int, str, int]]:
    return [(port, ip, count) for (port, ip), count in sorted(counts.items()) if count]


async def _control(
    origin: Origin, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    with suppress(ConnectionError):
        async for line in reader:
            answer: object = None
            match line.strip():
                case b"release":
                    answer = origin.release()
                case b"drop":
                    answer = origin.drop()
                case b"peers":
                    answer = {"open": _told(origin.open), "most": _told(origin.most)}
                case b"forget":
                    origin.most = Counter(origin.open)
            writer.write(json.dumps(answer).encode() + b"\n")
            await writer.drain()
    writer.close()


async def serve(control: Path, addresses: list[str], ports: list[int]) -> None:
    """Until it is ended."""
    origin = Origin()
    loop = asyncio.get_running_loop()
    for address in addresses:
        for port in ports:
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            listener = socket.create_server(
                (address, port), family=family, backlog=65_535, reuse_port=True
            )
            await loop.create_server(lambda: Connection(origin), sock=listener, backlog=65_535)
    server = await asyncio.start_unix_server(lambda r, w: _control(origin, r, w), control)
    await server.serve_forever()


def main(control: str, *words: str) -> None:
    """From the command line."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    split = words.index("--")
    asyncio.run(
        serve(Path(control), list(words[:split]), [int(port) for port in words[split + 1 :]])
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
