"""Downloads and WebSockets that stay open: whether each of them came through whole."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine, Iterable
from typing import Any, Final

from egressway.lab.traffic.exchange import Target, dial, request_bytes
from egressway.lab.traffic.websocket import message, new_key, read_message

__all__ = ["Transfers"]

_BEAT_SECONDS: Final = 0.1
_SILENCE_SECONDS: Final = 10.0
"""A transfer that gets nothing for so long is broken."""


class Transfers:
    """Each is `open` until it has ended `whole` or `broken`."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self._counts: Counter[tuple[str, str]] = Counter()
        self._reasons: list[str] = []
        self._is_finishing = asyncio.Event()

    async def open(self, kind: str, target: Target, paths: Iterable[str]) -> None:
        """Begin one for each path; returns when every one has got its first piece or is broken."""
        self._is_finishing.clear()
        begun = []
        for path in paths:
            has_begun = asyncio.Event()
            begun.append(has_begun)
            self._counts[kind, "open"] += 1
            task = asyncio.create_task(self._carry(kind, target, path, has_begun))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        for each in begun:
            await each.wait()

    def counts(self) -> dict[str, object]:
        """Number by kind and state, and why the broken ones are."""
        told = [[kind, state, count] for (kind, state), count in self._counts.items() if count]
        return {"counts": told, "reasons": sorted(set(self._reasons))}

    async def finish(self) -> None:
        """WebSockets say goodbye; downloads end when the origin says so. Waits for all."""
        self._is_finishing.set()
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def _carry(self, kind: str, target: Target, path: str, begun: asyncio.Event) -> None:
        carry = self._download if kind == "download" else self._websocket
        state = "whole"
        try:
            await carry(target, path, begun)
        except (OSError, EOFError, ValueError, TimeoutError) as broken:
            state = "broken"
            self._reasons.append(f"{kind} {path}: {type(broken).__name__} {broken}")
        finally:
            begun.set()
        self._counts[kind, "open"] -= 1
        self._counts[kind, state] += 1

    async def _download(self, target: Target, path: str, begun: asyncio.Event) -> None:
        reader, writer = await dial(target)
        try:
            writer.write(request_bytes(target, path))
            await _read_head(reader, b"200")
            while size := int(await _heard(reader.readline()), 16):
                await _heard(reader.readexactly(size + 2))
                begun.set()
        finally:
            writer.transport.abort()

    async def _websocket(self, target: Target, path: str, begun: asyncio.Event) -> None:
        reader, writer = await dial(target)
        try:
            await _upgrade(reader, writer, target, path)
            number, buffer = 0, b""
            while not self._is_finishing.is_set():
                sent = b"%d" % number
                writer.write(message(sent, masked=True))
                while (found := read_message(buffer)) is None:
                    buffer += await _heard(_some(reader))
                back, buffer = found
                if back != sent:
                    raise ValueError(f"{sent!r} came back as {back!r}")
                begun.set()
                number += 1
                await asyncio.sleep(_BEAT_SECONDS)
        finally:
            writer.transport.abort()


async def _upgrade(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, target: Target, path: str
) -> None:
    fields = (
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {new_key()}",
    )
    writer.write(request_bytes(target, path, *fields))
    await _read_head(reader, b"101")


async def _read_head(reader: asyncio.StreamReader, status: bytes) -> None:
    head = await _heard(reader.readuntil(b"\r\n\r\n"))
    if head.split(b" ", 2)[1] != status:
        raise ValueError(f"answered with {head.splitlines()[0]!r}")


async def _some(reader: asyncio.StreamReader) -> bytes:
    data = await reader.read(4_096)
    if not data:
        raise EOFError("closed")
    return data


async def _heard(read: Coroutine[Any, Any, bytes]) -> bytes:
    async with asyncio.timeout(_SILENCE_SECONDS):
        return await read
