"""An origin that keeps requests waiting, to hold a whole slice of connections open.

`/hold` waits until SIGUSR1, `/close` is answered at once and the connection is closed. The number
of requests held so far is published in a file of eight bytes, little-endian.
Run by the benchmark: `python -m bench.held_origin ADDRESS PORT COUNTER`.
"""

from __future__ import annotations

import mmap
import signal
import socket
import struct
import sys
from contextlib import suppress
from pathlib import Path

from bench.isolation import raise_descriptor_limit

_BACKLOG = 65_535
_HEAD_BYTES = 4_096
_PATIENCE_SECONDS = 120
_HELD = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
_CLOSED = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
_SPARE_DESCRIPTORS = 500_000


class HeldOrigin:
    """One listener, one thread."""

    def __init__(self, address: str, port: int, counter: Path) -> None:
        self._held: list[socket.socket] = []
        self._idle: list[socket.socket] = []
        self._is_released = False
        self._listener = socket.create_server((address, port), backlog=_BACKLOG)
        self._listener.settimeout(0.1)
        # The kernel wakes us only when the request itself has arrived, however late that is.
        self._listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, _PATIENCE_SECONDS)
        counter.write_bytes(bytes(8))
        with counter.open("r+b") as file:
            self._counter = mmap.mmap(file.fileno(), 8)
        signal.signal(signal.SIGUSR1, self._release)

    def run(self) -> None:
        """Serve until killed."""
        while True:
            if self._is_released:
                self._answer_held()
            with suppress(TimeoutError):
                client, _ = self._listener.accept()
                self._meet(client)

    def _release(self, *_: object) -> None:
        self._is_released = True

    def _meet(self, client: socket.socket) -> None:
        try:
            head = client.recv(_HEAD_BYTES, socket.MSG_DONTWAIT)
        except OSError:
            head = b""
        if head.startswith(b"GET /hold"):
            self._held.append(client)
            struct.pack_into("<Q", self._counter, 0, len(self._held))
        elif head:
            # Answer and end in one packet: whoever closes first keeps the port in TIME_WAIT, and
            # that must be us, not sometimes the proxy.
            client.sendall(_CLOSED, socket.MSG_MORE)
            client.close()
        else:
            self._idle.append(client)  # opened ahead of need: a connection all the same

    def _answer_held(self) -> None:
        for client in self._held:
            with suppress(OSError):
                client.sendall(_HELD)
        self._idle += self._held
        self._held = []


def held(counter: Path) -> int:
    """Requests held so far, as published by the origin."""
    try:
        content = counter.read_bytes()
    except FileNotFoundError:
        return 0
    return int.from_bytes(content, "little")


if __name__ == "__main__":
    raise_descriptor_limit(_SPARE_DESCRIPTORS)
    HeldOrigin(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])).run()
