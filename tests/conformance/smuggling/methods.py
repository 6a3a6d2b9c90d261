"""Methods that mean something else to proxies than to origins."""

from __future__ import annotations

from tests.conformance.smuggling.case import Case, passes

_HOST = b"Host: www.example.com\r\n"


def _method(method: bytes, target: bytes = b"/first") -> bytes:
    return method + b" " + target + b" HTTP/1.1\r\n" + _HOST + b"\r\n"


CASES = [
    passes("method_options", _method(b"OPTIONS"), ("OPTIONS", "/first", b"")),
    passes("method_of_an_extension", _method(b"PROPFIND"), ("PROPFIND", "/first", b"")),
    passes("method_delete", _method(b"DELETE"), ("DELETE", "/first", b"")),
    Case("method_connect", _method(b"CONNECT", b"www.example.com:443"), (405,)),
    Case("method_connect_to_a_path", _method(b"CONNECT"), (405,)),
    Case(
        "method_connect_with_body",
        b"CONNECT www.example.com:443 HTTP/1.1\r\n" + _HOST + b"Content-Length: 5\r\n\r\nhello",
        (405,),
    ),
    Case("method_trace", _method(b"TRACE"), (405,)),
    Case("method_in_lower_case", _method(b"get")),
    Case("method_in_mixed_case", _method(b"Get")),
    Case("method_with_comma", _method(b"GET,POST")),
    Case("method_with_nul", _method(b"GET\x00")),
    Case("method_empty", b" /first HTTP/1.1\r\n" + _HOST + b"\r\n"),
    Case("method_asterisk_target", _method(b"GET", b"*")),
    Case("preface_of_http2_with_another_end", b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n", (505,)),
    Case("tls_handshake_on_a_plain_port", b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03"),
]
