"""Clients in a process of their own: `python -m tests.e2e.load_process PORT HOST CONNECTIONS STREAMS`.

Each command is a burst: every connection asks on all its streams at once, some of which it takes back. HTTP/2
lets 10,000 requests wait at the same time on a hundred descriptors.
"""

from __future__ import annotations

import asyncio
import random
import sys
from collections import Counter
from typing import Any

import h2.config
import h2.connection
import h2.events
from h2.settings import SettingCodes

from tests.support.processes import commands, say

_DEADLINE = 120.0


class Client(asyncio.Protocol):
    """One connection, one burst."""

    def __init__(self, host: str, streams: int, aborts: float, seed: int) -> None:
        self._host, self._streams, self._aborts = host, streams, aborts
        self._random = random.Random(seed)
        self._open: set[int] = set()
        self._errors: dict[int, str] = {}
        self.counts: Counter[str] = Counter()
        self.done = asyncio.get_running_loop().create_future()
        config = h2.config.H2Configuration(
            header_encoding="latin-1",
            validate_inbound_headers=False,
            validate_outbound_headers=False,
            normalize_outbound_headers=False,
        )
        self._h2 = h2.connection.H2Connection(config)
        self._is_asked = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._h2.initiate_connection()
        self._h2.increment_flow_control_window(1 << 24)
        self._h2.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 1 << 20})
        self._flush()

    def connection_lost(self, _: Exception | None) -> None:
        if self._open:
            self.counts["cut"] += len(self._open)
        self._end()

    def leave(self) -> None:
        """Abort all at once, without a word."""
        if self._open:
            self.counts["left"] += len(self._open)
        self._open.clear()
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        for event in self._h2.receive_data(data):
            self._take(event)
        self._flush()
        if self._is_asked and not self._open:
            self._transport.close()

    def _take(self, event: h2.events.Event) -> None:
        match event:
            case h2.events.RemoteSettingsChanged() if not self._is_asked:
                self._ask()
            case h2.events.ResponseReceived():
                fields = dict(event.headers or ())
                label = fields.get("egressway-error") or fields[":status"]
                self._errors[event.stream_id or 0] = str(label)
            case h2.events.StreamEnded():
                self._close(event.stream_id or 0, self._errors.pop(event.stream_id or 0, "?"))
            case h2.events.StreamReset():
                self._close(event.stream_id or 0, "reset")
            case _:
                pass

    def _ask(self) -> None:
        self._is_asked = True
        head = [
            (":method", "GET"),
            (":scheme", "http"),
            (":authority", self._host),
            (":path", "/"),
        ]
        for _ in range(self._streams):
            stream = self._h2.get_next_available_stream_id()
            self._h2.send_headers(stream, head, end_stream=True)
            self._open.add(stream)
        for stream in list(self._open):
            if self._random.random() < self._aborts:
                delay = self._random.random()
                asyncio.get_running_loop().call_later(delay, self._abort, stream)

    def _abort(self, stream: int) -> None:
        if stream in self._open and not self._transport.is_closing():
            self._h2.reset_stream(stream, 8)
            self._flush()
            self._close(stream, "aborted")
            if not self._open:
                self._transport.close()

    def _close(self, stream: int, label: str) -> None:
        if stream in self._open:
            self._open.remove(stream)
            self.counts[label] += 1

    def _flush(self) -> None:
        self._transport.write(self._h2.data_to_send())

    def _end(self) -> None:
        if not self.done.done():
            self.done.set_result(None)


async def burst(
    port: int, host: str, connections: int, streams: int, *, aborts: float, leavers: int, seed: int
) -> dict[str, int]:
    """All requests at once; how they ended, by status, error code or way of ending."""
    loop = asyncio.get_running_loop()
    clients = []
    for number in range(connections):
        client = Client(host, streams, aborts, seed * connections + number)
        await loop.create_connection(lambda made=client: made, "127.0.0.1", port)
        clients.append(client)
    say("asked")
    for number, client in enumerate(clients[:leavers]):
        loop.call_later(0.5 * number / leavers, client.leave)
    await asyncio.wait_for(asyncio.gather(*(client.done for client in clients)), _DEADLINE)
    total: Counter[str] = Counter()
    for client in clients:
        total.update(client.counts)
    return total


def main(port: str, host: str, connections: str, streams: str) -> None:
    say("ready")
    for _, details in commands():
        counts: dict[str, Any] = asyncio.run(
            burst(int(port), host, int(connections), int(streams), **details)
        )
        say(counts)


if __name__ == "__main__":
    main(*sys.argv[1:])
