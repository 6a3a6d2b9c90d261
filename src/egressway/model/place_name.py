"""Of all paths: names of places in the fleet; they are on paths of the API, in certificates and logs."""

from __future__ import annotations

import re
from typing import Final

from egressway.model.errors import Invalid

__all__ = ["parse_label", "parse_place_name"]

_PLACE: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9])?\Z")
_LABEL: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\Z")


def parse_place_name(value: object, pointer: str) -> str:
    """Name of a location or data center, such as `lisbon` or `SJC-A`; capitals are kept."""
    if not isinstance(value, str) or not _PLACE.match(value):
        raise Invalid(
            "A name has 1 to 63 letters, digits, `-` and `_`, and begins and ends with a letter or digit.",
            pointer=pointer,
        )
    return value


def parse_label(value: object, pointer: str) -> str:
    """A name that is also one label of a hostname, in small letters."""
    if not isinstance(value, str) or not _LABEL.match(value):
        raise Invalid(
            "A name has 1 to 63 small letters, digits and `-`, and begins and ends with a letter or digit.",
            pointer=pointer,
        )
    return value
