"""Which tables hold for what was observed."""

from __future__ import annotations

import pytest

from egressway.lab.scenario.compare import Value, compare, is_matching

ROWS: list[dict[str, Value]] = [
    {"rung": "server", "status": "200"},
    {"rung": "server", "status": "200"},
    {"rung": "closest", "status": "503"},
]


@pytest.mark.parametrize(
    ("cell", "value", "matches"),
    [
        ("200", "200", True),
        ("200", "201", False),
        ("200 or 503", "503", True),
        ("*", None, True),
        ("-", None, True),
        ("-", "x", False),
        ("x", None, False),
        ("in 192.0.2.0/28", "192.0.2.15", True),
        ("in 192.0.2.0/28", "192.0.2.16", False),
        ("in 2001:db8::/32", "2001:db8::1", True),
        ("40,000", 40_000, True),
        ("<= 1s", 0.9, True),
        ("<= 1s", 1.1, False),
        ("> 0", 0, False),
        ("10..20", 20, True),
        ("10..20", 21, False),
    ],
)
def test_a_cell_says_what_a_value_may_be(cell: str, value: Value, matches: bool) -> None:
    assert is_matching(cell, value) is matches


def test_a_table_holds_when_every_row_and_every_count_is_right() -> None:
    expected = [("server", "200", "2"), ("closest", "503", ">= 1")]
    assert compare(("rung", "status", "count"), expected, ROWS).holds


def test_a_wrong_count_differs() -> None:
    [row] = compare(("status", "count"), [("*", "4")], ROWS).rows
    assert row == ("differs", ("*", "4"), ("...", "3"))


def test_a_row_that_is_not_there_is_missing() -> None:
    verdicts = [row[0] for row in compare(("rung",), [("server",), ("location",)], ROWS[:2]).rows]
    assert verdicts == ["ok", "missing"]


def test_what_nobody_expected_is_a_difference() -> None:
    comparison = compare(("rung",), [("server",)], ROWS)
    assert not comparison.holds
    assert comparison.rows[-1] == ("unexpected", ("",), ("closest",))


def test_a_row_may_ask_for_none() -> None:
    assert compare(("rung", "count"), [("location", "0"), ("*", "3")], ROWS).holds


def test_counts_of_observed_rows_are_added() -> None:
    rows: list[dict[str, Value]] = [
        {"outcome": "held", "count": 5},
        {"outcome": "held", "count": 7},
    ]
    assert compare(("outcome", "count"), [("held", "12")], rows).holds
