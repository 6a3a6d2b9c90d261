"""HTTP/2 requests that become something else when they are written as HTTP/1."""

from __future__ import annotations

from dataclasses import dataclass

from tests.conformance.smuggling.case import HOST, Seen

Head = tuple[tuple[str, str], ...]

SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: www.example.com\r\n\r\n"


@dataclass(frozen=True)
class H2Case:
    """A request as frames, and what must come of it; the default is a refusal, however it is put."""

    name: str
    head: Head
    data: tuple[bytes, ...] | None = None
    """One DATA frame each, the last one ending the stream; `None`: the head ends it."""
    trailers: Head = ()
    """Sent behind the data; then the last DATA frame does not end the stream."""
    seen: Seen | None = None
    """What the origin sees, if the request is served."""
    fields: Head = ()
    """Fields the origin sees, among others."""
    absent: tuple[str, ...] = ()
    """Fields the origin does not see."""
    lenient_because: str | None = None
    """Why this may pass although nginx refuses it."""


def head(
    *fields: tuple[str, str],
    method: str = "GET",
    scheme: str = "http",
    authority: str | None = HOST,
    path: str = "/first",
) -> Head:
    """A usual head with the given fields behind it."""
    named = () if authority is None else ((":authority", authority),)
    return ((":method", method), (":scheme", scheme), *named, (":path", path), *fields)


def _post(*fields: tuple[str, str]) -> Head:
    return head(*fields, method="POST")


_GET: Seen = ("GET", "/first", b"")
_HELLO: Seen = ("POST", "/first", b"hello")

_SERVED = [
    H2Case("h2_get", head(), seen=_GET),
    H2Case("h2_length", _post(("content-length", "5")), (b"hello",), seen=_HELLO),
    H2Case("h2_no_length", _post(), (b"hello",), seen=_HELLO),
    H2Case("h2_empty_data_at_the_end", _post(), (b"hello", b""), seen=_HELLO),
    H2Case("h2_empty_data_between", _post(), (b"he", b"", b"llo"), seen=_HELLO),
    H2Case("h2_empty_data_alone", _post(), (b"",), seen=("POST", "/first", b"")),
    H2Case(
        "h2_empty_data_behind_a_length",
        _post(("content-length", "5")),
        (b"hello", b""),
        seen=_HELLO,
    ),
    H2Case("h2_a_request_in_the_body", _post(), (SMUGGLED,), seen=("POST", "/first", SMUGGLED)),
    H2Case(
        "h2_a_last_chunk_in_the_body",
        _post(),
        (b"0\r\n\r\n", SMUGGLED),
        seen=("POST", "/first", b"0\r\n\r\n" + SMUGGLED),
    ),
    H2Case(
        "h2_host_equal",
        head(("host", HOST)),
        seen=_GET,
        lenient_because="an equal Host is allowed (RFC 9113 section 8.3.1)",
    ),
    H2Case("h2_host_alone", head(("host", HOST), authority=None), seen=_GET),
    H2Case(
        "h2_cookie_crumbs",
        head(("cookie", "a=1"), ("cookie", "b=2")),
        seen=_GET,
        fields=(("cookie", "a=1; b=2"),),
    ),
    H2Case("h2_te_trailers", head(("te", "trailers")), seen=_GET),
    H2Case(
        "h2_trailers",
        _post(),
        (b"hello",),
        (("x-sum", "1"),),
        seen=_HELLO,
        lenient_because="nginx knows no trailers of requests, gRPC needs them",
    ),
    H2Case(
        "h2_trailer_pseudo_field",
        _post(),
        (b"hello",),
        ((":path", "/other"),),
        seen=_HELLO,
        absent=(":path", "path"),
        lenient_because="the h2 library leaves it out of the trailers: nothing of it is passed on",
    ),
    H2Case(
        "h2_length_in_disguise",
        head(("content_length", "9")),
        seen=_GET,
        absent=("content_length",),
    ),
]

