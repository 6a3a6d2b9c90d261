"""Zone files: what is read, what is left out, what is refused, and that writing is read back."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from egressway.api.rest.zone_file import FileRecord, read_zone_file, write_zone_file
from egressway.model.errors import Invalid

FILE = """\
$TTL 1h
@       IN SOA ns1.example.net. admin.example.net. (
            2026010101 ; serial
            7200 3600 1209600 3600 )
        IN NS  ns1.example.net.
@       300 IN A 203.0.113.1     ; the apex
www     A 203.0.113.2            ; cf_tags=cf-proxied:true
        AAAA 2001:db8::2         ; cf_tags=cf-proxied:false
note    IN TXT "a ; b ( c"
$ORIGIN sub.example.com.
deep    IN 1h30m A 203.0.113.3
whole.example.com. A 203.0.113.4
"""


def test_master_format_is_read() -> None:
    found = read_zone_file(FILE, "example.com")
    assert found.records == (
        FileRecord("example.com", "A", "203.0.113.1", 300, None),
        FileRecord("www.example.com", "A", "203.0.113.2", 3600, True),
        FileRecord("www.example.com", "AAAA", "2001:db8::2", 3600, False),
        FileRecord("deep.sub.example.com", "A", "203.0.113.3", 5400, None),
        FileRecord("whole.example.com", "A", "203.0.113.4", 3600, None),
    )
    assert found.others == 3


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("  A 203.0.113.1", 1),
        ("\n\nwww 300 IN", 3),
        ("www A", 1),
        ("www A 203.0.113.1 203.0.113.2", 1),
        ("a A 203.0.113.1\n$INCLUDE other", 2),
        ("\n@ SOA a b ( 1 2", 2),
    ],
)
def test_mistake_is_named_by_its_line(text: str, line: int) -> None:
    with pytest.raises(Invalid, match=f"Line {line} ") as caught:
        read_zone_file(text, "example.com")
    assert caught.value.pointer == "/file"


labels = st.from_regex(r"[a-z][a-z0-9]{0,8}", fullmatch=True)
records = st.builds(
    FileRecord,
    name=labels.map("{}.example.com".format),
    type=st.just("A"),
    content=st.ip_addresses(v=4).map(str),
    ttl=st.integers(1, 86400),
    proxied=st.booleans(),
)


@given(st.lists(records, max_size=8))
def test_what_is_written_is_read_back(written: list[FileRecord]) -> None:
    text = write_zone_file("example.com", written)
    assert read_zone_file(text, "example.com").records == tuple(written)


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(Invalid):
        found = read_zone_file(text, "example.com")
        assert all(record.type in ("A", "AAAA") for record in found.records)
