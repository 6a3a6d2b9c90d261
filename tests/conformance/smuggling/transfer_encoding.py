"""Transfer codings that two readers could read differently."""

from __future__ import annotations

from tests.conformance.smuggling.case import GET, POST_HELLO, Case, get, passes, post

_HELLO = b"5\r\nhello\r\n0\r\n\r\n"


def _coded(*lines: bytes, version: bytes = b"HTTP/1.1") -> bytes:
    return post(*lines, body=_HELLO, version=version)


CASES = [
    passes("coding_chunked", _coded(b"Transfer-Encoding: chunked"), POST_HELLO),
    passes("coding_in_other_case", _coded(b"transfer-encoding: ChUnKeD"), POST_HELLO),
    passes("coding_with_spaces_around", _coded(b"Transfer-Encoding:   chunked   "), POST_HELLO),
    passes(
        "coding_of_a_get",
        get(b"Transfer-Encoding: chunked") + _HELLO,
        ("GET", "/first", b"hello"),
    ),
    passes(
        "coding_in_disguise",
        get(b"Transfer_Encoding: chunked"),
        GET,
        absent=("transfer_encoding", "transfer-encoding"),
    ),
    Case("coding_twice_in_a_list", _coded(b"Transfer-Encoding: chunked, chunked"), (501,)),
    Case("coding_gzip_before", _coded(b"Transfer-Encoding: gzip, chunked"), (501,)),
    Case("coding_gzip_behind", _coded(b"Transfer-Encoding: chunked, gzip"), (501,)),
    Case("coding_identity", post(b"Transfer-Encoding: identity"), (501,)),
    Case("coding_identity_before", _coded(b"Transfer-Encoding: identity, chunked"), (501,)),
    Case("coding_misspelt", _coded(b"Transfer-Encoding: xchunked"), (501,)),
    Case("coding_cow", _coded(b"Transfer-Encoding: cow"), (501,)),
    Case("coding_empty", _coded(b"Transfer-Encoding:"), (501,)),
    Case("coding_behind_a_comma", _coded(b"Transfer-Encoding: , chunked"), (501,)),
    Case("coding_before_a_comma", _coded(b"Transfer-Encoding: chunked,"), (501,)),
    Case("coding_quoted", _coded(b'Transfer-Encoding: "chunked"'), (501,)),
    Case("coding_with_parameter", _coded(b"Transfer-Encoding: chunked;q=1"), (501,)),
    Case(
        "coding_on_two_lines",
        _coded(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"),
        (501,),
    ),
    Case(
        "coding_on_two_lines_one_unknown",
        _coded(b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity"),
        (501,),
    ),
    Case("coding_with_space_before_colon", _coded(b"Transfer-Encoding : chunked")),
    Case("coding_with_tab_before_colon", _coded(b"Transfer-Encoding\t: chunked")),
    Case("coding_behind_vertical_tab", _coded(b"Transfer-Encoding: \x0bchunked")),
    Case("coding_before_nul", _coded(b"Transfer-Encoding: chunked\x00")),
    Case("coding_folded", _coded(b"Transfer-Encoding:\r\n chunked")),
    Case("coding_folded_by_a_tab", _coded(b"Transfer-Encoding:\r\n\tchunked")),
    Case("coding_behind_a_bare_lf", _coded(b"X-Note: a\nTransfer-Encoding: chunked")),
    Case("coding_behind_a_bare_cr", _coded(b"X-Note: a\rTransfer-Encoding: chunked")),
    Case("coding_in_http_1_0", _coded(b"Transfer-Encoding: chunked", version=b"HTTP/1.0")),
    Case(
        "coding_in_http_1_0_kept_alive",
        _coded(b"Connection: keep-alive", b"Transfer-Encoding: chunked", version=b"HTTP/1.0"),
    ),
]
