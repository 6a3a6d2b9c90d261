"""How a subject is followed without a gap: what is republished live, and the stream for the rest.

Both watches subscribe first and read second, so that nothing falls between the two.
"""

from __future__ import annotations

from collections.abc import Callable

import nats.errors
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.js.api import RawStreamMsg
from nats.js.errors import NotFoundError

from egressway.bus import nats_names as names
from egressway.bus.bus import ConfigMessage, Value
from egressway.bus.nats_client import denied
from egressway.bus.nats_connection import Connection
from egressway.wire.region_class import EVERYWHERE

__all__ = ["ConfigWatch", "NotPermitted", "ValueWatch", "last_message"]


class NotPermitted(nats.errors.Error):
    """The bus does not let this process hear what it asks for."""


class ConfigWatch:
    """Every message of one class after a position, in order, once."""

    def __init__(
        self, connection: Connection, cls: str, after: int, deliver: Callable[[ConfigMessage], None]
    ) -> None:
        self._connection = connection
        self._cls = cls
        self._after = after
        self._deliver = deliver
        self._is_reading = False
        self._subscription: Subscription | None = None

    async def begin(self) -> None:
        """See `Watch`. Fails where this process may not, or not yet, hear the class."""
        client, subject = self._connection.client, names.live_config(self._cls)
        denied(client).discard(subject)
        self._subscription = await self._connection.subscribe(subject, self._heard)
        if self._cls != EVERYWHERE:
            await client.flush()  # by then a refusal has come
            if subject in denied(client):
                await self.end()
                raise NotPermitted(f"class {self._cls} may not be heard")

    async def look(self, *, is_new: bool) -> None:
        """See `Watch`: read on from the stream until there is nothing newer."""
        if names.live_config(self._cls) in denied(self._connection.client):
            await self.begin()
        self._is_reading = True
        try:
            if is_new and await self._is_another_stream():
                self._after = 0
            while await self._read_on():
                pass
        finally:
            self._is_reading = False

    async def end(self) -> None:
        """See `Watch`."""
        if self._subscription is not None:
            await self._subscription.unsubscribe()
            self._subscription = None

    async def _is_another_stream(self) -> bool:
        """The one that was followed has been lost, and positions begin anew."""
        subject = names.config(self._cls)
        last = await last_message(self._connection, names.config_stream(self._cls), subject)
        return last is None or (last.seq or 0) < self._after

    async def _read_on(self) -> bool:
        try:
            message = await self._connection.jetstream.get_msg(
                names.config_stream(self._cls),
                seq=self._after + 1,
                subject=names.config(self._cls),
                direct=True,
                next=True,
            )
        except NotFoundError:
            return False
        self._give(message.seq or 0, message.headers or {}, message.data or b"")
        return True

    async def _heard(self, message: Msg) -> None:
        headers = message.headers or {}
        sequence = int(headers.get(names.SEQUENCE, 0))
        if sequence <= self._after:
            return
        is_next = int(headers.get(names.LAST_SEQUENCE, 0)) <= self._after
        if is_next and not self._is_reading:
            self._give(sequence, headers, message.data)
        else:
            self._connection.wake()

    def _give(self, sequence: int, headers: dict[str, str], content: bytes) -> None:
        if sequence <= self._after:
            return
        self._after = sequence
        base = headers.get(names.BASE)
        self._deliver(
            ConfigMessage(
                sequence,
                int(headers.get(names.REVISION, 0)),
                None if base is None else int(base),
                content,
            )
        )


class ValueWatch:
    """The newest value of one key, each time that it is another."""

    def __init__(self, connection: Connection, key: str, deliver: Callable[[Value], None]) -> None:
        self._connection = connection
        self._key = key
        self._deliver = deliver
        self._number = 0
        self._subscription: Subscription | None = None

    async def begin(self) -> None:
        """See `Watch`."""
        self._subscription = await self._connection.subscribe(
            names.live_value(self._key), self._heard
        )

    async def look(self, *, is_new: bool) -> None:  # noqa: ARG002 - looks the same each time
        """See `Watch`. A lower number than before: the bucket was lost and made again."""
        message = await last_message(self._connection, names.VALUES, names.value(self._key))
        if message is not None and message.seq != self._number:
            self._give(message.seq or 0, message.data or b"")

    async def end(self) -> None:
        """See `Watch`."""
        if self._subscription is not None:
            await self._subscription.unsubscribe()

    async def _heard(self, message: Msg) -> None:
        sequence = int((message.headers or {}).get(names.SEQUENCE, 0))
        if sequence > self._number:
            self._give(sequence, message.data)

    def _give(self, number: int, content: bytes) -> None:
        self._number = number
        self._deliver(Value(content, number))


async def last_message(connection: Connection, stream: str, subject: str) -> RawStreamMsg | None:
    """As the stream's leader has it: an answer of another replica might be an old one."""
    await connection.await_stream(stream)
    try:
        return await connection.jetstream.get_msg(stream, subject=subject)
    except NotFoundError:
        return None
