"""Values that handlers may ask for by name (CONFIG 1 of 5): how an application holds them."""

from __future__ import annotations

from collections.abc import Callable

from litestar.di import Provide

__all__ = ["constants", "provided"]


def constants(**values: object) -> dict[str, Provide]:
    """These very values, for as long as the application lives."""
    return {name: provided(_constant(value)) for name, value in values.items()}


def provided(source: Callable[..., object]) -> Provide:
    """What `source` answers, per request; it must not wait for anything."""
    return Provide(source, sync_to_thread=False)


def _constant(value: object) -> Callable[[], object]:
    return lambda: value
