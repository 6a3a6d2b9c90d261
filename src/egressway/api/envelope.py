"""The v4 envelope: the outer shape of every answer below `/client/v4`.

CONFIG 1 of 5, the outermost value. A success carries `result`, a failure carries a non-empty
`errors` and `result: null`; the status line always agrees with `success`. Failures are made in
`problems` only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Generic, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

__all__ = [
    "Answer",
    "Deleted",
    "ErrorItem",
    "ErrorSource",
    "Failure",
    "Message",
    "ResultInfo",
    "ResultPage",
    "Timestamp",
    "answer",
    "single_page",
]

Result = TypeVar("Result")

Timestamp = Annotated[
    str, Meta(description="RFC 3339, UTC, microseconds", extra_json_schema={"format": "date-time"})
]


class ErrorSource(Struct, frozen=True):
    """Where in the request body the mistake is."""

    pointer: Annotated[str, Meta(description="JSON pointer (RFC 6901) into the request body")]


class ErrorItem(Struct, frozen=True, omit_defaults=True):
    """One reason why a request was refused."""

    code: Annotated[int, Meta(ge=1000, description="For programs; stable")]
    message: str
    source: ErrorSource | None = None


class Message(Struct, frozen=True):
    """A remark that is not an error."""

    code: Annotated[int, Meta(ge=1000)]
    message: str


class ResultInfo(Struct, frozen=True):
    """Where a page lies in its list."""

    page: int
    per_page: int
    count: Annotated[int, Meta(description="Results on this page")]
    total_count: int
    total_pages: int


class Answer(Struct, Generic[Result], frozen=True):
    """A success with one result."""

    result: Result
    success: Literal[True] = True
    errors: list[ErrorItem] = msgspec.field(default_factory=list)
    messages: list[Message] = msgspec.field(default_factory=list)


class ResultPage(Struct, Generic[Result], frozen=True):
    """A success with one page of a list. A page beyond the end is empty."""

    result: list[Result]
    result_info: ResultInfo
    success: Literal[True] = True
    errors: list[ErrorItem] = msgspec.field(default_factory=list)
    messages: list[Message] = msgspec.field(default_factory=list)


class Failure(Struct, frozen=True):
    """Any 4xx or 5xx."""

    errors: Annotated[list[ErrorItem], Meta(min_length=1)]
    success: Literal[False] = False
    messages: list[Message] = msgspec.field(default_factory=list)
    result: None = None


class Deleted(Struct, frozen=True):
    """The identifier of what is gone."""

    id: str


def answer(result: Result) -> Answer[Result]:
    """Wraps one result."""
    return Answer(result=result)


def single_page(results: Sequence[Result]) -> ResultPage[Result]:
    """Wraps a whole list that is never cut into pages."""
    count = len(results)
    info = ResultInfo(
        page=1, per_page=max(count, 1), count=count, total_count=count, total_pages=min(count, 1)
    )
    return ResultPage(result=list(results), result_info=info)
