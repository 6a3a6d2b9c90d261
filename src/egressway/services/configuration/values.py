"""Kinds of values: how each is read from TOML and from text, and the sentence that says what is
expected.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any, Generic, TypeVar

from egressway.model.address import IPAddress, IPNetwork

__all__ = [
    "ADDRESS",
    "ADDRESSES",
    "BOOLEAN",
    "NETWORKS",
    "OPTIONAL_ADDRESS",
    "OPTIONAL_TEXT",
    "PATH",
    "PORT",
    "TEXT",
    "TEXTS",
    "Kind",
    "choice",
    "hours",
    "number",
    "seconds",
]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Kind(Generic[T]):
    """What a key takes."""

    expects: str
    """Completes "it must be ..."."""
    parse: Callable[[Any], T]
    """A TOML value to the parsed one; raises ValueError or TypeError."""
    from_text: Callable[[str], object] = str
    """An environment variable's text to what TOML would have given."""


def number(low: int, high: int) -> Kind[int]:
    """A whole number, both bounds included."""

    def parse(value: object) -> int:
        # bool is an int in Python, but `true` is no number in TOML.
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise ValueError
        return value

    return Kind(f"a whole number from {low:,} to {high:,}", parse, int)


def seconds(low: float, high: float) -> Kind[float]:
    """A duration."""
    return _duration("seconds", low, high)


def hours(low: float, high: float) -> Kind[float]:
    """A longer one."""
    return _duration("hours", low, high)


def _duration(unit: str, low: float, high: float) -> Kind[float]:

    def parse(value: object) -> float:
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise ValueError
        if not low <= value <= high:
            raise ValueError
        return float(value)

    return Kind(f"a number of {unit} from {low:g} to {high:g}", parse, float)


def choice(*options: str) -> Kind[str]:
    """One of a few words."""

    def parse(value: object) -> str:
        if not isinstance(value, str) or value not in options:
            raise ValueError
        return value

    return Kind("one of " + ", ".join(f'"{option}"' for option in options), parse)


def _text(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError
    return value.strip()


def _boolean(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError
    return value


def _path(value: object) -> Path:
    return Path(_text(value)).expanduser()


def _address(value: object) -> IPAddress:
    return ip_address(_text(value))


def _network(value: object) -> IPNetwork:
    return ip_network(_text(value))


def _many(parse: Callable[[object], T]) -> Callable[[object], tuple[T, ...]]:
    def parse_all(values: object) -> tuple[T, ...]:
        if not isinstance(values, list):
            raise ValueError
        parsed = tuple(parse(value) for value in values)
        if len(set(parsed)) < len(parsed):
            raise ValueError
        return parsed

    return parse_all


def _comma_separated(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


OPTIONAL_TEXT = Kind("a text", lambda value: _text(value) if value != "" else "")
TEXT = Kind("a text that is not empty", _text)
PATH = Kind("a path", _path)
PORT = number(0, 65_535)
BOOLEAN = Kind("true or false", _boolean)
ADDRESS = Kind('an IP address such as "192.0.2.1" or "2001:db8::1"', _address)
ADDRESSES = Kind(
    'a list of different IP addresses such as ["192.0.2.1", "2001:db8::1"]',
    _many(_address),
    _comma_separated,
)
NETWORKS = Kind(
    'a list of different networks without host bits such as ["192.0.2.0/24", "2001:db8::/32"]',
    _many(_network),
    _comma_separated,
)
OPTIONAL_ADDRESS = Kind(
    'an IP address such as "192.0.2.1" or "2001:db8::1", or ""',
    lambda value: _address(value) if value != "" else None,
)
TEXTS = Kind("a list of different texts", _many(_text), _comma_separated)
