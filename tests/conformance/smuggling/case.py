"""What a case of the corpus says."""

from __future__ import annotations

from dataclasses import dataclass

HOST = "www.example.com"

Seen = tuple[str, str, bytes]
"""Method, target and body of a request as an origin reads it."""

BEHIND = b"GET /behind HTTP/1.1\r\nHost: www.example.com\r\nConnection: close\r\n\r\n"
"""Pipelined behind every case: what a smuggler hopes to hide, or what must be served all the same."""

SEEN_BEHIND: Seen = ("GET", "/behind", b"")

GET: Seen = ("GET", "/first", b"")
POST_HELLO: Seen = ("POST", "/first", b"hello")
POST_EMPTY: Seen = ("POST", "/first", b"")


@dataclass(frozen=True)
class Case:
    """Bytes on one connection, and what must come of them.

    The default is the usual end of a smuggler: refused with 400, connection closed, origin untouched.
    """

    name: str
    sent: bytes
    """`BEHIND` follows it."""
    verdict: tuple[int, ...] = (400,)
    """Status of every response until the connection ends."""
    intended: tuple[Seen, ...] = ()
    """What the origin sees, all of it."""
    absent: tuple[str, ...] = ()
    """Fields the origin does not see, lower case."""
    lenient_because: str | None = None
    """Why this may pass although nginx refuses it."""


def post(*lines: bytes, body: bytes = b"hello", version: bytes = b"HTTP/1.1") -> bytes:
    """A POST of `body` whose framing the lines tell."""
    return _request(b"POST", version, lines) + body


def get(*lines: bytes, version: bytes = b"HTTP/1.1") -> bytes:
    """A GET with the given lines."""
    return _request(b"GET", version, lines)


def chunked(body: bytes) -> bytes:
    """A POST in chunked coding with a body as given."""
    return post(b"Transfer-Encoding: chunked", body=body)


def _request(method: bytes, version: bytes, lines: tuple[bytes, ...]) -> bytes:
    first = method + b" /first " + version
    return b"\r\n".join([first, b"Host: www.example.com", *lines, b"", b""])


def passes(name: str, sent: bytes, seen: Seen, **more: tuple[str, ...] | str) -> Case:
    """A case that is no attack, or is disarmed: both requests are served."""
    return Case(name, sent, (200, 200), (seen, SEEN_BEHIND), **more)
