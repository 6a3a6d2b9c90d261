"""Of all paths: how moments are written. UTC with microseconds, everywhere."""

from __future__ import annotations

from datetime import UTC, datetime

from egressway.model.errors import Invalid

__all__ = ["parse_moment", "rfc3339"]


def rfc3339(moment: datetime) -> str:
    """`2026-01-01T00:00:00.123456Z`: always six decimals, so that texts sort like moments."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse_moment(text: object, pointer: str) -> datetime:
    """An RFC 3339 moment with its offset; without one it would mean something else elsewhere."""
    if not isinstance(text, str):
        raise Invalid("A moment must be a string such as 2026-01-01T00:00:00Z.", pointer=pointer)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Invalid(
            "Not an RFC 3339 moment, like 2026-01-01T00:00:00Z.", pointer=pointer
        ) from None
    if moment.tzinfo is None:
        raise Invalid("The moment needs an offset, like the final Z of UTC.", pointer=pointer)
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise Invalid("The moment lies outside the calendar.", pointer=pointer) from None
