"""A connection to NATS that is there again whenever it can be; asynchronous, inside `nats.NatsBus`.

It never gives up: servers live without the bus for as long as it takes, and follow it again by
themselves. The library's own way of connecting again ends for good in some cases (a server that is
too busy to answer in time counts as a refusal), so that each connection here is a client of its own,
and whatever ends one leads to the next. On every new connection, and now and then in between, each
watch looks whether it has missed something.
"""

from __future__ import annotations

import asyncio
import logging
import random
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Protocol
from urllib.parse import parse_qs, urlsplit

import nats.errors
import nats.js.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.js import JetStreamContext
from nats.js.api import StreamConfig

from egressway.bus import nats_names as names
from egressway.bus.bus import BusError
from egressway.bus.nats_client import client_for
from egressway.wire.region_class import EVERYWHERE

__all__ = ["Connection", "NatsUrl", "Watch", "make_stream"]

CONNECT_SECONDS: Final = 2
ATTEMPT_SECONDS: Final = 8.0
PING_SECONDS: Final = 5
LOST_PINGS: Final = 2
FIRST_PAUSE_SECONDS: Final = 0.1
LONGEST_PAUSE_SECONDS: Final = 2.0
LOOK_SECONDS: Final = 10.0
AGAIN_SECONDS: Final = 0.5
ANSWER_SECONDS: Final = 2.0
STORE_SECONDS: Final = 5.0
_EXPECT: Final = "Nats-Expected-Last-Subject-Sequence"
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class NatsUrl:
    """Servers of one bus, and what JetStream is to be addressed as.

    `nats://192.0.2.1:4222,nats://192.0.2.2:4222?domain=hub&replicas=3`; both may be left out.
    """

    servers: tuple[str, ...]
    domain: str | None = None
    replicas: int = 1

    @classmethod
    def parse(cls, text: str) -> NatsUrl:
        """Raises `BusError` for what is none."""
        listed, _, query = text.partition("?")
        servers = tuple(part.strip() for part in listed.split(",") if part.strip())
        said = parse_qs(query)
        replicas = said.get("replicas", ["1"])[0]
        parts = [urlsplit(server) for server in servers]
        is_good = servers and replicas.isdigit() and not said.keys() - {"domain", "replicas"}
        if not is_good or any(
            each.scheme not in ("nats", "tls") or not each.hostname for each in parts
        ):
            raise BusError(f"`{text}` is no bus; write it like nats://192.0.2.1:4222")
        return cls(servers, said.get("domain", [None])[0], int(replicas))


class Watch(Protocol):
    """Follows one subject."""

    async def begin(self) -> None:
        """Subscribe."""
        ...

    async def look(self, *, is_new: bool) -> None:
        """Read what was missed; after a new connection, from what may be a new server."""
        ...

    async def end(self) -> None:
        """Unsubscribe."""
        ...


@dataclass(slots=True)
class _Followed:
    has_begun: bool = False
    is_new: bool = True


