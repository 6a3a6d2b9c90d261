"""A key of the configuration: what it takes and what it means, said once beside its field."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from egressway.services.configuration.values import Kind

__all__ = ["Key", "keys_of"]


@dataclass(frozen=True, slots=True)
class Key:
    """What a key takes and what it means."""

    kind: Kind[Any]
    meaning: str


def keys_of(section: type[Any]) -> dict[str, Key]:
    """The keys of one section, by name, in the order of the page."""
    hints = get_type_hints(section, include_extras=True)
    found = {
        name: next((part for part in get_args(hint)[1:] if isinstance(part, Key)), None)
        for name, hint in hints.items()
        if get_origin(hint) is Annotated
    }
    return {name: key for name, key in found.items() if key is not None}
