"""Beside CONFIG 2: the connection to the database, chosen by its URL."""

from __future__ import annotations

from sqlalchemy import Engine
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from egressway.model.errors import StoreUnavailable
from egressway.store.postgresql import is_postgresql, postgresql_engine
from egressway.store.sqlite import WRITING, sqlite_engine

__all__ = ["WRITING", "open_engine"]


def open_engine(url: str) -> Engine:
    """An engine for a file of SQLite or a database of PostgreSQL."""
    parsed = _parse(url)
    if is_postgresql(parsed):
        return postgresql_engine(parsed)
    if parsed.get_backend_name() == "sqlite":
        if "?" in url:
            raise StoreUnavailable(
                "The path of the database holds a `?`, which a URL cannot; choose another directory."
            )
        return sqlite_engine(parsed)
    raise StoreUnavailable(
        f"The database {parsed.get_backend_name()!r} is not supported; use sqlite or postgresql."
    )


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise StoreUnavailable(
            "The database URL cannot be read; write it like sqlite:////var/lib/egressway/egressway.db "
            "or postgresql://USER@HOST/DATABASE."
        ) from None
    return parsed
