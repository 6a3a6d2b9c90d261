"""An origin and clients that keep hundreds of connections going, on one event loop in a thread of its own."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import Counter
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Self, TypeVar

from websockets.utils import accept_key

T = TypeVar("T")

PIECE = bytes(16_384)
PIECES = 20
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"
UPGRADED = (
    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Accept: {}\r\n\r\n"
)
_DEADLINE = 60.0


class Loop:
    """An event loop in a thread, for as long as its block lasts."""

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.run(self._cancel_all())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _cancel_all(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def run(self, task: Coroutine[Any, Any, T]) -> T:
        """Run to the end."""
        return asyncio.run_coroutine_threadsafe(task, self._loop).result(_DEADLINE * 2)

    def start(self, task: Coroutine[Any, Any, T]) -> asyncio.Future[T]:
        """Run beside; the future belongs to the caller's thread."""
        return asyncio.run_coroutine_threadsafe(task, self._loop)  # type: ignore[return-value]


class BusyOrigin:
    """Answers `/` after a moment, `/download` in pieces until `release`, and echoes in a WebSocket."""

    def __init__(self, moment: float = 0.02) -> None:
        self._moment = moment
        self._released = asyncio.Event()
        self.downloads = 0
        """Answers that are half way."""

    async def listen(self) -> int:
        """Begin; returns the port."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=4_096)
        self._server = server
        port: int = server.sockets[0].getsockname()[1]
        return port

    async def release(self) -> None:
        """Let the downloads come to their ends."""
        self._released.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                await self._answer(reader, writer)
        writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        target = head.split(" ", 2)[1]
        if target == "/download":
            await self._download(writer)
        elif target == "/chat":
            await self._echo(head, reader, writer)
        else:
            await asyncio.sleep(self._moment)
            writer.write(HEAD % 2 + b"ok")
        await writer.drain()

    async def _download(self, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD % (len(PIECE) * PIECES) + PIECE)
        await writer.drain()
        self.downloads += 1
        await self._released.wait()
        for _ in range(PIECES - 1):
            writer.write(PIECE)
            await writer.drain()

    async def _echo(
        self, head: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        fields = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if line)
        key = next(value for name, value in fields.items() if name.lower() == "sec-websocket-key")
        writer.write(UPGRADED.format(accept_key(key)).encode())
        while data := await reader.read(4_096):
            writer.write(data)
            await writer.drain()
        raise ConnectionResetError


class Clients:
    """Clients of one address that ask and ask; what goes wrong is counted under its name."""

    def __init__(self, address: tuple[str, int], host: str) -> None:
        self._address = address
        self._host = host
        self.counts: Counter[str] = Counter()
        self._is_over = False

    async def stop(self) -> None:
        """No further requests; those on their way are answered."""
        self._is_over = True

    async def ask(self, *, keep_alive: bool) -> None:
        """Requests one after the other, each on a connection of its own or on as few as may be."""
        while not self._is_over:
            try:
                async with asyncio.timeout(_DEADLINE):
                    await self._ask_on_one_connection(keep_alive=keep_alive)
            except (OSError, asyncio.IncompleteReadError, TimeoutError) as error:
                self.counts[f"broken: {type(error).__name__}"] += 1

    async def _ask_on_one_connection(self, *, keep_alive: bool) -> None:
        reader, writer = await asyncio.open_connection(*self._address)
        try:
            while not self._is_over:
                writer.write(self._request("/", "keep-alive" if keep_alive else "close"))
                status, head, body = await self._read(reader)
                is_ok = (status, body) == (200, b"ok")
                self.counts["ok" if is_ok else f"status {status}: {body!r}"] += 1
                if not keep_alive or "connection: close" in head.lower():
                    return
        finally:
            writer.close()

    async def download(self) -> int:
        """Bytes of one long answer."""
        reader, writer = await asyncio.open_connection(*self._address)
        writer.write(self._request("/download", "close"))
        _, _, body = await self._read(reader)
        writer.close()
        return len(body)

    async def chat(self) -> int:
        """Words that came back before the clients were stopped."""
        reader, writer = await asyncio.open_connection(*self._address)
        fields = (
            "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
        )
        writer.write(self._request("/chat", "Upgrade", fields))
        opened = await reader.readuntil(b"\r\n\r\n")
        assert b" 101 " in opened
        words = 0
        while not self._is_over:
            writer.write(b"word")
            assert await reader.readexactly(4) == b"word"
            words += 1
            await asyncio.sleep(0.05)
        writer.close()
        return words

    def _request(self, target: str, connection: str, fields: str = "X: y") -> bytes:
        lines = (f"GET {target} HTTP/1.1", f"Host: {self._host}", f"Connection: {connection}")
        return "\r\n".join((*lines, fields, "", "")).encode()

    async def _read(self, reader: asyncio.StreamReader) -> tuple[int, str, bytes]:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        fields = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if line)
        return (
            int(head.split(" ", 2)[1]),
            head,
            await reader.readexactly(int(fields["content-length"])),
        )
