"""Beside CONFIG 2: lists of rows, filtered, sorted and cut into pages; the same for every aggregate."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Select, and_, func, not_, or_
from sqlalchemy.orm import InstrumentedAttribute, Session

from egressway.model.paging import Direction, Paging, TextFilter, TextMatch

__all__ = ["combine", "one_page", "text_condition"]

_Row = TypeVar("_Row")
_Value = TypeVar("_Value")
_Column = InstrumentedAttribute[Any]


def one_page(
    session: Session,
    query: Select[_Row],
    paging: Paging,
    orders: Mapping[str, _Column],
    by_default: Sequence[_Column],
    value: Callable[[_Row], _Value],
) -> tuple[list[_Value], int]:
    """One page of `query` as values, and how many rows there are on all pages.

    The last column of `by_default` must be unique: it decides between equal rows.
    """
    name = paging.ordered_by(orders)
    columns = by_default if name is None else [orders[name], *by_default]
    falling = paging.direction is Direction.DESC
    ordering = [column.desc() if falling else column.asc() for column in columns]
    counting = query.with_only_columns(func.count(), maintain_column_froms=True)
    total = session.scalar(counting) or 0
    if paging.offset >= total:
        return [], total
    page = query.order_by(*ordering).offset(paging.offset).limit(paging.per_page)
    return [value(row) for row in session.scalars(page)], total


def combine(conditions: Sequence[ColumnElement[bool]], *, match_any: bool) -> ColumnElement[bool]:
    """All of the conditions, or one of them; without any everything matches."""
    if not conditions:
        return and_(True)
    return or_(*conditions) if match_any else and_(*conditions)


def text_condition(
    column: _Column, wanted: TextFilter, *, is_lower: bool = False
) -> ColumnElement[bool]:
    """`wanted` as SQL that means the same on every database.

    LIKE ignores case on some databases only; so both sides are lowered, or it is not used. A column
    that `is_lower` by itself stays bare, so that its index can be used.
    """
    lowered = column if is_lower else func.lower(column)
    value = wanted.value.lower()
    match wanted.match:
        case TextMatch.EQUAL:
            return lowered == value
        case TextMatch.NOT_EQUAL:
            return lowered != value
        case TextMatch.STARTS_WITH:
            return lowered.startswith(value, autoescape=True)
        case TextMatch.ENDS_WITH:
            return lowered.endswith(value, autoescape=True)
        case TextMatch.CONTAINS:
            return lowered.contains(value, autoescape=True)
        case _:
            return _case_sensitive(column, wanted)


def _case_sensitive(column: _Column, wanted: TextFilter) -> ColumnElement[bool]:
    value, length = wanted.value, len(wanted.value)
    match wanted.match:
        case TextMatch.STARTS_WITH_CASE_SENSITIVE:
            return func.substr(column, 1, length) == value
        case TextMatch.ENDS_WITH_CASE_SENSITIVE:
            long_enough = func.length(column) >= length
            return and_(long_enough, func.substr(column, func.length(column) - length + 1) == value)
        case _:
            if not value:
                return and_(True)
            return not_(func.replace(column, value, "") == column)
