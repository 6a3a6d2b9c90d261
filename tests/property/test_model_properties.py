"""What must hold for every input: names, port ranges, slices, pages, permissions."""

from __future__ import annotations

from contextlib import suppress
from ipaddress import IPv4Address

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from egressway.model.errors import Invalid
from egressway.model.hostname import covers, is_within, parse_hostname, wildcard_over
from egressway.model.paging import Paging
from egressway.model.port_slice import (
    PortRange,
    PortSlice,
    first_overlap,
    parse_port_range,
    parse_port_ranges,
)

LABEL = st.from_regex(r"[a-z]([a-z0-9-]{0,10}[a-z0-9])?", fullmatch=True).filter(
    lambda label: not label.startswith("xn--")
)
NAME = st.lists(LABEL, min_size=2, max_size=5).map(".".join)
RANGE = st.tuples(st.integers(1, 65535), st.integers(1, 65535)).map(
    lambda pair: PortRange(min(pair), max(pair))
)


@given(st.text(max_size=300))
@example("xn--\x80")
@example("ß.de")
@example("\u200d.example")
@example("xn--zca.de")
def test_any_text_is_a_name_or_refused_and_a_name_stays_itself(text: str) -> None:
    with suppress(Invalid):
        name = parse_hostname(text, "/name", wildcard=True)
        assert name.isascii()
        assert name == name.lower()
        assert len(name) <= 253
        assert parse_hostname(name, "/name", wildcard=True) == name


@given(NAME)
def test_case_and_a_final_dot_do_not_matter(name: str) -> None:
    assert parse_hostname(name.upper() + ".", "/name") == parse_hostname(name, "/name") == name


@given(NAME, LABEL)
def test_a_wildcard_covers_exactly_the_level_below(name: str, label: str) -> None:
    wildcard = f"*.{name}"
    assert covers(wildcard, f"{label}.{name}")
    assert wildcard_over(f"{label}.{name}") == wildcard
    assert not covers(wildcard, name)
    assert not covers(wildcard, f"a.{label}.{name}")
    assert is_within(f"{label}.{name}", name)


@given(RANGE)
def test_a_port_range_written_and_parsed_again_is_the_same(ports: PortRange) -> None:
    assert parse_port_range(str(ports)) == ports
    assert len(ports) == sum(1 for port in range(1, 65536) if port in ports)


@given(RANGE, RANGE)
def test_ranges_overlap_if_they_share_a_port(one: PortRange, other: PortRange) -> None:
    shares = bool(set(range(one.low, one.high + 1)) & set(range(other.low, other.high + 1)))
    assert one.overlaps(other) == other.overlaps(one) == shares


@given(st.lists(RANGE, min_size=1, max_size=6))
def test_parsed_ranges_never_overlap(ranges: list[PortRange]) -> None:
    text = ",".join(map(str, ranges))
    total = sum(map(len, ranges))
    distinct = len({port for each in ranges for port in range(each.low, each.high + 1)})
    if total != distinct:
        with pytest.raises(Invalid):
            parse_port_ranges(text)
    else:
        assert sum(map(len, parse_port_ranges(text))) == total


@given(st.lists(st.tuples(st.integers(0, 2), RANGE), max_size=8))
def test_an_overlap_is_found_exactly_if_there_is_one(drawn: list[tuple[int, PortRange]]) -> None:
    slices = [PortSlice(IPv4Address(number), ports, "s") for number, ports in drawn]
    pairs = (
        (one, other)
        for i, one in enumerate(slices)
        for other in slices[:i]
        if one.ip == other.ip and one.ports.overlaps(other.ports)
    )
    assert (first_overlap(slices) is not None) == any(True for _ in pairs)


@given(st.integers(0, 10_000), st.integers(1, 5000))
def test_pages_cover_every_row_once(total: int, per_page: int) -> None:
    pages = Paging(per_page=per_page).total_pages(total)
    rows = [
        row
        for page in range(1, pages + 1)
        for paging in [Paging(page=page, per_page=per_page)]
        for row in range(paging.offset, min(paging.offset + per_page, total))
    ]
    assert rows == list(range(total))
