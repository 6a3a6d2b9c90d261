"""Pages of lists: the query parameters, and `result_info` on the way out.

CONFIG 1 of 5. A page beyond the end is empty and never repeats the last one, because clients ask
for the next page until one is empty.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Literal, TypeVar

from litestar.params import FromQuery, QueryParameter

from egressway.api.envelope import ResultInfo, ResultPage
from egressway.model.paging import MAX_PER_PAGE, Direction, Paging

__all__ = ["DirectionName", "PageNumber", "PageSize", "every", "page_of", "paging", "whole_page"]

Shown = TypeVar("Shown")
Stored = TypeVar("Stored")

DirectionName = FromQuery[Literal["asc", "desc"]]
PageNumber = Annotated[
    int, QueryParameter(ge=1, le=1_000_000_000, description="Which page, from 1")
]
PageSize = Annotated[int, QueryParameter(ge=1, le=MAX_PER_PAGE, description="Results on one page")]


def paging(
    page: int, per_page: int, order: str | None = None, direction: DirectionName = "asc"
) -> Paging:
    """The part of a list that was asked for."""
    return Paging(page=page, per_page=per_page, order=order, direction=Direction(direction))


def page_of(
    rows: Sequence[Stored], total: int, part: Paging, show: Callable[[Stored], Shown]
) -> ResultPage[Shown]:
    """The envelope around one page that the store has cut."""
    info = ResultInfo(
        page=part.page,
        per_page=part.per_page,
        count=len(rows),
        total_count=total,
        total_pages=part.total_pages(total),
    )
    return ResultPage(result=[show(row) for row in rows], result_info=info)


def every(
    list_part: Callable[[Paging], tuple[list[Stored], int]],
    order: str | None = None,
    direction: Direction = Direction.ASC,
) -> list[Stored]:
    """All rows of a list that the store cuts into pages; call it inside one read."""
    found: list[Stored] = []
    while True:
        page = 1 + len(found) // MAX_PER_PAGE
        rows, total = list_part(Paging(page, MAX_PER_PAGE, order, direction))
        found += rows
        if not rows or len(found) >= total:
            return found


def whole_page(
    rows: Sequence[Stored], part: Paging, show: Callable[[Stored], Shown]
) -> ResultPage[Shown]:
    """Cuts one page out of a whole list."""
    return page_of(rows[part.offset : part.offset + part.per_page], len(rows), part, show)
