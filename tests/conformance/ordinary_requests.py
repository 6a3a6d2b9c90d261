"""Ordinary requests, and an origin that answers them in all the ways origins do."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from dataclasses import dataclass

from tests.conformance.smuggling.case import HOST
from tests.support.http_message import chunked, head_bytes, request_bytes, response_bytes
from tests.support.origins import Connection

_LARGE = bytes(range(256)) * 4_096
_ZIPPED = gzip.compress(b"hello" * 1_000, mtime=0)
_DATE = ("Date", "Tue, 01 Jul 2025 00:00:00 GMT")
_CHUNKED_HEAD = head_bytes("HTTP/1.1 200 OK", [("Transfer-Encoding", "chunked")])


@dataclass(frozen=True)
class Ordinary:
    """A request as bytes; `method` decides how its response is read."""

    name: str
    sent: bytes
    method: str = "GET"


def _plain(
    name: str, path: str, *fields: tuple[str, str], method: str = "GET", body: bytes = b""
) -> Ordinary:
    return Ordinary(name, request_bytes(HOST, path, *fields, method=method, body=body), method)


def _chunked(name: str, path: str, *pieces: bytes, method: str = "POST") -> Ordinary:
    head = request_bytes(HOST, path, ("Transfer-Encoding", "chunked"), method=method)
    return Ordinary(name, head + chunked(*pieces), method)


REQUESTS = [
    _plain("get", "/"),
    _plain("get_with_query", "/a/b?c=d&e=f"),
    _plain("get_with_empty_query", "/a?"),
    _plain("get_with_two_question_marks", "/a?b?c"),
    _plain("get_with_escapes", "/a%20b/%C3%A4?x=%26"),
    _plain("get_with_escaped_slash", "/a%2Fb"),
    _plain("get_with_dots", "/a/./b/../c"),
    _plain("get_with_double_slash", "//a//b"),
    _plain("get_with_odd_characters", "/a;b=c,d'(e)!*~$&+:@"),
    Ordinary(
        "get_absolute_form",
        b"GET http://www.example.com/abs?x HTTP/1.1\r\nHost: www.example.com\r\n\r\n",
    ),
    _plain("get_with_cookies", "/", ("Cookie", "a=1; b=2")),
    _plain("get_with_accept", "/", ("Accept", "text/css"), ("Accept-Language", "de, en;q=0.5")),
    _plain("get_with_authorization", "/", ("Authorization", "Basic dXNlcjpzZWNyZXQ=")),
    _plain("get_with_range", "/range", ("Range", "bytes=0-4")),
    _plain("get_with_condition", "/304", ("If-None-Match", '"v1"')),
    _plain("get_with_empty_field", "/", ("X-Empty", "")),
    _plain("get_with_repeated_fields", "/", ("X-Two", "1"), ("X-Two", "2")),
    _plain("get_with_large_field", "/", ("X-Large", "a" * 8_000)),
    _plain("get_with_many_fields", "/", *((f"X-{n}", str(n)) for n in range(80))),
    _plain("get_with_long_target", "/" + "a" * 4_000),
    _plain("get_that_closes", "/", ("Connection", "close")),
    _plain("head", "/", method="HEAD"),
    _plain("head_of_chunked", "/chunked", method="HEAD"),
    _plain("head_of_404", "/404", method="HEAD"),
    _plain("options", "/", method="OPTIONS"),
    _plain("delete", "/", method="DELETE"),
    _plain("delete_with_body", "/", method="DELETE", body=b"why"),
    _plain("extension_method", "/", ("Depth", "1"), method="PROPFIND", body=b"<a/>"),
    _plain("post", "/", ("Content-Type", "text/plain"), method="POST", body=b"hello"),
    _plain("post_without_body", "/", ("Content-Length", "0"), method="POST"),
    _plain("post_large", "/", method="POST", body=_LARGE),
    _plain("put", "/", method="PUT", body=b"hello"),
    _plain("patch", "/", method="PATCH", body=b"hello"),
    _chunked("post_chunked", "/", b"he", b"llo"),
    _chunked("post_chunked_empty", "/"),
    _chunked(
        "post_chunked_large", "/", *(_LARGE[at : at + 7_000] for at in range(0, 100_000, 7_000))
    ),
    _plain("answer_204", "/204"),
    _plain("answer_301", "/301"),
    _plain("answer_302_without_body", "/302"),
    _plain("answer_404", "/404"),
    _plain("answer_500", "/500"),
    _plain("answer_503", "/503"),
    _plain("answer_with_unknown_status", "/599"),
    _plain("answer_chunked", "/chunked"),
    _plain("answer_in_tiny_chunks", "/tiny"),
    _plain("answer_until_close", "/until-close"),
    _plain("answer_empty_until_close", "/empty-until-close"),
    _plain("answer_in_http_1_0", "/http-1.0"),
    _plain("answer_large", "/large"),
    _plain("answer_piecemeal", "/piecemeal"),
    _plain("answer_gzip", "/gzip", ("Accept-Encoding", "gzip")),
    _plain("answer_with_cookies", "/cookies"),
    _plain("answer_with_large_fields", "/large-fields"),
    _plain("answer_with_hop_by_hop_fields", "/hop-by-hop"),
]


def script(connection: Connection) -> None:
    """Serve a connection until one of the two sides ends it."""
    while (request := connection.read_request()) is not None:
        path = request.target.partition("?")[0]
        for piece in _ANSWERS.get(path, _default)(request.method):
            connection.send(piece)
        if path in _CLOSING:
            return


_CLOSING = {"/until-close", "/empty-until-close", "/http-1.0"}

Pieces = list[bytes]


def _default(method: str) -> Pieces:
    return _sized(method, 200, b"hello", _DATE, ("X-Origin", "yes"))


def _sized(method: str, status: int, body: bytes, *fields: tuple[str, str]) -> Pieces:
    whole = response_bytes(status, body, *fields)
    return [whole[: len(whole) - len(body)] if method == "HEAD" else whole]


def _status(status: int, *fields: tuple[str, str], body: bytes = b"x") -> Callable[[str], Pieces]:
    return lambda method: _sized(method, status, body, *fields)


def _bodiless(status: int, *fields: tuple[str, str]) -> Callable[[str], Pieces]:
    return lambda _: [head_bytes(f"HTTP/1.1 {status} Status", fields)]


def _in_chunks(*pieces: bytes) -> Callable[[str], Pieces]:
    return lambda method: [_CHUNKED_HEAD, *([] if method == "HEAD" else [chunked(*pieces)])]


def _one_by_one(*pieces: bytes) -> Callable[[str], Pieces]:
    return lambda _: list(pieces)


_ANSWERS: dict[str, Callable[[str], Pieces]] = {
    "/range": _status(
        206, ("Content-Range", "bytes 0-4/9"), ("Accept-Ranges", "bytes"), body=b"01234"
    ),
    "/304": _bodiless(304, ("ETag", '"v1"'), ("Cache-Control", "max-age=9")),
    "/204": _bodiless(204, ("X-Origin", "yes")),
    "/301": _status(301, ("Location", "http://other.example.com/x?y")),
    "/302": _status(302, ("Location", "/relative"), body=b""),
    "/404": _status(404, body=b"nothing here"),
    "/500": _status(500, body=b"broken"),
    "/503": _status(503, ("Retry-After", "9"), body=b"later"),
    "/599": _status(599, body=b"odd"),
    "/chunked": _in_chunks(b"he", b"llo"),
    "/tiny": _in_chunks(*(bytes([byte]) for byte in range(200))),
    "/until-close": _one_by_one(b"HTTP/1.1 200 OK\r\n\r\nhe", b"llo"),
    "/empty-until-close": _one_by_one(b"HTTP/1.1 200 OK\r\n\r\n"),
    "/http-1.0": _one_by_one(b"HTTP/1.0 200 OK\r\nX-Origin: yes\r\n\r\nhello"),
    "/large": _status(200, body=_LARGE),
    "/piecemeal": _one_by_one(
        b"HTTP/1.1 2", b"00 OK\r\nConten", b"t-Length: 10\r", b"\n\r", b"\nhello", b"world"
    ),
    "/gzip": _status(200, ("Content-Encoding", "gzip"), ("Vary", "Accept-Encoding"), body=_ZIPPED),
    "/cookies": _status(200, ("Set-Cookie", "a=1; Path=/"), ("Set-Cookie", "b=2; HttpOnly")),
    "/large-fields": _status(200, ("X-Large", "a" * 3_000)),
    "/hop-by-hop": _status(200, ("Keep-Alive", "timeout=9"), ("X-Kept", "1")),
}
