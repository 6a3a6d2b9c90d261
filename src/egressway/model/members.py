"""Of all paths: reads the members of a JSON object one by one; every refusal points at its member."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from enum import StrEnum
from typing import TypeVar

from egressway.model.errors import Invalid

__all__ = [
    "as_bool",
    "as_choice",
    "as_int",
    "as_list",
    "as_object",
    "as_text",
    "pointer_to",
    "refuse_unknown",
]


_Choice = TypeVar("_Choice", bound=StrEnum)


def pointer_to(prefix: str, name: str) -> str:
    """JSON pointer to member `name` (RFC 6901)."""
    return prefix + "/" + name.replace("~", "~0").replace("/", "~1")


def refuse_unknown(body: Mapping[str, object], known: Collection[str], prefix: str = "") -> None:
    """A misspelt member must not be taken for an absent one."""
    for name in body:
        if name not in known:
            raise Invalid(
                f"Unknown member {name!r}; known: {', '.join(sorted(known))}.",
                pointer=pointer_to(prefix, name),
            )


def as_text(value: object, pointer: str, *, limit: int = 255, least: int = 1) -> str:
    """A string of `least` to `limit` characters, without control characters."""
    if not isinstance(value, str):
        raise Invalid("Must be a string.", pointer=pointer)
    if not least <= len(value) <= limit:
        raise Invalid(f"Must have {least} to {limit} characters.", pointer=pointer)
    if any(ord(character) < 32 or ord(character) == 127 for character in value):
        raise Invalid("Must not contain control characters.", pointer=pointer)
    return value


def as_int(value: object, pointer: str, low: int, high: int) -> int:
    """A whole number from `low` to `high`, also when written `1.0`; `true` is not one."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise Invalid("Must be a whole number.", pointer=pointer)
    if not low <= value <= high:
        raise Invalid(f"Must be between {low} and {high}.", pointer=pointer)
    return value


def as_bool(value: object, pointer: str) -> bool:
    """`true` or `false`, nothing that merely looks like it."""
    if not isinstance(value, bool):
        raise Invalid("Must be true or false.", pointer=pointer)
    return value


def as_choice(kind: type[_Choice], value: object, pointer: str) -> _Choice:
    """A member of an enumeration, written exactly as it is."""
    for each in kind:
        if each.value == value:
            return each
    raise Invalid(f"Must be one of: {', '.join(kind)}.", pointer=pointer)


def as_object(value: object, pointer: str) -> Mapping[str, object]:
    """A JSON object."""
    if not isinstance(value, Mapping):
        raise Invalid("Must be an object.", pointer=pointer)
    return value


def as_list(value: object, pointer: str, *, limit: int = 10_000) -> list[object]:
    """A JSON list of at most `limit` items."""
    if not isinstance(value, list | tuple):
        raise Invalid("Must be a list.", pointer=pointer)
    if len(value) > limit:
        raise Invalid(f"Must have at most {limit} items.", pointer=pointer)
    return list(value)
