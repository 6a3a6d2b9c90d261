"""Fields of one connection, and fields in which only the proxy speaks."""

from __future__ import annotations

from tests.conformance.smuggling.case import GET, POST_HELLO, Case, get, passes, post

CASES = [
    passes("connection_names_a_field", get(b"Connection: X-A", b"X-A: 1"), GET, absent=("x-a",)),
    passes(
        "connection_names_fields_on_two_lines",
        get(b"Connection: X-A", b"X-A: 1", b"Connection: x-b", b"X-B: 1"),
        GET,
        absent=("x-a", "x-b"),
    ),
    passes(
        "connection_names_the_length",
        post(b"Connection: Content-Length", b"Content-Length: 5"),
        POST_HELLO,
    ),
    passes(
        "connection_names_the_coding",
        post(
            b"Connection: Transfer-Encoding",
            b"Transfer-Encoding: chunked",
            body=b"5\r\nhello\r\n0\r\n\r\n",
        ),
        POST_HELLO,
    ),
    passes("connection_names_the_host", get(b"Connection: Host"), GET),
    passes("keep_alive", get(b"Keep-Alive: timeout=9"), GET, absent=("keep-alive",)),
    passes(
        "proxy_fields",
        get(b"Proxy-Connection: keep-alive", b"Proxy-Authorization: Basic eA=="),
        GET,
        absent=("proxy-connection", "proxy-authorization"),
    ),
    passes("te_other_than_trailers", get(b"TE: gzip"), GET, absent=("te",)),
    passes(
        "upgrade_to_h2c",
        get(b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABk"),
        GET,
        absent=("upgrade", "http2-settings", "connection"),
    ),
    passes(
        "upgrade_without_connection",
        get(b"Upgrade: websocket"),
        GET,
        absent=("upgrade",),
    ),
    passes(
        "upgrade_that_the_origin_does_not_take",
        get(
            b"Connection: Upgrade",
            b"Upgrade: websocket",
            b"Sec-WebSocket-Version: 13",
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        ),
        GET,
    ),
    Case("upgrade_without_key", get(b"Connection: Upgrade", b"Upgrade: websocket")),
    Case(
        "upgrade_with_a_body",
        get(
            b"Connection: Upgrade",
            b"Upgrade: websocket",
            b"Sec-WebSocket-Version: 13",
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
            b"Content-Length: 5",
        )
        + b"hello",
    ),
    passes(
        "fields_of_the_proxy",
        get(b"Egressway-Zone: other", b"X-Real-IP: 192.0.2.1"),
        GET,
        absent=("egressway-zone", "x-real-ip"),
    ),
    passes(
        "fields_of_the_proxy_in_disguise",
        get(b"X_Forwarded_For: 192.0.2.1", b"Egressway_Zone: other"),
        GET,
        absent=("x_forwarded_for", "egressway_zone"),
    ),
    Case("connection_closes", get(b"Connection: close"), (200,), (GET,)),
    Case("expectation_unknown", post(b"Expect: 200-ok", b"Content-Length: 5"), (417,)),
]
