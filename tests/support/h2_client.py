"""An HTTP/2 client over one socket, which may send what no library would."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import h2.config
import h2.connection
import h2.events
import h2.settings

from tests.support.h1_client import connect
from tests.support.http_message import Fields
from tests.support.waiting import DEADLINE

_WINDOW = 1 << 24
_FRAME_HEAD = 9
_GOAWAY = 7


@dataclass
class Stream:
    """One exchange as the client sees it."""

    fields: Fields = field(default_factory=list)
    body: bytearray = field(default_factory=bytearray)
    trailers: Fields = field(default_factory=list)
    interim: list[Fields] = field(default_factory=list)
    is_ended: bool = False
    reset_code: int | None = None

    @property
    def status(self) -> int:
        return int(dict(self.fields)[":status"])

    @property
    def error(self) -> str | None:
        """The code, if the proxy itself answered with an error."""
        return self.get("egressway-error")

    def get(self, name: str) -> str | None:
        return next((value for key, value in self.fields if key == name), None)


class H2Client:
    """One connection; `is_strict=False` sends malformed fields as they are."""

    def __init__(
        self,
        address: tuple[str, int],
        *,
        tls: ssl.SSLContext | None = None,
        server_name: str | None = None,
        is_strict: bool = True,
        source_ip: str | None = None,
    ) -> None:
        self.socket = connect(address, tls=tls, server_name=server_name, source_ip=source_ip)
        self.scheme = "https" if tls else "http"
        config = h2.config.H2Configuration(
            client_side=True,
            header_encoding="latin-1",
            validate_outbound_headers=is_strict,
            normalize_outbound_headers=is_strict,
        )
        self.h2 = h2.connection.H2Connection(config)
        self.h2.local_settings = h2.settings.Settings(
            client=True,
            initial_values={
                h2.settings.SettingCodes.ENABLE_PUSH: 0,
                h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: _WINDOW,
            },
        )
        self.streams: dict[int, Stream] = {}
        self.goaway: tuple[int, int] | None = None
        """Error code and last stream id."""
        self.is_closed = False
        self.has_settings = False
        self._received = bytearray()
        self.h2.initiate_connection()
        self.h2.increment_flow_control_window(_WINDOW)
        self.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self.socket.close()

    def flush(self) -> None:
        data = self.h2.data_to_send()
        if data:
            self.socket.sendall(data)

    def start(
        self,
        host: str,
        path: str = "/",
        *fields: tuple[str, str],
        method: str = "GET",
        end: bool = True,
    ) -> int:
        """Send a request's head; returns its stream."""
        head = [
            (":method", method),
            (":scheme", self.scheme),
            (":authority", host),
            (":path", path),
            *fields,
        ]
        return self.start_raw(head, end=end)

    def start_raw(self, head: Iterable[tuple[str, str]], *, end: bool = True) -> int:
        """The same with every field given, pseudo-fields too."""
        stream = self.h2.get_next_available_stream_id()
        self.streams[stream] = Stream()
        self.h2.send_headers(stream, list(head), end_stream=end)
        self.flush()
        return stream

    def send_data(self, stream: int, data: bytes, *, end: bool = False) -> None:
        """Send body bytes, waiting for the peer's window."""
        for start in range(0, max(len(data), 1), 16_384):
            piece = data[start : start + 16_384]
            self._wait_for_window(stream, len(piece))
            self.h2.send_data(stream, piece, end_stream=end and start + 16_384 >= len(data))
            self.flush()

    def _wait_for_window(self, stream: int, size: int) -> None:
        self.wait_for(lambda: self.h2.local_flow_control_window(stream) >= size)

    def send_trailers(self, stream: int, *fields: tuple[str, str]) -> None:
        self.h2.send_headers(stream, list(fields), end_stream=True)
        self.flush()

    def reset(self, stream: int, code: int = 8) -> None:
        self.h2.reset_stream(stream, code)
        self.flush()

    def wait(self, stream: int) -> Stream:
        """Wait until an exchange has ended, well or badly."""
        state = self.streams[stream]
        self.wait_for(lambda: state.is_ended or state.reset_code is not None or self.is_closed)
        return state

    def request(
        self,
        host: str,
        path: str = "/",
        *fields: tuple[str, str],
        method: str = "GET",
        body: bytes = b"",
    ) -> Stream:
        """One exchange."""
        stream = self.start(host, path, *fields, method=method, end=not body)
        if body:
            self.send_data(stream, body, end=True)
        return self.wait(stream)

    def wait_for(self, is_done: Callable[[], Any], *, within: float = DEADLINE) -> None:
        """Receive until something holds."""
        end = time.monotonic() + within
        while not is_done():
            assert time.monotonic() < end, f"not in time; streams: {self.streams}"
            assert not self.is_closed, f"the peer closed; GOAWAY {self.goaway}"
            self.receive()

    def receive(self) -> None:
        """Receive once."""
        try:
            data = self.socket.recv(65_536)
        except ConnectionError:
            data = b""
        if not data:
            self.is_closed = True
            return
        for event in self.h2.receive_data(self._without_goaway(data)):
            self._take(event)
        with suppress(ConnectionError):
            self.flush()

    def _without_goaway(self, data: bytes) -> bytes:
        """Whole frames so far, but GOAWAY: the library takes nothing after one, though streams go on."""
        self._received += data
        frames = bytearray()
        while len(self._received) >= _FRAME_HEAD:
            size = _FRAME_HEAD + int.from_bytes(self._received[:3], "big")
            if len(self._received) < size:
                break
            frame = bytes(self._received[:size])
            del self._received[:size]
            if frame[3] == _GOAWAY:
                self.goaway = (
                    int.from_bytes(frame[13:17], "big"),
                    int.from_bytes(frame[9:13], "big"),
                )
            else:
                frames += frame
        return bytes(frames)

    def _take(self, event: h2.events.Event) -> None:
        match event:
            case h2.events.RemoteSettingsChanged():
                self.has_settings = True
            case h2.events.ResponseReceived():
                self._stream(event).fields = list(event.headers or ())
            case h2.events.InformationalResponseReceived():
                self._stream(event).interim.append(list(event.headers or ()))
            case h2.events.TrailersReceived():
                self._stream(event).trailers = list(event.headers or ())
            case h2.events.DataReceived():
                self._stream(event).body += event.data or b""
                self.h2.acknowledge_received_data(
                    event.flow_controlled_length or 0, event.stream_id or 0
                )
            case h2.events.StreamEnded():
                self._stream(event).is_ended = True
            case h2.events.StreamReset():
                self._stream(event).reset_code = int(event.error_code or 0)
            case _:
                pass

    def _stream(self, event: Any) -> Stream:
        return self.streams[event.stream_id]


def fetch_h2(
    address: tuple[str, int],
    host: str,
    path: str = "/",
    *fields: tuple[str, str],
    method: str = "GET",
    body: bytes = b"",
    tls: ssl.SSLContext | None = None,
) -> Stream:
    """One exchange on a connection of its own."""
    with H2Client(address, tls=tls, server_name=host if tls else None) as client:
        return client.request(host, path, *fields, method=method, body=body)
