"""A bus over NATS JetStream: threads and bytes outside, one event loop inside.

The bus may be away when this is made, and at any time later: what needs it raises `Unavailable`,
and watches go on by themselves as soon as it is back.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError
from contextlib import suppress
from typing import Any, Final, TypeVar

import msgspec
import nats.errors
import nats.js.errors
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.js import JetStreamContext

from egressway.bus import nats_names as names
from egressway.bus.bus import Cancel, ConfigMessage, Conflict, Position, Unavailable, Value, Whole
from egressway.bus.dispatcher import Dispatcher
from egressway.bus.nats_client import denied
from egressway.bus.nats_connection import Connection, NatsUrl, Watch, make_stream
from egressway.bus.nats_watches import ConfigWatch, ValueWatch, last_message
from egressway.bus.nats_wholes import get_whole, last_whole, put_whole
from egressway.wire.acknowledgement import Acknowledgement, decode, encode
from egressway.wire.region_class import EVERYWHERE

__all__ = ["NatsBus"]

ANSWER_SECONDS: Final = 10.0
WHOLE_SECONDS: Final = 120.0
_HEADER_BYTES: Final = 4_096
_MOST_CANCELS: Final = 10
_CLOSE_SECONDS: Final = 1.0
_CANCEL_SECONDS: Final = 0.2
_ANOTHER_IS_LAST: Final = 10_071
_log = logging.getLogger(__name__)
T = TypeVar("T")


class NatsBus:
    """A `Bus`. With `manage`, streams that are not there are made; that is the control plane's part."""

    def __init__(
        self,
        url: str,
        *,
        tls: ssl.SSLContext | None = None,
        name: str = "egressway",
        manage: bool = False,
    ) -> None:
        parsed = NatsUrl.parse(url)
        self._connection = Connection(parsed, tls, name=name, manage=manage)
        self._replicas = parsed.replicas
        self._made: set[str] | None = set() if manage else None
        """Classes whose streams are there, as far as this process knows; None: others make them."""
        self._dispatcher = Dispatcher()
        self._loop = asyncio.new_event_loop()
        self._life = self._loop.create_task(self._connection.run())
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="nats", daemon=True)
        self._thread.start()

    # Configuration.

    def publish_config(
        self,
        cls: str,
        content: bytes,
        *,
        revision: int,
        base_revision: int | None,
        expect_last: int | None,
    ) -> int:
        """See `Bus`. Without an answer it may be there all the same: ask for the last before trying again."""
        headers = {names.REVISION: str(revision)}
        if base_revision is not None:
            headers[names.BASE] = str(base_revision)
        stored = self._connection.store(
            names.config(cls), content, headers=headers, expect=expect_last
        )
        return self._ask_class(cls, stored)

    def last_config(self, cls: str) -> Position | None:
        """See `Bus`."""
        last = last_message(self._connection, names.config_stream(cls), names.config(cls))
        message = self._ask_class(cls, last)
        if message is None:
            return None
        return Position(message.seq or 0, int((message.headers or {}).get(names.REVISION, 0)))

    def classes(self) -> frozenset[str]:
        """See `Bus`."""
        found = self._ask(_stream_names(self._connection.jetstream))
        return frozenset(cls for name in found if (cls := names.class_of_stream(name)))

    def put_whole(self, cls: str, whole: Whole) -> None:
        """See `Bus`."""
        self._ask_class(cls, put_whole(self._connection, cls, whole), WHOLE_SECONDS)

    def get_whole(self, cls: str) -> Whole | None:
        """See `Bus`."""
        return self._ask_class(cls, get_whole(self._connection, cls), WHOLE_SECONDS)

    def last_whole(self, cls: str) -> Position | None:
        """See `Bus`."""
        return self._ask_class(cls, last_whole(self._connection, cls))

    def watch_config(
        self, cls: str, after: int, handler: Callable[[ConfigMessage], None]
    ) -> Cancel:
        """See `Bus`."""
        deliver = self._through_dispatcher(handler)
        return self._watch(ConfigWatch(self._connection, cls, after, deliver))

    def is_denied(self, cls: str) -> bool:
        """See `Bus`."""
        try:
            client = self._connection.client
        except nats.errors.ConnectionClosedError:
            return False
        return names.live_config(cls) in denied(client)

    # Back from the servers.

    def acknowledge(self, acknowledgement: Acknowledgement) -> None:
        """See `Bus`."""
        self._send(names.acknowledgement(acknowledgement.server), encode(acknowledgement))

    def acknowledgements(self, handler: Callable[[Acknowledgement], None]) -> Cancel:
        """See `Bus`."""

        def heard(_server: str, content: bytes) -> None:
            try:
                handler(decode(content))
            except msgspec.MsgspecError as defect:
                _log.warning("an acknowledgement cannot be read: %s", defect)

        return self._watch(
            _PlainWatch(self._connection, names.ACKNOWLEDGEMENTS, self._calls(heard))
        )

    def report(self, server: str, content: bytes) -> None:
        """See `Bus`."""
        self._send(names.report(server), content)

    def reports(self, handler: Callable[[str, bytes], None]) -> Cancel:
        """See `Bus`."""
        return self._watch(_PlainWatch(self._connection, names.REPORTS, self._calls(handler)))

    # Values.

    def get_gate(self) -> Value:
        """See `Bus`."""
        subject = names.value(names.GATE)
        message = self._ask(last_message(self._connection, names.VALUES, subject))
        return Value(b"", 0) if message is None else Value(message.data or b"", message.seq or 0)

    def put_gate(self, content: bytes, *, expect: int) -> int:
        """See `Bus`."""
        return self._ask(self._connection.store(names.value(names.GATE), content, expect=expect))

    def watch_gate(self, handler: Callable[[Value], None]) -> Cancel:
        """See `Bus`."""
        return self._watch(
            ValueWatch(self._connection, names.GATE, self._through_dispatcher(handler))
        )

    def put_held(self, server: str, content: bytes) -> None:
        """See `Bus`."""
        self._ask(self._connection.store(names.value(names.held(server)), content))

    def watch_held(self, server: str, handler: Callable[[bytes], None]) -> Cancel:
        """See `Bus`."""
        return self._watch_content(names.held(server), handler)

    def put_instance(self, server: str, content: bytes) -> None:
        """See `Bus`."""
        self._ask(self._connection.store(names.value(names.instance(server)), content))

    def watch_instance(self, server: str, handler: Callable[[bytes], None]) -> Cancel:
        """See `Bus`."""
        return self._watch_content(names.instance(server), handler)

    # Itself.

    @property
    def largest_message(self) -> int:
        """See `Bus`."""
        return self._connection.largest_message - _HEADER_BYTES

    @property
    def is_connected(self) -> bool:
        """See `Bus`."""
        return not self._closed and self._connection.is_connected

    def close(self) -> None:
        """See `Bus`."""
        if self._closed:
            return
        self._closed = True
        self._end_life()
        self._dispatcher.close()

    # The event loop.

    def _end_life(self) -> None:
        """A cancellation may be lost where something else ends at the same moment, so it is repeated."""
        while self._thread.is_alive():
            with suppress(RuntimeError):  # the loop is closed by now
                self._loop.call_soon_threadsafe(self._life.cancel)
            self._thread.join(_CLOSE_SECONDS)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._life)
        except asyncio.CancelledError:
            pass
        except Exception:
            _log.exception("the connection to the bus has ended by a defect")
        finally:
            self._loop.run_until_complete(_end_all())
            self._loop.close()

    def _ask(self, call: Coroutine[Any, Any, T], seconds: float = ANSWER_SECONDS) -> T:
        if self._closed:
            call.close()
            raise Unavailable("the bus is closed")
        try:
            return asyncio.run_coroutine_threadsafe(call, self._loop).result(seconds)
        except nats.js.errors.APIError as refusal:
            if refusal.err_code == _ANOTHER_IS_LAST:
                raise Conflict(
                    f"somebody else has written since: {refusal.description}"
                ) from refusal
            raise Unavailable(f"the bus refuses: {refusal.description}") from refusal
        except (nats.errors.Error, TimeoutError, CancelledError) as failure:
            raise Unavailable(
                f"the bus does not answer: {failure or type(failure).__name__}"
            ) from failure

    def _ask_class(
        self, cls: str, call: Coroutine[Any, Any, T], seconds: float = ANSWER_SECONDS
    ) -> T:
        """About one class of servers, whose streams are made where that is this process's part."""
        made = self._made
        if made is None or cls == EVERYWHERE:
            return self._ask(call, seconds)
        if cls not in made:
            try:
                self._ask(self._make(cls))
            except BaseException:
                call.close()
                raise
            made.add(cls)
        try:
            return self._ask(call, seconds)
        except Unavailable:
            made.discard(cls)  # the bus may have been replaced by an empty one
            raise

    async def _make(self, cls: str) -> None:
        for stream in names.class_streams(cls, self._replicas):
            await make_stream(self._connection.jetstream, stream)

    def _send(self, subject: str, content: bytes) -> None:
        async def send() -> None:
            await self._connection.client.publish(subject, content)

        self._ask(send())

    def _watch(self, watch: Watch) -> Cancel:
        self._ask(self._connection.add(watch))

        def cancel() -> None:
            if not self._closed:
                self._ask(self._connection.remove(watch))

        return cancel

    def _watch_content(self, key: str, handler: Callable[[bytes], None]) -> Cancel:
        def heard(value: Value) -> None:
            self._dispatcher.call(handler, value.content)

        return self._watch(ValueWatch(self._connection, key, heard))

    def _through_dispatcher(self, handler: Callable[[T], None]) -> Callable[[T], None]:
        return lambda argument: self._dispatcher.call(handler, argument)

    def _calls(self, handler: Callable[[str, bytes], None]) -> Callable[[str, bytes], None]:
        return lambda server, content: self._dispatcher.call(handler, server, content)