class Connection:
    """For one event loop. `run` is its life; everything else fails while it is not connected."""

    def __init__(
        self, url: NatsUrl, tls: ssl.SSLContext | None, *, name: str, manage: bool
    ) -> None:
        self._url = url
        self._tls = tls
        self._name = name
        self._manage = manage
        self._client = client_for(tls)
        self._watches: dict[Watch, _Followed] = {}
        self._changed = asyncio.Event()
        self._is_made = False
        self._whole_streams: set[str] = set()

    @property
    def is_connected(self) -> bool:
        """Whether messages get through now."""
        return self._is_made and self._client.is_connected

    @property
    def client(self) -> Client:
        """Raises `ConnectionClosedError` where there is none."""
        if not self.is_connected:
            raise nats.errors.ConnectionClosedError
        return self._client

    @property
    def jetstream(self) -> JetStreamContext:
        """Of the domain that the URL names."""
        return self._jetstream_of(self.client)

    def _jetstream_of(self, client: Client) -> JetStreamContext:
        if self._url.domain is None:
            return client.jetstream(timeout=ANSWER_SECONDS)
        return client.jetstream(domain=self._url.domain, timeout=ANSWER_SECONDS)

    async def await_stream(self, stream: str) -> None:
        """Raises `NoRespondersError` while there is no such stream, or only half of it.

        nats-server 2.9 ends by a fault of its own when its leader is asked for a message of a stream
        that is just being made. A direct question has nobody to answer it until the stream is whole.
        Values may not be asked for in this way; the stream that is asked instead is made after theirs.
        """
        if stream not in self._whole_streams:
            asked = names.whole_stream(EVERYWHERE) if stream == names.VALUES else stream
            with suppress(nats.js.errors.NotFoundError):
                await self.jetstream.get_msg(asked, subject="none", direct=True)
            self._whole_streams.add(stream)

    async def store(
        self,
        subject: str,
        content: bytes,
        *,
        expect: int | None = None,
        headers: dict[str, str] | None = None,
    ) -> int:
        """Publish what a stream is to keep, and wait until it does; its sequence number."""
        if expect is not None:
            headers = {**(headers or {}), _EXPECT: str(expect)}
        if self._url.domain is not None and subject.startswith("$KV."):
            # Leaf nodes keep buckets of different domains apart, and pass this on.
            subject = f"$JS.{self._url.domain}.API.{subject}"
        answer = await self.jetstream.publish(
            subject, content, headers=headers, timeout=STORE_SECONDS
        )
        return answer.seq

    @property
    def largest_message(self) -> int:
        """As the server has said."""
        return int(self._client.max_payload)

    async def subscribe(
        self, subject: str, handler: Callable[[Msg], Awaitable[None]]
    ) -> Subscription:
        """Goes on over reconnections; messages in between are lost."""
        return await self.client.subscribe(
            subject, cb=handler, pending_msgs_limit=65_536, pending_bytes_limit=512 * 1024**2
        )

    async def add(self, watch: Watch) -> None:
        """Follow from now on, or as soon as there is a connection."""
        self._watches[watch] = _Followed()
        self._changed.set()

    async def remove(self, watch: Watch) -> None:
        """Follow no longer."""
        followed = self._watches.pop(watch, None)
        if followed and followed.has_begun:
            with suppress(nats.errors.Error):
                await watch.end()

    async def run(self) -> None:
        """Connect, and keep all watches going, until cancelled."""
        try:
            await self._connect()
            while True:
                await self._follow()
                await asyncio.sleep(_spread(AGAIN_SECONDS))
                await self._connect()
                _log.warning("the bus is connected again")
        finally:
            if self._client.is_connected:
                with suppress(Exception):
                    await self._client.flush(timeout=1)
            with suppress(Exception):
                await self._client.close()

    def wake(self) -> None:
        """Somebody has missed something: look now."""
        self._changed.set()

    async def _connect(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        while not await self._is_reached():
            await asyncio.sleep(_spread(pause))
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    async def _is_reached(self) -> bool:
        """One attempt, with a client of its own."""
        self._client = client_for(self._tls)
        try:
            async with asyncio.timeout(ATTEMPT_SECONDS):
                await self._client.connect(
                    list(self._url.servers),
                    name=self._name,
                    tls=self._tls,
                    connect_timeout=CONNECT_SECONDS,
                    allow_reconnect=False,
                    ping_interval=PING_SECONDS,
                    max_outstanding_pings=LOST_PINGS,
                    closed_cb=self._closed,
                    error_cb=self._failed,
                )
        except Exception as failure:
            _log.debug("the bus cannot be reached yet: %r", failure)
            with suppress(Exception):
                await self._client.close()
            return False
        return True

    async def _follow(self) -> None:
        """Keep all watches going for as long as this client is connected."""
        self._is_made = not self._manage
        self._whole_streams.clear()
        for followed in self._watches.values():
            followed.has_begun, followed.is_new = False, True
        while self._client.is_connected:
            # Before anything is looked at: what is missed meanwhile is looked for next.
            self._changed.clear()
            has_looked = await self._prepare() and await self._look()
            with suppress(TimeoutError):
                pause = LOOK_SECONDS if has_looked else AGAIN_SECONDS
                await asyncio.wait_for(self._changed.wait(), _spread(pause))

    async def _prepare(self) -> bool:
        """Make what there is to be, once per connection; false when it is to be tried again."""
        if not self._is_made:
            self._is_made = await self._make_streams()
        return self._is_made

    async def _make_streams(self) -> bool:
        """A server that has just started may not answer about streams yet."""
        jetstream = self._jetstream_of(self._client)
        for stream in names.streams(self._url.replicas):
            try:
                await make_stream(jetstream, stream)
            except nats.js.errors.APIError as refusal:
                _log.error("the stream %s cannot be made: %s", stream.name, refusal)
                return False
            except (nats.errors.Error, TimeoutError) as failure:
                _log.warning("the stream %s cannot be made yet: %s", stream.name, failure)
                return False
        return True

    async def _look(self) -> bool:
        """Whether nothing has failed."""
        has_looked = True
        for watch, followed in list(self._watches.items()):
            try:
                if not followed.has_begun:
                    await watch.begin()
                    followed.has_begun = True
                await watch.look(is_new=followed.is_new)
                followed.is_new = False
            except (nats.errors.Error, nats.js.errors.Error, TimeoutError) as failure:
                _log.debug("the bus could not be read, it is tried again: %s", failure)
                has_looked = False
        return has_looked

    async def _closed(self) -> None:
        _log.warning("the bus is away; what runs goes on")
        self._changed.set()

    async def _failed(self, failure: Exception) -> None:
        if isinstance(failure, nats.errors.SlowConsumerError):
            self._changed.set()
        _log.debug("bus: %s", failure)


_STREAM_IS_OTHERWISE: Final = 10058
"""A stream of this name exists with other settings, which are its operator's choice."""


async def make_stream(jetstream: JetStreamContext, stream: StreamConfig) -> None:
    """As it is, where there is none of this name. Raises what NATS refuses or fails with."""
    try:
        await jetstream.add_stream(stream)
    except nats.js.errors.APIError as refusal:
        if refusal.err_code != _STREAM_IS_OTHERWISE:
            raise


def _spread(seconds: float) -> float:
    """About as long, so that a thousand servers do not come at the same moment."""
    return seconds * random.uniform(0.5, 1.5)  # noqa: S311 - no secret
