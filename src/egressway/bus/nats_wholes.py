"""Wholes in parts: a key-value bucket with a head that says which parts there are.

A whole that is being read must not vanish: the parts of the one before stay until the next is put.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Iterable
from typing import Final, TypeVar

import msgspec
from nats.js.errors import APIError, NotFoundError

from egressway.bus import nats_names as names
from egressway.bus.bus import Position, Unavailable, Whole
from egressway.bus.nats_connection import Connection
from egressway.bus.nats_watches import last_message

__all__ = ["get_whole", "last_whole", "put_whole"]

_PART_BYTES: Final = 256 * 1024
_AT_ONCE: Final = 8
_ATTEMPTS: Final = 3
T = TypeVar("T")


class _Head(msgspec.Struct, frozen=True):
    revision: int
    sequence: int
    key: str
    parts: int
    previous: str | None = None


async def put_whole(connection: Connection, cls: str, whole: Whole) -> None:
    """Parts first, then the head. Of two at the same time one wins, and either is right."""
    before, number = await _head(connection, cls)
    key = secrets.token_hex(8)
    parts = [
        whole.content[at : at + _PART_BYTES] for at in range(0, len(whole.content), _PART_BYTES)
    ]
    await _together(
        connection.store(names.whole(cls, f"{key}.{part_number}"), part)
        for part_number, part in enumerate(parts)
    )
    head = _Head(whole.revision, whole.sequence, key, len(parts), before.key if before else None)
    try:
        await connection.store(
            names.whole(cls, "head"), msgspec.msgpack.encode(head), expect=number
        )
    except APIError:
        await _forget(connection, cls, key)
        return
    if before and before.previous:
        await _forget(connection, cls, before.previous)


async def get_whole(connection: Connection, cls: str) -> Whole | None:
    """The newest; read again from its head when it was replaced meanwhile."""
    for _ in range(_ATTEMPTS):
        head, _number = await _head(connection, cls)
        if head is None:
            return None
        try:
            parts = await _together(
                _part(connection, cls, f"{head.key}.{number}") for number in range(head.parts)
            )
        except NotFoundError:
            continue
        return Whole(head.revision, head.sequence, b"".join(parts))
    raise Unavailable("parts of the whole are missing; it is put again when it is asked for")


async def last_whole(connection: Connection, cls: str) -> Position | None:
    """What the head says."""
    head, _number = await _head(connection, cls)
    return None if head is None else Position(head.sequence, head.revision)


async def _head(connection: Connection, cls: str) -> tuple[_Head | None, int]:
    message = await last_message(connection, names.whole_stream(cls), names.whole(cls, "head"))
    if message is None:
        return None, 0
    return msgspec.msgpack.decode(message.data or b"", type=_Head), message.seq or 0


async def _part(connection: Connection, cls: str, part: str) -> bytes:
    message = await connection.jetstream.get_msg(
        names.whole_stream(cls), subject=names.whole(cls, part), direct=True
    )
    return message.data or b""


async def _forget(connection: Connection, cls: str, key: str) -> None:
    await connection.jetstream.purge_stream(
        names.whole_stream(cls), subject=names.whole(cls, f"{key}.*")
    )


async def _together(calls: Iterable[Awaitable[T]]) -> list[T]:
    """All of them, a few at a time."""
    turns = asyncio.Semaphore(_AT_ONCE)

    async def in_turn(call: Awaitable[T]) -> T:
        async with turns:
            return await call

    return await asyncio.gather(*(in_turn(call) for call in calls))
