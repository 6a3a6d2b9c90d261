"""Beside CONFIG 2: what is special about SQLite: one file, one writer, and a mode per connection."""

from __future__ import annotations

import os
import sqlite3
import stat
import time
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.engine.interfaces import DBAPIConnection, DBAPICursor

from egressway.model.errors import StoreUnavailable

__all__ = ["WRITING", "sqlite_engine"]

WRITING: Final = "egressway_writing"
"""Execution option of a connection whose transaction will write."""

_BUSY_SECONDS: Final = 5.0
_PAUSE_SECONDS: Final = 0.01
_CONNECTIONS: Final = 32
_OWNER_ONLY: Final = 0o600


def sqlite_engine(url: URL) -> Engine:
    """An engine for a database file; the file is made if it does not exist."""
    _prepare_file(_checked(url))
    engine = create_engine(
        url,
        pool_size=_CONNECTIONS,
        max_overflow=_CONNECTIONS,
        connect_args={"timeout": _BUSY_SECONDS},
        hide_parameters=True,  # they hold keys, and errors are written to the log
    )
    event.listen(engine, "connect", _configure)
    event.listen(engine, "begin", _begin)
    return engine


def _checked(url: URL) -> Path:
    if url.database in (None, "", ":memory:"):
        raise StoreUnavailable("The database must be a file: sqlite:////path/to/egressway.db.")
    return Path(str(url.database))


def _prepare_file(path: Path) -> None:
    """Makes the file before SQLite does, which would let others read it."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, _OWNER_ONLY)
        try:
            if stat.S_IMODE(os.fstat(descriptor).st_mode) & 0o077:
                os.fchmod(descriptor, _OWNER_ONLY)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise StoreUnavailable(
            f"The database {path} cannot be written ({error.strerror}); "
            "make its directory writable for this user, or choose another one."
        ) from error


def _configure(connection: DBAPIConnection, _: object) -> None:
    """WAL lets readers go on while one writes; FULL waits for the disk before acknowledging."""
    connection.isolation_level = None  # transactions begin where we say, see _begin
    cursor = connection.cursor()
    _enter_wal(cursor)
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.execute("PRAGMA cache_size = -65536")
    cursor.close()


def _enter_wal(cursor: DBAPICursor) -> None:
    """SQLite does not wait for others that change the mode of a new file at the same moment."""
    until = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            cursor.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > until:
                raise
            time.sleep(_PAUSE_SECONDS)
        else:
            return


def _begin(connection: Connection) -> None:
    """A writer takes its place at once; taking it later could fail after half of the work."""
    is_writing = connection.get_execution_options().get(WRITING, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if is_writing else "BEGIN")
