"""Beside CONFIG 2: what is special about PostgreSQL, which several control planes share.

Invariants: writers take turns in the whole database, so a revision becomes visible only after all smaller
ones; a reader sees one moment and cannot write; a process that hangs or has lost its network gives its
turn back after a while.
"""

from __future__ import annotations

from typing import Any, Final

import psycopg
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.engine.interfaces import ExceptionContext

from egressway.model.errors import StoreUnavailable
from egressway.store.sqlite import WRITING

__all__ = ["is_postgresql", "postgresql_engine"]

_NAMES: Final = frozenset({"postgres", "postgresql", "postgresql+psycopg"})
_DRIVER: Final = "postgresql+psycopg"
_CONNECTIONS: Final = (
    8  # per process, and as many again while it is busy; servers allow 100 by default
)
_POOL_SECONDS: Final = 10.0
_CONNECT_SECONDS: Final = 5

# A statement that takes longer is lost; a snapshot of 100,000 zones takes seconds.
_STATEMENT_SECONDS: Final = 120
_TURN_SECONDS: Final = 30
# A reader compiles between two queries; a writer only decides.
_IDLE_READER_SECONDS: Final = 300
_IDLE_WRITER_SECONDS: Final = 30

_TURN: Final = 0x6567726573737761  # "egresswa"; one number per purpose in a database
_TAKE_TURN: Final = f"""
SELECT set_config('idle_in_transaction_session_timeout', '{_IDLE_WRITER_SECONDS}s', true),
       set_config('synchronous_commit',
                  CASE current_setting('synchronous_commit') WHEN 'off' THEN 'on'
                       ELSE current_setting('synchronous_commit') END, true),
       pg_advisory_xact_lock({_TURN})
"""
_READ_ONLY: Final = "25006"


def is_postgresql(url: URL) -> bool:
    """Whether the URL names PostgreSQL, in one of the usual ways."""
    return url.drivername in _NAMES


def postgresql_engine(url: URL) -> Engine:
    """An engine for a database, which exists and is empty or ours. Does not connect yet."""
    if not url.database:
        raise StoreUnavailable(
            "The database URL names no database: postgresql://USER@HOST/DATABASE."
        )
    engine = create_engine(
        url.set(drivername=_DRIVER),
        pool_size=_CONNECTIONS,
        max_overflow=_CONNECTIONS,
        pool_timeout=_POOL_SECONDS,
        pool_pre_ping=True,  # after a restart of the server the first call works already
        connect_args=_connect_args(url),
        hide_parameters=True,  # they hold keys, and errors are written to the log
    )
    event.listen(engine, "begin", _begin)
    event.listen(engine, "handle_error", _leave_standby)
    return engine


def _connect_args(url: URL) -> dict[str, Any]:
    """Deadlines everywhere, so that nobody waits for a server that is gone; the URL may say otherwise."""
    args: dict[str, Any] = {
        "connect_timeout": _CONNECT_SECONDS,
        "fallback_application_name": "egressway",
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 20_000,
    }
    settings = {
        "statement_timeout": f"{_STATEMENT_SECONDS}s",
        "lock_timeout": f"{_TURN_SECONDS}s",
        "idle_in_transaction_session_timeout": f"{_IDLE_READER_SECONDS}s",
        # The server's end of a link that broke: it holds a turn, perhaps.
        "tcp_keepalives_idle": "10s",
        "tcp_keepalives_interval": "5s",
        "tcp_keepalives_count": "3",
    }
    options = [f"-c {name}={value}" for name, value in settings.items()]
    said = {name: value for name, value in args.items() if name not in url.query}
    asked = url.query.get("options", "")
    return {**said, "options": " ".join([*options, asked if isinstance(asked, str) else ""])}


def _begin(connection: Connection) -> None:
    """A writer takes its turn, and only then looks; a reader sees one moment.

    The driver says BEGIN with these modes before the first statement. A writer must not have a
    snapshot from before its turn, so each of its statements takes a new one.
    """
    raw = connection.connection.driver_connection
    assert isinstance(raw, psycopg.Connection)
    is_writing = connection.get_execution_options().get(WRITING, False)
    level = psycopg.IsolationLevel
    raw.isolation_level = level.READ_COMMITTED if is_writing else level.REPEATABLE_READ
    raw.read_only = None if is_writing else True
    if is_writing:
        connection.exec_driver_sql(_TAKE_TURN)


def _leave_standby(context: ExceptionContext) -> None:
    """A former primary that has become a standby: connections anew may find the present one."""
    original = context.original_exception
    if isinstance(original, psycopg.Error) and original.sqlstate == _READ_ONLY:
        context.is_disconnect = True
