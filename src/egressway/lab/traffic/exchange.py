"""One HTTP/1 request on a connection of its own, and what came of it."""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["Answer", "Target", "ask", "dial", "request_bytes"]


@dataclass(frozen=True, slots=True)
class Target:
    """A server that takes requests, and the hostname they are for."""

    address: str
    port: int
    host: str
    tls: bool = False


@dataclass(slots=True)
class Answer:
    """`status` is the HTTP status, or `refused`, `timeout` or `cut`. Times are of the monotonic clock."""

    path: str
    status: str = "cut"
    error: str | None = None
    seen_ip: str | None = None
    seen_port: int | None = None
    began: float = 0.0
    ended: float = 0.0

    def told(self) -> dict[str, Any]:
        """For another process."""
        return asdict(self)


async def ask(target: Target, path: str, within: float) -> Answer:
    """Never raises for what the network or the server does."""
    answer = Answer(path, began=time.monotonic())
    try:
        async with asyncio.timeout(within):
            await _exchange(target, answer)
    except TimeoutError:
        answer.status = "timeout"
    except ConnectionRefusedError:
        answer.status = "refused"
    except (OSError, EOFError, ValueError):
        answer.status = "cut"
    answer.ended = time.monotonic()
    return answer


async def dial(target: Target) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection; nobody in the lab has a certificate that anybody trusts."""
    if not target.tls:
        return await asyncio.open_connection(target.address, target.port)
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return await asyncio.open_connection(
        target.address, target.port, ssl=context, server_hostname=target.host
    )


def request_bytes(target: Target, path: str, *fields: str) -> bytes:
    """A GET without a body."""
    lines = (f"GET {path} HTTP/1.1", f"Host: {target.host}", *fields, "", "")
    return "\r\n".join(lines).encode()


async def _exchange(target: Target, answer: Answer) -> None:
    reader, writer = await dial(target)
    try:
        writer.write(request_bytes(target, answer.path, "Connection: close"))
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        length = _content_length(head)
        body = await (reader.read() if length is None else reader.readexactly(length))
    finally:
        writer.transport.abort()
    answer.status = head.split(" ", 2)[1]
    told = json.loads(body)
    answer.seen_ip, answer.seen_port = told.get("seen_ip"), told.get("seen_port")
    answer.error = told.get("error", {}).get("code")


def _content_length(head: str) -> int | None:
    for line in head.lower().split("\r\n"):
        name, _, value = line.partition(":")
        if name == "content-length":
            return int(value)
    return None
