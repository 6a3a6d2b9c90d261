"""The grammar of topologies and scenarios."""

from __future__ import annotations

import pytest

from egressway.lab.errors import LabError
from egressway.lab.lines import parse_line, seconds, whole_number


def test_a_line_is_words_and_options() -> None:
    line = parse_line("move 192.0.2.1 ports=20000-29999 to='lisbon 1a'  # a comment", 7)
    assert line is not None
    assert line.words == ["move", "192.0.2.1"]
    assert line.options == {"ports": "20000-29999", "to": "lisbon 1a"}


def test_a_line_that_says_nothing_is_none() -> None:
    assert parse_line("   # only a comment", 1) is None
    assert parse_line("", 1) is None


def test_what_nobody_asked_for_is_refused_with_its_line() -> None:
    line = parse_line("kill lisbon-1a now=yes", 12)
    assert line is not None
    line.rest()
    with pytest.raises(LabError, match=r"line 12, `kill lisbon-1a now=yes`: `now=`"):
        line.end()


def test_an_option_stands_once() -> None:
    with pytest.raises(LabError, match="twice"):
        parse_line("request n=1 n=2", 1)


@pytest.mark.parametrize(
    ("text", "value"), [("500ms", 0.5), ("2s", 2.0), ("3min", 180.0), ("-1h", -3600.0)]
)
def test_times_have_a_unit(text: str, value: float) -> None:
    assert seconds(text) == value


def test_numbers_may_have_thousands() -> None:
    assert whole_number("40,000") == whole_number("40000") == 40_000
    with pytest.raises(ValueError, match="whole number"):
        whole_number("4,0000")
