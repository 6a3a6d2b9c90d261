"""Line ends, spaces and characters that two readers could split differently."""

from __future__ import annotations

from tests.conformance.smuggling.case import GET, Case, get, passes

_HOST = b"\r\nHost: www.example.com\r\n\r\n"


def _line(line: bytes) -> bytes:
    return line + _HOST


CASES = [
    passes("line_end_before_the_request", b"\r\n" + get(), GET),
    passes("value_with_high_bytes", get(b"X-Note: \xc3\xa4"), GET),
    passes("value_empty", get(b"X-Note:"), GET),
    Case("request_line_in_lf", b"GET /first HTTP/1.1\nHost: www.example.com\r\n\r\n"),
    Case("all_lines_in_lf", b"GET /first HTTP/1.1\nHost: www.example.com\n\n"),
    Case("head_ends_in_lf", b"GET /first HTTP/1.1\r\nHost: www.example.com\r\n\n"),
    Case("lines_in_cr", b"GET /first HTTP/1.1\rHost: www.example.com\r\r"),
    Case("two_line_ends_before_the_request", b"\r\n\r\n" + get()),
    Case("lf_before_the_request", b"\n" + get()),
    Case("space_before_the_method", b" " + get()),
    Case("two_spaces_behind_the_method", _line(b"GET  /first HTTP/1.1")),
    Case("two_spaces_behind_the_target", _line(b"GET /first  HTTP/1.1")),
    Case("space_behind_the_version", _line(b"GET /first HTTP/1.1 ")),
    Case("tab_behind_the_method", _line(b"GET\t/first HTTP/1.1")),
    Case("tab_behind_the_target", _line(b"GET /first\tHTTP/1.1")),
    Case("cr_in_the_request_line", _line(b"GET /first\rX HTTP/1.1")),
    Case("space_in_the_target", _line(b"GET /first HTTP/1.1 HTTP/1.1")),
    Case("control_in_the_target", _line(b"GET /first\x01 HTTP/1.1")),
    Case("nul_in_the_target", _line(b"GET /first\x00 HTTP/1.1")),
    Case("fragment_in_the_target", _line(b"GET /first#x HTTP/1.1")),
    Case("target_without_slash", _line(b"GET first HTTP/1.1")),
    Case("target_empty", _line(b"GET  HTTP/1.1")),
    Case("version_missing", b"GET /first\r\n"),
    Case("version_0_9", _line(b"GET /first HTTP/0.9"), (505,)),
    Case("version_1_2", _line(b"GET /first HTTP/1.2"), (505,)),
    Case("version_2_0", _line(b"GET /first HTTP/2.0"), (505,)),
    Case("version_with_two_digits", _line(b"GET /first HTTP/1.10")),
    Case("version_with_leading_zero", _line(b"GET /first HTTP/01.1")),
    Case("version_in_lower_case", _line(b"GET /first http/1.1")),
    Case("version_of_another_protocol", _line(b"GET /first ICAP/1.0")),
    Case("first_field_folded", b"GET /first HTTP/1.1\r\n X: a\r\nHost: www.example.com\r\n\r\n"),
    Case("field_folded", get(b"X-Note: a\r\n b")),
    Case("field_folded_by_a_tab", get(b"X-Note: a\r\n\tb")),
    Case("field_without_colon", get(b"X-Note")),
    Case("field_without_name", get(b": a")),
    Case("name_with_space", get(b"X Note: a")),
    Case("name_with_parenthesis", get(b"X(Note): a")),
    Case("name_with_nul", get(b"X\x00Note: a")),
    Case("name_with_high_bytes", get(b"X-N\xc3\xb6te: a")),
    Case("value_with_nul", get(b"X-Note: a\x00b")),
    Case("value_with_cr", get(b"X-Note: a\rb")),
    Case("value_with_control", get(b"X-Note: a\x01b")),
    Case("value_with_delete", get(b"X-Note: a\x7fb")),
    Case("a_request_in_a_value", get(b"X-Note: a\r\rGET /smuggled HTTP/1.1")),
    Case("fields_too_many", get(*(b"X-Note: a" for _ in range(101))), (431,)),
    Case("fields_too_large", get(b"X-Note: " + b"a" * 40_000), (431,)),
    Case("target_too_long", _line(b"GET /" + b"a" * 9_000 + b" HTTP/1.1"), (414,)),
]
