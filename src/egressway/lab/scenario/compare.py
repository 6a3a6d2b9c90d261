"""Expected against got: which rows of a table hold for what was observed. Pure.

Observed things are rows of named cells. They are grouped by the table's columns, `count` apart, and every
group must belong to an expected row: what nobody expected is a difference too. A cell of an expected row is

- `text`: exactly this; `-`: nothing
- `*`: anything
- `a|b` is written `a or b`; `in 192.0.2.0/28`: an address in a network
- for numbers also `0`, `40,000`, `>= 3`, `<= 1s`, `10..20`
"""

from __future__ import annotations

import operator
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Final

from egressway.lab.lines import seconds

__all__ = ["Comparison", "Value", "compare", "is_matching"]

Value = str | int | float | None
COUNT: Final = "count"
_COMPARISONS: Final[dict[str, Callable[[float, float], bool]]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}


@dataclass(frozen=True, slots=True)
class Comparison:
    """A table after it was looked at: each line with its verdict."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...]
    """Verdict (`ok`, `differs`, `missing`, `unexpected`), expected cells, got cells."""

    @property
    def holds(self) -> bool:
        """Everything is as expected, and nothing else was there."""
        return all(verdict == "ok" for verdict, _, _ in self.rows)


def compare(
    columns: Sequence[str],
    expected: Sequence[Sequence[str]],
    observed: Sequence[Mapping[str, Value]],
) -> Comparison:
    """Look at what was observed through a table."""
    left = _grouped(columns, observed)
    rows = []
    for cells in expected:
        found = [key for key in left if _is_row(columns, cells, key)]
        total = sum(left.pop(key) for key in found)
        rows.append(_judged(columns, tuple(cells), found, total))
    for key, total in left.items():
        shown = _shown(columns, key, total)
        rows.append(("unexpected", ("",) * len(columns), shown))
    return Comparison(tuple(columns), tuple(rows))


def is_matching(cell: str, value: Value) -> bool:
    """Whether a value is what a cell asks for."""
    if " or " in cell:
        return any(is_matching(each.strip(), value) for each in cell.split(" or "))
    if cell == "*":
        return True
    if cell == "-":
        return value is None or value == ""
    if value is None:
        return False
    if cell.startswith("in "):
        return ip_address(str(value)) in ip_network(cell.removeprefix("in ").strip())
    return _is_number(cell, value) if isinstance(value, int | float) else cell == value


def _is_number(cell: str, value: float) -> bool:
    if found := re.fullmatch(r"(>=|<=|>|<)\s*(.+)", cell):
        return _COMPARISONS[found[1]](value, _number(found[2]))
    if found := re.fullmatch(r"(\S+)\.\.(\S+)", cell):
        return _number(found[1]) <= value <= _number(found[2])
    return value == _number(cell)


def _number(text: str) -> float:
    try:
        return float(text.replace(",", ""))
    except ValueError:
        return seconds(text.replace(" ", ""))


def _grouped(
    columns: Sequence[str], observed: Sequence[Mapping[str, Value]]
) -> Counter[tuple[Value, ...]]:
    groups: Counter[tuple[Value, ...]] = Counter()
    for row in observed:
        count = row.get(COUNT, 1)
        assert isinstance(count, int)
        groups[tuple(None if name == COUNT else row.get(name) for name in columns)] += count
    return groups


def _is_row(columns: Sequence[str], cells: Sequence[str], key: tuple[Value, ...]) -> bool:
    return all(
        name == COUNT or is_matching(cell, value)
        for name, cell, value in zip(columns, cells, key, strict=True)
    )


def _judged(
    columns: Sequence[str], cells: tuple[str, ...], found: Sequence[tuple[Value, ...]], total: int
) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    wanted = dict(zip(columns, cells, strict=True)).get(COUNT)
    may_be_none = wanted is not None and is_matching(wanted, 0)
    if not found and not may_be_none:
        return "missing", cells, ("",) * len(columns)
    if not found:
        got = tuple("0" if name == COUNT else "" for name in columns)
        return "ok", cells, got
    is_right = wanted is None or is_matching(wanted, total)
    got = _shown(columns, _merged(found), total)
    return "ok" if is_right else "differs", cells, got


def _merged(keys: Sequence[tuple[Value, ...]]) -> tuple[Value, ...]:
    """What groups have in common; `...` where they differ."""
    return tuple(
        values[0] if len(set(values)) == 1 else "..." for values in zip(*keys, strict=True)
    )


def _shown(columns: Sequence[str], key: tuple[Value, ...], total: int) -> tuple[str, ...]:
    return tuple(
        f"{total:,}" if name == COUNT else _text(value)
        for name, value in zip(columns, key, strict=True)
    )


def _text(value: Value) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.3f}"
    return f"{value:,}" if isinstance(value, int) else value
