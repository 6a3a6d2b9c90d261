"""Of all paths: names of hosts. Lower-case A-labels without a final dot; nothing else gets inside.

A wildcard stands for exactly one label, and only in front: `*.example.com` covers `www.example.com`,
neither `example.com` nor `a.b.example.com`.
"""

from __future__ import annotations

import re
from typing import Final, NewType

import idna

from egressway.model.errors import Invalid

__all__ = ["Hostname", "covers", "is_within", "parse_hostname", "wildcard_over"]

Hostname = NewType("Hostname", str)

# An underscore is not allowed in host names proper, yet it is used in names of records.
_LABEL: Final = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\Z")
_DIGITS: Final = re.compile(r"(?:0x[0-9a-f]*|[0-9]+)\Z")


def parse_hostname(
    value: object, pointer: str, *, wildcard: bool = False, relative: bool = False
) -> Hostname:
    """`value` as it is stored; international labels become A-labels, capitals small letters.

    A name `relative` to a zone may end in a number, which a whole name must not.
    """
    if not isinstance(value, str):
        raise Invalid("A hostname must be a string.", pointer=pointer)
    text = value.removesuffix(".")
    if len(text) > 1024:
        raise Invalid("A hostname has at most 253 characters.", pointer=pointer)
    labels = [_parse_label(label, pointer) for label in _split(text, pointer, wildcard)]
    name = ".".join(["*", *labels] if text.startswith("*.") else labels)
    if len(name) > 253:
        raise Invalid("A hostname has at most 253 characters.", pointer=pointer)
    if not relative and _DIGITS.match(labels[-1]):
        raise Invalid(f"{name!r} is an address or a number, not a hostname.", pointer=pointer)
    return Hostname(name)


def covers(pattern: str, name: str) -> bool:
    """Whether `pattern`, exact or a one-level wildcard, stands for `name`."""
    return pattern == name or pattern == wildcard_over(name)


def wildcard_over(name: str) -> str | None:
    """The one wildcard that stands for `name`; none for a single label or for a wildcard."""
    first, dot, rest = name.partition(".")
    return f"*.{rest}" if dot and first != "*" else None


def is_within(name: str, zone: str) -> bool:
    """Whether `name` is `zone` or lies below it."""
    return name == zone or name.endswith("." + zone)


def _split(text: str, pointer: str, wildcard: bool) -> list[str]:
    if text.startswith("*."):
        if not wildcard:
            raise Invalid("A wildcard is not allowed here.", pointer=pointer)
        text = text[2:]
    if "*" in text:
        raise Invalid("A wildcard is the whole first label, as in *.example.com.", pointer=pointer)
    return text.split(".")


def _parse_label(label: str, pointer: str) -> str:
    lowered = label.lower()
    try:
        if not label.isascii():
            lowered = idna.encode(label, uts46=True).decode("ascii")
        elif lowered.startswith("xn--"):
            idna.decode(lowered)
    except (idna.IDNAError, UnicodeError):
        raise Invalid(f"{label!r} is not a valid international label.", pointer=pointer) from None
    if not _LABEL.match(lowered):
        raise Invalid(f"{label!r} is not a valid label of a hostname.", pointer=pointer)
    return lowered