async def _stream_names(jetstream: JetStreamContext) -> list[str]:
    found: list[str] = []
    while page := await jetstream.streams_info(offset=len(found)):
        found += [each.config.name or "" for each in page]
    return found


async def _end_all() -> None:
    """Tasks of the library that are trying to reconnect do not always listen the first time."""
    for _ in range(_MOST_CANCELS):
        left = asyncio.all_tasks() - {asyncio.current_task()}
        if not left:
            return
        for task in left:
            task.cancel()
        await asyncio.wait(left, timeout=_CANCEL_SECONDS)


class _PlainWatch:
    """Messages that nobody keeps: server, by the subject's last word, and content."""

    def __init__(
        self, connection: Connection, subject: str, deliver: Callable[[str, bytes], None]
    ) -> None:
        self._connection = connection
        self._subject = subject
        self._deliver = deliver
        self._subscription: Subscription | None = None

    async def begin(self) -> None:
        """See `Watch`."""
        self._subscription = await self._connection.subscribe(self._subject, self._heard)

    async def look(self, *, is_new: bool) -> None:
        """See `Watch`: what was missed is lost."""

    async def end(self) -> None:
        """See `Watch`."""
        if self._subscription is not None:
            await self._subscription.unsubscribe()

    async def _heard(self, message: Msg) -> None:
        self._deliver(message.subject.rpartition(".")[2], message.data)
