"""Who is asked: hosts and targets that two readers could route differently."""

from __future__ import annotations

from tests.conformance.smuggling.case import GET, Case, get, passes


def _to(target: bytes, *hosts: bytes, version: bytes = b"HTTP/1.1") -> bytes:
    lines = (b"Host: " + host for host in hosts)
    return b"\r\n".join([b"GET " + target + b" " + version, *lines, b"", b""])


CASES = [
    passes("host", _to(b"/first", b"www.example.com"), GET),
    passes("host_in_other_case", _to(b"/first", b"WWW.Example.COM"), GET),
    passes("host_with_trailing_dot", _to(b"/first", b"www.example.com."), GET),
    passes("host_with_port", _to(b"/first", b"www.example.com:80"), GET),
    passes(
        "host_of_an_absolute_target",
        _to(b"http://www.example.com/first", b"www.example.com"),
        GET,
    ),
    passes("host_forwarded", get(b"X-Forwarded-Host: other"), GET, absent=("x-forwarded-host",)),
    Case("host_missing", _to(b"/first")),
    Case("host_missing_in_http_1_0", _to(b"/first", version=b"HTTP/1.0")),
    Case("host_twice_equal", _to(b"/first", b"www.example.com", b"www.example.com")),
    Case("host_twice_different", _to(b"/first", b"www.example.com", b"other.example.com")),
    Case("host_empty", _to(b"/first", b"")),
    Case("host_list", _to(b"/first", b"www.example.com, other.example.com")),
    Case("host_with_user", _to(b"/first", b"user@www.example.com")),
    Case("host_with_path", _to(b"/first", b"www.example.com/x")),
    Case("host_with_query", _to(b"/first", b"www.example.com?x")),
    Case("host_with_fragment", _to(b"/first", b"www.example.com#x")),
    Case("host_with_space", _to(b"/first", b"www.example .com")),
    Case("host_with_nul", _to(b"/first", b"www.example.com\x00")),
    Case("host_with_empty_label", _to(b"/first", b"www..example.com")),
    Case("host_with_bad_port", _to(b"/first", b"www.example.com:8o")),
    Case("host_with_port_too_large", _to(b"/first", b"www.example.com:65536")),
    Case("host_with_two_ports", _to(b"/first", b"www.example.com:80:81")),
    Case("host_with_open_bracket", _to(b"/first", b"[::1")),
    Case("host_with_space_before_colon", b"GET /first HTTP/1.1\r\nHost : www.example.com\r\n\r\n"),
    Case("host_folded", b"GET /first HTTP/1.1\r\nHost:\r\n www.example.com\r\n\r\n"),
    Case("target_of_another_host", _to(b"http://other.example.com/", b"www.example.com")),
    Case("target_of_another_port", _to(b"http://www.example.com:81/", b"www.example.com")),
    Case("target_with_user", _to(b"http://user@www.example.com/", b"www.example.com")),
    Case("target_of_another_scheme", _to(b"ftp://www.example.com/", b"www.example.com")),
    Case("target_absolute_without_host", _to(b"http://www.example.com/first")),
    Case("target_absolute_with_empty_host", _to(b"http:///first", b"www.example.com")),
]
