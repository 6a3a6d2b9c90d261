"""Chunks whose border two readers could see in different places."""

from __future__ import annotations

from tests.conformance.smuggling.case import POST_EMPTY, POST_HELLO, Case, chunked, passes

CASES = [
    passes("chunks_two", chunked(b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"), POST_HELLO),
    passes("chunks_none", chunked(b"0\r\n\r\n"), POST_EMPTY),
    passes("chunk_end_with_many_zeros", chunked(b"5\r\nhello\r\n00000\r\n\r\n"), POST_HELLO),
    passes(
        "chunk_size_in_upper_case",
        chunked(b"A\r\n0123456789\r\n0\r\n\r\n"),
        ("POST", "/first", b"0123456789"),
    ),
    passes("chunk_extension", chunked(b"5;a=b\r\nhello\r\n0\r\n\r\n"), POST_HELLO),
    passes("chunk_extension_at_the_end", chunked(b"5\r\nhello\r\n0;a\r\n\r\n"), POST_HELLO),
    passes("chunk_trailer", chunked(b"5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n"), POST_HELLO),
    Case("chunk_size_with_0x", chunked(b"0x5\r\nhello\r\n0\r\n\r\n")),
    Case("chunk_size_negative", chunked(b"-5\r\nhello\r\n0\r\n\r\n")),
    Case("chunk_size_with_plus", chunked(b"+5\r\nhello\r\n0\r\n\r\n")),
    Case("chunk_size_behind_space", chunked(b" 5\r\nhello\r\n0\r\n\r\n")),
    Case("chunk_size_before_space", chunked(b"5 \r\nhello\r\n0\r\n\r\n")),
    Case("chunk_size_no_digit", chunked(b"\r\nhello\r\n0\r\n\r\n")),
    Case("chunk_size_other_letters", chunked(b"5g\r\nhello\r\n0\r\n\r\n")),
    Case("chunk_size_beyond_64_bits", chunked(b"10000000000000005\r\nhello\r\n0\r\n\r\n")),
    Case("chunk_size_line_ends_in_lf", chunked(b"5\nhello\r\n0\r\n\r\n")),
    Case("chunk_size_line_ends_in_cr", chunked(b"5\rXhello\r\n0\r\n\r\n")),
    Case("chunk_extension_ends_in_lf", chunked(b"5;a\nhello\r\n0\r\n\r\n")),
    Case("chunk_extension_with_bare_cr", chunked(b"5;a\rb\r\nhello\r\n0\r\n\r\n")),
    Case("chunk_extension_with_nul", chunked(b"5;a\x00\r\nhello\r\n0\r\n\r\n")),
    Case("chunk_data_without_line_end", chunked(b"5\r\nhello0\r\n\r\n")),
    Case("chunk_data_ends_in_lf", chunked(b"5\r\nhello\n0\r\n\r\n")),
    Case("chunk_data_longer_than_said", chunked(b"5\r\nhelloworld\r\n0\r\n\r\n")),
    Case("chunk_data_then_anything_for_a_line_end", chunked(b"5\r\nhelloXX0\r\n\r\n")),
    Case("chunk_end_missing", chunked(b"5\r\nhello\r\n")),
    Case("chunk_end_in_lf", chunked(b"5\r\nhello\r\n0\n\n")),
    Case("chunk_trailer_that_frames", chunked(b"5\r\nhello\r\n0\r\nContent-Length: 9\r\n\r\n")),
    Case("chunk_trailer_that_codes", chunked(b"5\r\nhello\r\n0\r\nTransfer-Encoding: a\r\n\r\n")),
    Case("chunk_trailer_that_routes", chunked(b"5\r\nhello\r\n0\r\nHost: other\r\n\r\n")),
    Case(
        "chunk_trailer_that_speaks_for_the_client",
        chunked(b"5\r\nhello\r\n0\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n"),
    ),
    Case("chunk_trailer_without_colon", chunked(b"5\r\nhello\r\n0\r\nsum\r\n\r\n")),
    Case("chunk_trailer_folded", chunked(b"5\r\nhello\r\n0\r\nX-A: 1\r\n 2\r\n\r\n")),
]
