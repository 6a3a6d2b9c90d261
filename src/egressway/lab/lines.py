"""The one grammar of topologies and scenarios: a line is words and `key=value` pairs.

`#` begins a comment, quotes hold blanks together. A `Line` knows where it stands, so that every refusal
can say so, and is asked for its parts once: what nobody asked for is refused at the end.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from egressway.lab.errors import LabError

__all__ = ["Line", "parse_line", "seconds", "whole_number"]

T = TypeVar("T")
_OPTION = re.compile(r"[a-z][a-z0-9_-]*=")


@dataclass
class Line:
    """One line while it is read."""

    number: int
    text: str
    words: list[str]
    options: dict[str, str]
    _verb: str = field(default="", init=False)

    def word(self, what: str) -> str:
        """The next word; `what` says what it should be."""
        if not self.words:
            raise self.refused(f"{what} is missing")
        return self.words.pop(0)

    def word_of(self, what: str, known: Sequence[str]) -> str:
        """The next word, which must be one of `known`."""
        return self.one_of(self.word(what), what, known)

    def rest(self) -> tuple[str, ...]:
        """All words that are left."""
        words, self.words = tuple(self.words), []
        return words

    def option(self, key: str, default: str | None = None) -> str:
        """The value of `key=`; without a default it must be there."""
        value = self.options.pop(key, default)
        if value is None:
            raise self.refused(f"`{key}=` is missing")
        return value

    def parsed(self, key: str, parse: Callable[[str], T], default: T | None = None) -> T:
        """The value of `key=` as `parse` makes it."""
        if default is not None and key not in self.options:
            return default
        value = self.option(key)
        try:
            return parse(value)
        except ValueError as wrong:
            raise self.refused(f"`{key}={value}`: {wrong}") from wrong

    def one_of(self, value: str, what: str, known: Sequence[str]) -> str:
        """`value`, which must be one of `known`."""
        if value not in known:
            raise self.refused(f"`{value}` is no {what}; there is {', '.join(known)}")
        return value

    def end(self) -> None:
        """Everything has been asked for."""
        left = [*self.words, *(f"{key}=" for key in self.options)]
        if left:
            raise self.refused(f"`{left[0]}` is not understood here")

    def refused(self, why: str) -> LabError:
        """The error that names this line."""
        return LabError(f"line {self.number}, `{self.text}`: {why}.")


def parse_line(text: str, number: int) -> Line | None:
    """Words and options; None for a line that says nothing."""
    try:
        parts = shlex.split(text, comments=True)
    except ValueError as wrong:
        raise LabError(f"line {number}, `{text.strip()}`: {wrong}.") from wrong
    if not parts:
        return None
    line = Line(number, text.strip(), [], {})
    for part in parts:
        if not _OPTION.match(part):
            line.words.append(part)
            continue
        key, _, value = part.partition("=")
        if key in line.options:
            raise line.refused(f"`{key}=` stands twice")
        line.options[key] = value
    return line


def seconds(text: str) -> float:
    """`500ms`, `2s`, `3min` or `1h`."""
    units = {"ms": 0.001, "s": 1.0, "min": 60.0, "h": 3600.0}
    found = re.fullmatch(r"(-?\d+(?:\.\d+)?)\s*(ms|s|min|h)", text)
    if not found:
        raise ValueError("a time is a number with ms, s, min or h")
    return float(found[1]) * units[found[2]]


def whole_number(text: str) -> int:
    """`40000` or `40,000`."""
    if not re.fullmatch(r"\d{1,3}(,\d{3})+|\d+", text):
        raise ValueError("a whole number is asked for")
    return int(text.replace(",", ""))