_REFUSED_TEXT = [
    H2Case("h2_crlf_in_a_value", head(("x-note", "a\r\nx-smuggled: 1"))),
    H2Case("h2_lf_in_a_value", head(("x-note", "a\nx-smuggled: 1"))),
    H2Case("h2_cr_in_a_value", head(("x-note", "a\rx-smuggled: 1"))),
    H2Case("h2_nul_in_a_value", head(("x-note", "a\x00b"))),
    H2Case("h2_request_in_a_value", head(("x-note", "a\r\n\r\n" + SMUGGLED.decode()))),
    H2Case("h2_crlf_in_a_name", head(("x-note: a\r\nx-smuggled", "1"))),
    H2Case("h2_colon_in_a_name", head(("x:note", "a"))),
    H2Case("h2_space_in_a_name", head(("x note", "a"))),
    H2Case("h2_upper_case_in_a_name", head(("X-Note", "a"))),
    H2Case("h2_name_empty", head(("", "a"))),
    H2Case("h2_coding_in_a_value_of_length", _post(("content-length", "5\r\nx: y")), (b"hello",)),
    H2Case("h2_space_in_the_method", head(method="GET /smuggled HTTP/1.1\r\nx:")),
    H2Case("h2_crlf_in_the_method", head(method="GET\r\n")),
    H2Case("h2_space_in_the_path", head(path="/first HTTP/1.1\r\nx: y")),
    H2Case("h2_crlf_in_the_path", head(path="/first\r\nx: y")),
    H2Case("h2_path_without_slash", head(path="first")),
    H2Case("h2_path_empty", head(path="")),
    H2Case("h2_path_absolute", head(path="http://other.example.com/first")),
    H2Case("h2_path_asterisk", head(path="*")),
    H2Case("h2_crlf_in_the_authority", head(authority=HOST + "\r\nx: y")),
    H2Case("h2_crlf_in_the_scheme", head(scheme="http\r\nx: y")),
]

_REFUSED_HEADS = [
    H2Case("h2_host_different", head(("host", "other.example.com"))),
    H2Case("h2_host_twice", head(("host", HOST), ("host", HOST))),
    H2Case("h2_host_twice_and_no_authority", head(("host", HOST), ("host", HOST), authority=None)),
    H2Case("h2_no_authority", head(authority=None)),
    H2Case("h2_authority_empty", head(authority="")),
    H2Case("h2_authority_with_user", head(authority=f"user@{HOST}")),
    H2Case("h2_authority_with_path", head(authority=f"{HOST}/x")),
    H2Case("h2_authority_twice", ((":authority", "other.example.com"), *head())),
    H2Case("h2_path_twice", ((":path", "/other"), *head())),
    H2Case("h2_pseudo_field_behind_a_field", (("x-note", "a"), *head())),
    H2Case("h2_pseudo_field_unknown", ((":note", "a"), *head())),
    H2Case("h2_pseudo_field_of_responses", ((":status", "200"), *head())),
    H2Case("h2_scheme_of_another_protocol", head(scheme="ftp")),
    H2Case("h2_method_missing", head()[1:]),
    H2Case("h2_connect", ((":method", "CONNECT"), (":authority", f"{HOST}:443"))),
    H2Case("h2_connect_with_a_path", head(method="CONNECT")),
    H2Case("h2_trace", head(method="TRACE")),
    H2Case("h2_method_in_lower_case", head(method="get")),
    H2Case("h2_transfer_coding", _post(("transfer-encoding", "chunked")), (b"0\r\n\r\n",)),
    H2Case("h2_connection", head(("connection", "keep-alive"))),
    H2Case("h2_keep_alive", head(("keep-alive", "timeout=9"))),
    H2Case("h2_proxy_connection", head(("proxy-connection", "keep-alive"))),
    H2Case("h2_upgrade", head(("upgrade", "websocket"))),
    H2Case("h2_te_gzip", head(("te", "gzip"))),
    H2Case("h2_te_trailers_and_more", head(("te", "trailers, gzip"))),
    H2Case("h2_expectation_unknown", _post(("expect", "200-ok")), (b"hello",)),
    H2Case("h2_fields_too_many", head(*((f"x-{n}", "a") for n in range(101)))),
    H2Case("h2_fields_too_large", head(*((f"x-{n}", "a" * 8_000) for n in range(5)))),
]

_REFUSED_LENGTHS = [
    H2Case("h2_length_too_large", _post(("content-length", "9")), (b"hello",)),
    H2Case("h2_length_too_small", _post(("content-length", "3")), (b"hello",)),
    H2Case("h2_length_zero_with_data", _post(("content-length", "0")), (b"hello",)),
    H2Case("h2_length_without_data", _post(("content-length", "5"))),
    H2Case("h2_length_with_plus", _post(("content-length", "+5")), (b"hello",)),
    H2Case("h2_length_negative", _post(("content-length", "-5")), (b"hello",)),
    H2Case("h2_length_empty", _post(("content-length", "")), (b"hello",)),
    H2Case("h2_length_list", _post(("content-length", "5, 5")), (b"hello",)),
    H2Case(
        "h2_length_twice",
        _post(("content-length", "5"), ("content-length", "5")),
        (b"hello",),
    ),
    H2Case(
        "h2_trailers_before_the_length_is_reached",
        _post(("content-length", "9")),
        (b"hello",),
        (("x-sum", "1"),),
    ),
    H2Case("h2_trailer_with_crlf", _post(), (b"hello",), (("x-sum", "1\r\nx: y"),)),
]

H2_CASES = [*_SERVED, *_REFUSED_TEXT, *_REFUSED_HEADS, *_REFUSED_LENGTHS]
