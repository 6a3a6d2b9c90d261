"""Lengths that two readers could read differently."""

from __future__ import annotations

from tests.conformance.smuggling.case import (
    GET,
    POST_EMPTY,
    POST_HELLO,
    Case,
    get,
    passes,
    post,
)

_CHUNKED_HELLO = b"5\r\nhello\r\n0\r\n\r\n"

CASES = [
    passes("length", post(b"Content-Length: 5"), POST_HELLO),
    passes("length_with_leading_zeros", post(b"Content-Length: 005"), POST_HELLO),
    passes("length_zero", post(b"Content-Length: 0", body=b""), POST_EMPTY),
    passes("length_of_a_get", get(b"Content-Length: 5") + b"hello", ("GET", "/first", b"hello")),
    passes(
        "length_behind_a_tab",
        post(b"Content-Length:\t5"),
        POST_HELLO,
        lenient_because="a tab is white space (RFC 9110 section 5.6.3), and the length is written anew",
    ),
    passes("length_with_spaces_around", post(b"Content-Length:   5   "), POST_HELLO),
    passes(
        "length_in_disguise",
        get(b"Content_Length: 69"),
        GET,
        absent=("content_length", "content-length"),
    ),
    Case(
        "length_then_coding",
        post(b"Content-Length: 15", b"Transfer-Encoding: chunked", body=_CHUNKED_HELLO),
    ),
    Case(
        "coding_then_length",
        post(b"Transfer-Encoding: chunked", b"Content-Length: 15", body=_CHUNKED_HELLO),
    ),
    Case(
        "length_zero_beside_coding",
        post(b"Content-Length: 0", b"Transfer-Encoding: chunked", body=_CHUNKED_HELLO),
    ),
    Case(
        "length_beside_unknown_coding",
        post(b"Content-Length: 5", b"Transfer-Encoding: identity"),
    ),
    Case("length_twice_equal", post(b"Content-Length: 5", b"Content-Length: 5")),
    Case("length_twice_different", post(b"Content-Length: 5", b"Content-Length: 0")),
    Case("length_twice_in_other_case", post(b"Content-Length: 5", b"content-length: 5")),
    Case("length_as_list", post(b"Content-Length: 5, 5")),
    Case("length_as_list_of_different", post(b"Content-Length: 0, 5")),
    Case("length_with_plus", post(b"Content-Length: +5")),
    Case("length_negative", post(b"Content-Length: -5")),
    Case("length_hexadecimal", post(b"Content-Length: 0x5")),
    Case("length_with_point", post(b"Content-Length: 5.0")),
    Case("length_with_letters_behind", post(b"Content-Length: 5a")),
    Case("length_with_space_inside", post(b"Content-Length: 5 5")),
    Case("length_empty", post(b"Content-Length:")),
    Case("length_beyond_64_bits", post(b"Content-Length: 18446744073709551621")),
    Case("length_beyond_any_integer", post(b"Content-Length: " + b"9" * 40)),
    Case("length_behind_vertical_tab", post(b"Content-Length: \x0b5")),
    Case("length_before_nul", post(b"Content-Length: 5\x00")),
    Case("length_with_underlined_digits", post(b"Content-Length: 1_0", body=b"helloworld")),
    Case("length_quoted", post(b'Content-Length: "5"')),
    Case("length_with_space_before_colon", post(b"Content-Length : 5")),
    Case("length_folded", post(b"Content-Length:\r\n 5")),
    Case("length_in_a_folded_line", post(b"X-Note: a\r\n Content-Length: 5")),
]
