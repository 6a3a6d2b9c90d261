"""An HTTP/1 client over one socket, which sends whatever bytes it is given."""

from __future__ import annotations

import socket
import ssl
import struct
from contextlib import suppress
from types import TracebackType
from typing import Self

from tests.support.addresses import family_of
from tests.support.http_message import Reader, Response, request_bytes
from tests.support.waiting import DEADLINE


def connect(
    address: tuple[str, int],
    *,
    tls: ssl.SSLContext | None = None,
    server_name: str | None = None,
    source_ip: str | None = None,
) -> socket.socket:
    """A connected socket, with TLS if a context is given; every wait on it has a deadline."""
    tcp = socket.socket(family_of(address[0]))
    tcp.settimeout(DEADLINE)
    if source_ip is not None:
        tcp.bind((source_ip, 0))
    try:
        tcp.connect(address)
        tcp.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return tcp if tls is None else tls.wrap_socket(tcp, server_hostname=server_name)
    except BaseException:
        tcp.close()
        raise


class H1Client:
    """One connection."""

    def __init__(
        self,
        address: tuple[str, int],
        *,
        tls: ssl.SSLContext | None = None,
        server_name: str | None = None,
        source_ip: str | None = None,
    ) -> None:
        self.socket = connect(address, tls=tls, server_name=server_name, source_ip=source_ip)
        self.reader = Reader(self.socket)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def read_response(self, method: str = "GET") -> Response:
        return self.reader.read_response(method)

    def request(
        self,
        host: str,
        path: str = "/",
        *fields: tuple[str, str],
        method: str = "GET",
        body: bytes = b"",
    ) -> Response:
        """Send a request and read its response."""
        self.send(request_bytes(host, path, *fields, method=method, body=body))
        return self.read_response(method)

    def is_closed_by_peer(self) -> bool:
        """Wait for the peer to close; `False` when it sends something first."""
        with suppress(ConnectionError):
            return not self.reader.buffer and not self.reader.fill()
        return True

    def close(self) -> None:
        self.socket.close()

    def reset(self) -> None:
        """Close with RST."""
        linger = struct.pack("ii", 1, 0)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.socket.close()


def fetch(
    address: tuple[str, int],
    host: str,
    path: str = "/",
    *fields: tuple[str, str],
    method: str = "GET",
    body: bytes = b"",
    tls: ssl.SSLContext | None = None,
) -> Response:
    """One request on a connection of its own."""
    with H1Client(address, tls=tls, server_name=host if tls else None) as client:
        return client.request(host, path, *fields, method=method, body=body)


def exchange(address: tuple[str, int], data: bytes) -> bytes:
    """Send bytes and read until the server closes; a reset counts as the end."""
    with H1Client(address) as client:
        with suppress(ConnectionError):
            client.send(data)
        with suppress(ConnectionError):
            while client.reader.fill():
                pass
        return bytes(client.reader.buffer)


def responses_in(data: bytes, methods: list[str] | None = None) -> list[Response]:
    """All whole responses in what a connection received."""
    reader = Reader(_Recorded(data))
    responses = []
    while reader.buffer or reader.fill():
        method = (methods or [])[len(responses) : len(responses) + 1] or ["GET"]
        responses.append(reader.read_response(method[0]))
    return responses


class _Recorded:
    def __init__(self, data: bytes) -> None:
        self._data = data

    def recv(self, size: int, /) -> bytes:
        data, self._data = self._data[:size], self._data[size:]
        return data
