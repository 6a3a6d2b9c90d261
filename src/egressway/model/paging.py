"""Of all paths: one page of a list, and text filters as the list parameters of the API write them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from egressway.model.errors import Invalid

__all__ = ["MAX_PER_PAGE", "Direction", "Paging", "TextFilter", "TextMatch"]

MAX_PER_PAGE = 5000


class Direction(StrEnum):
    """Which way a list is sorted."""

    ASC = "asc"
    DESC = "desc"


@dataclass(frozen=True, slots=True)
class Paging:
    """Which part of a list, and in which order. `order=None` is the list's own order (oldest first).

    Equal rows follow the id, so that a row is never on two pages.
    """

    page: int = 1
    per_page: int = 20
    order: str | None = None
    direction: Direction = Direction.ASC

    def __post_init__(self) -> None:
        if not 1 <= self.page <= 1_000_000_000:
            raise Invalid("page must be between 1 and 1000000000.", pointer="/page")
        if not 1 <= self.per_page <= MAX_PER_PAGE:
            raise Invalid(f"per_page must be between 1 and {MAX_PER_PAGE}.", pointer="/per_page")

    @property
    def offset(self) -> int:
        """How many rows lie before this page."""
        return (self.page - 1) * self.per_page

    def ordered_by(self, known: Collection[str]) -> str | None:
        """`order`, if it is one of `known`."""
        if self.order is not None and self.order not in known:
            names = ", ".join(sorted(known))
            raise Invalid(f"order must be one of: {names}.", pointer="/order")
        return self.order

    def total_pages(self, total: int) -> int:
        """How many pages `total` rows fill."""
        return -(-total // self.per_page)


class TextMatch(StrEnum):
    """How a text filter compares; without `_case_sensitive` letters match in both cases."""

    EQUAL = "equal"
    NOT_EQUAL = "not_equal"
    STARTS_WITH = "starts_with"
    ENDS_WITH = "ends_with"
    CONTAINS = "contains"
    STARTS_WITH_CASE_SENSITIVE = "starts_with_case_sensitive"
    ENDS_WITH_CASE_SENSITIVE = "ends_with_case_sensitive"
    CONTAINS_CASE_SENSITIVE = "contains_case_sensitive"


@dataclass(frozen=True, slots=True)
class TextFilter:
    """What a text column must be like."""

    match: TextMatch
    value: str

    @classmethod
    def parse(cls, text: str) -> TextFilter:
        """`contains:example` or `example`, which means equal; an unknown operator is a plain value."""
        operator, separator, value = text.partition(":")
        if separator and operator in frozenset(TextMatch):
            return cls(TextMatch(operator), value)
        return cls(TextMatch.EQUAL, text)
