"""Origins that speak HTTP/2, by prior knowledge or behind TLS; each stream is answered by a function."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import h2.config
import h2.connection
import h2.events
import h2.exceptions
import h2.settings
from h2.settings import SettingCodes

from tests.support.http_message import Fields
from tests.support.origins import Connection, Origin


@dataclass
class Exchange:
    """One stream as the origin sees it; its methods may be called from any thread."""

    peer: Peer
    stream: int
    fields: Fields
    body: bytearray = field(default_factory=bytearray)
    trailers: Fields = field(default_factory=list)
    is_ended: bool = False
    reset_code: int | None = None

    def get(self, name: str) -> str | None:
        return next((value for key, value in self.fields if key == name), None)

    @property
    def path(self) -> str:
        return self.get(":path") or ""

    @property
    def authority(self) -> str:
        return self.get(":authority") or ""

    def respond(
        self,
        status: int = 200,
        body: bytes = b"",
        *fields: tuple[str, str],
        trailers: Fields | None = None,
    ) -> None:
        """A whole response."""
        self.send_head(status, *fields, end=not body and not trailers)
        if body:
            self.send_data(body, end=not trailers)
        if trailers:
            self.send_trailers(*trailers)

    def send_head(self, status: int, *fields: tuple[str, str], end: bool = False) -> None:
        head = [(":status", str(status)), *fields]
        self.peer.act(lambda h2: h2.send_headers(self.stream, head, end_stream=end))

    def send_data(self, data: bytes, *, end: bool = False) -> None:
        pieces = [data[at : at + 16_384] for at in range(0, len(data), 16_384)] or [b""]
        for number, piece in enumerate(pieces, 1):
            is_last = end and number == len(pieces)
            self.peer.act(lambda h2, p=piece, e=is_last: h2.send_data(self.stream, p, end_stream=e))

    def send_trailers(self, *trailers: tuple[str, str]) -> None:
        fields = list(trailers)
        self.peer.act(lambda h2: h2.send_headers(self.stream, fields, end_stream=True))

    def reset(self, code: int) -> None:
        self.peer.act(lambda h2: h2.reset_stream(self.stream, code))


class Peer:
    """One HTTP/2 connection of an origin."""

    def __init__(self, origin: H2Origin, connection: Connection) -> None:
        self.origin = origin
        self.connection = connection
        self.exchanges: dict[int, Exchange] = {}
        self._lock = threading.RLock()
        config = h2.config.H2Configuration(client_side=False, header_encoding="latin-1")
        self.h2 = h2.connection.H2Connection(config)
        self.h2.local_settings = h2.settings.Settings(
            client=False, initial_values=dict(origin.settings)
        )

    def act(self, action: Callable[[h2.connection.H2Connection], Any]) -> None:
        """Do something with the protocol's state and send what comes of it."""
        with self._lock:
            action(self.h2)
            self._flush()

    def send_raw(self, data: bytes) -> None:
        """Bytes past the protocol's state."""
        with self._lock:
            self.connection.send(data)

    def go_away(self, last_stream: int, code: int = 0) -> None:
        """GOAWAY that leaves this side's state open, so that earlier streams can be answered."""
        payload = last_stream.to_bytes(4, "big") + code.to_bytes(4, "big")
        self.send_raw(len(payload).to_bytes(3, "big") + b"\x07\x00" + bytes(4) + payload)

    def _flush(self) -> None:
        data = self.h2.data_to_send()
        if data:
            self.connection.send(data)

    def serve(self) -> None:
        self.act(lambda h2: h2.initiate_connection())
        while data := self.connection.socket.recv(65_536):
            with self._lock:
                events = self.h2.receive_data(data)
                self._flush()
            for event in events:
                self._take(event)

    def _take(self, event: h2.events.Event) -> None:
        origin = self.origin
        match event:
            case h2.events.RequestReceived():
                stream = event.stream_id or 0
                exchange = Exchange(self, stream, list(event.headers or ()))
                self.exchanges[stream] = exchange
                origin.exchanges.append(exchange)
                origin.on_head(exchange)
            case h2.events.DataReceived():
                exchange = self._exchange(event)
                exchange.body += event.data or b""
                size, stream = event.flow_controlled_length or 0, event.stream_id or 0
                self.act(lambda h2: h2.acknowledge_received_data(size, stream))
                origin.on_data(exchange, event.data or b"")
            case h2.events.TrailersReceived():
                self._exchange(event).trailers = list(event.headers or ())
            case h2.events.StreamEnded():
                exchange = self._exchange(event)
                exchange.is_ended = True
                origin.on_end(exchange)
            case h2.events.StreamReset():
                self._exchange(event).reset_code = int(event.error_code or 0)
            case _:
                pass

    def _exchange(self, event: Any) -> Exchange:
        return self.exchanges[event.stream_id]


def _nothing(*_: Any) -> None:
    pass


class H2Origin(Origin):
    """Calls `on_end` for each whole request; `on_head` and `on_data` for what wants to be faster."""

    def __init__(
        self,
        on_end: Callable[[Exchange], None] = _nothing,
        *,
        on_head: Callable[[Exchange], None] = _nothing,
        on_data: Callable[[Exchange, bytes], None] = _nothing,
        max_streams: int = 100,
        settings: Mapping[SettingCodes, int] | None = None,
        ip: str = "127.0.0.1",
        tls: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__(self._speak, ip=ip, tls=tls)
        self.on_end, self.on_head, self.on_data = on_end, on_head, on_data
        self.settings = {
            SettingCodes.MAX_CONCURRENT_STREAMS: max_streams,
            SettingCodes.INITIAL_WINDOW_SIZE: 1 << 20,
            **(settings or {}),
        }
        self.exchanges: list[Exchange] = []
        self.peers_h2: list[Peer] = []

    def _speak(self, connection: Connection) -> None:
        peer = Peer(self, connection)
        self.peers_h2.append(peer)
        with suppress(h2.exceptions.StreamClosedError):
            peer.serve()


def respond_hello(exchange: Exchange) -> None:
    """The plainest answer."""
    exchange.respond(200, b"hello")
