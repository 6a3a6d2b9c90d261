"""Reading HTTP/1 messages off a socket, plainly; an implementation apart from the product's.

Strict where the border of a message is decided: whoever reads with this can trust what it calls one message.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

Fields = list[tuple[str, str]]


class Unreadable(Exception):
    """The bytes are no HTTP/1 message."""


class Cut(Exception):
    """The connection ended inside a message."""


class Receives(Protocol):
    """A socket, or what reads like one."""

    def recv(self, size: int, /) -> bytes: ...


@dataclass
class Message:
    """What requests and responses have in common; field names keep their letter case."""

    start: str
    fields: Fields
    body: bytes = b""
    trailers: Fields = field(default_factory=list)

    def get(self, name: str) -> str | None:
        """The first value of a field."""
        values = self.get_all(name)
        return values[0] if values else None

    def get_all(self, name: str) -> list[str]:
        """All values of a field, in order."""
        return [value for key, value in self.fields if key.lower() == name.lower()]


@dataclass
class Request(Message):
    """A request as an origin read it."""

    connection: int = -1
    peer_ip: str = ""
    peer_port: int = 0

    @property
    def method(self) -> str:
        return self.start.split(" ")[0]

    @property
    def target(self) -> str:
        return self.start.split(" ")[1]

    @property
    def host(self) -> str | None:
        return self.get("host")


@dataclass
class Response(Message):
    """A response as a client read it."""

    interim: list[Response] = field(default_factory=list)

    @property
    def status(self) -> int:
        return int(self.start.split(" ")[1])

    @property
    def error(self) -> str | None:
        """The code, if the proxy itself answered with an error."""
        return self.get("egressway-error")


class Reader:
    """Bytes of one connection, read as messages."""

    def __init__(self, source: Receives) -> None:
        self._source = source
        self.buffer = bytearray()
        self.is_ended = False

    def fill(self) -> bool:
        """Receive once; `False` at the end of the stream."""
        if self.is_ended:
            return False
        data = self._source.recv(65_536)
        self.buffer += data
        self.is_ended = not data
        return bool(data)

    def read_request(self) -> Request | None:
        """The next request with its body; `None` at a clean end."""
        if not self.buffer and not self.fill():
            return None
        start, fields = self._read_head()
        if len(start.split(" ")) != 3:
            raise Unreadable(start)
        request = Request(start, fields)
        self._read_body(request, until_close=False)
        return request

    def read_request_head(self) -> Request:
        """The next request's head alone."""
        return Request(*self._read_head())

    def read_response(self, method: str = "GET") -> Response:
        """The next final response, interim ones gathered in it."""
        interim = []
        while (response := self.read_response_head()).status in range(100, 200):
            interim.append(response)
            if response.status == 101:
                return response
        response.interim = interim
        if method != "HEAD" and response.status not in (204, 304):
            self._read_body(response, until_close=True)
        return response

    def read_response_head(self) -> Response:
        """The next response's head alone, interim or not."""
        start, fields = self._read_head()
        if not start.startswith("HTTP/1."):
            raise Unreadable(start)
        return Response(start, fields)

    def read_exactly(self, count: int) -> bytes:
        """So many bytes.

        Raises:
            Cut: the stream ended before.
        """
        while len(self.buffer) < count:
            if not self.fill():
                raise Cut(f"{len(self.buffer)} of {count} bytes: {bytes(self.buffer[:200])!r}")
        return self._take(count)

    def read_to_end(self) -> bytes:
        """Everything until the connection ends."""
        while self.fill():
            pass
        return self._take(len(self.buffer))

    def read_chunk(self) -> bytes:
        """One chunk of a chunked body; empty for the last one, whose trailers are still to be read."""
        size = int(self.read_line().split(";")[0], 16)
        if size == 0:
            return b""
        data = self.read_exactly(size)
        if self.read_exactly(2) != b"\r\n":
            raise Unreadable("no line end behind a chunk")
        return data

    def read_line(self) -> str:
        """One line without its CRLF."""
        while (end := self.buffer.find(b"\r\n")) < 0:
            if not self.fill():
                raise Cut(f"inside a line: {bytes(self.buffer[:200])!r}")
        return self._take(end + 2)[:-2].decode("latin-1")

    def _take(self, count: int) -> bytes:
        data = bytes(self.buffer[:count])
        del self.buffer[:count]
        return data

    def _read_head(self) -> tuple[str, Fields]:
        return self.read_line(), self._read_fields()

    def _read_fields(self) -> Fields:
        fields = []
        while line := self.read_line():
            name, colon, value = line.partition(":")
            if not colon:
                raise Unreadable(line)
            fields.append((name, value.strip(" \t")))
        return fields

    def _read_body(self, message: Message, *, until_close: bool) -> None:
        lengths = message.get_all("content-length")
        codings = message.get_all("transfer-encoding")
        if len(lengths) + len(codings) > 1:
            raise Unreadable(f"ambiguous length: {lengths} {codings}")
        if codings:
            self._read_chunked(message, codings[0])
        elif lengths:
            message.body = self.read_exactly(int(lengths[0]))
        elif until_close:
            message.body = self.read_to_end()

    def _read_chunked(self, message: Message, coding: str) -> None:
        if coding.lower() != "chunked":
            raise Unreadable(f"transfer coding {coding}")
        while chunk := self.read_chunk():
            message.body += chunk
        message.trailers = self._read_fields()


def head_bytes(start: str, fields: Iterable[tuple[str, str]]) -> bytes:
    """A message head on the wire."""
    lines = [start, *(f"{name}: {value}" for name, value in fields)]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def response_bytes(
    status: int = 200,
    body: bytes = b"",
    *fields: tuple[str, str],
    length: int | None = None,
) -> bytes:
    """A response with `Content-Length`, which `length` may make untrue."""
    told = len(body) if length is None else length
    return head_bytes(f"HTTP/1.1 {status} Status", [*fields, ("Content-Length", str(told))]) + body


def request_bytes(
    host: str, path: str = "/", *fields: tuple[str, str], method: str = "GET", body: bytes = b""
) -> bytes:
    """A request; with a body it has `Content-Length`."""
    length = [("Content-Length", str(len(body)))] if body else []
    return head_bytes(f"{method} {path} HTTP/1.1", [("Host", host), *fields, *length]) + body


def chunked(*pieces: bytes, trailers: Iterable[tuple[str, str]] = ()) -> bytes:
    """A chunked body to its end."""
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    return chunks + b"0\r\n" + b"".join(f"{n}: {v}\r\n".encode() for n, v in trailers) + b"\r\n"
