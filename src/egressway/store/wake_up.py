"""Beside CONFIG 2: processes that share PostgreSQL wake each other up when something has changed.

A message only says that there is a new revision; one that got lost delays a change until the next look,
which happens every few seconds, and at once when a broken connection has been made anew.
"""

from __future__ import annotations

import logging
import selectors
import socket
import threading
import uuid
from collections import deque
from collections.abc import Callable
from typing import Final

import psycopg
from sqlalchemy import Connection, Engine, func, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoConnectionLeft
from sqlalchemy.orm import Session

from egressway.store.schema import ChangeRow

__all__ = ["WakeUp"]

_log = logging.getLogger(__name__)

_CHANNEL: Final = "egressway_change"
_LOOK_SECONDS: Final = 5.0
_AGAIN_SECONDS: Final = 1.0
_OWN_KEPT: Final = 256


class WakeUp:
    """Says when this process has changed something, and hears when another one has."""

    def __init__(self, engine: Engine, heard: Callable[[int], None]) -> None:
        self._engine = engine
        self._heard = heard
        self._me = uuid.uuid4().hex
        self._newest = 0
        self._starting = threading.Lock()
        # Its newest: the writer tells of them itself. One that is rolled back does no harm.
        self._own: deque[int] = deque(maxlen=_OWN_KEPT)
        self._thread: threading.Thread | None = None
        self._stop, self._stopped = socket.socketpair()

    def say(self, session: Session, revision: int) -> None:
        """Others hear of it when this transaction is committed, and only then."""
        self._own.append(revision)
        session.execute(select(func.pg_notify(_CHANNEL, f"{self._me} {revision}")))

    def start(self, newest: Callable[[], int]) -> None:
        """Begins to listen for what comes after `newest`, unless that was done before."""
        with self._starting:
            if self._thread is None:
                self._newest = newest()
                self._thread = threading.Thread(target=self._run, name="store-wake-up", daemon=True)
                self._thread.start()

    def close(self) -> None:
        """Hears nothing more. Waits until the last listener has been called."""
        self._stop.close()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()
        self._stopped.close()

    def _run(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._stopped, selectors.EVENT_READ)
            while True:
                try:
                    with self._engine.connect() as connection:
                        self._listen(connection, selector)
                    return
                except (DBAPIError, NoConnectionLeft, psycopg.Error) as error:
                    _log.warning(
                        "changes of other processes are not heard (%s), the next attempt follows",
                        type(error).__name__,
                    )
                if selector.select(_AGAIN_SECONDS):
                    return

    def _listen(self, connection: Connection, selector: selectors.BaseSelector) -> None:
        """Until somebody closes this, or the connection breaks."""
        connection.execution_options(isolation_level="AUTOCOMMIT")
        connection.exec_driver_sql(f"LISTEN {_CHANNEL}")
        raw = connection.connection.driver_connection
        assert isinstance(raw, psycopg.Connection)
        selector.register(raw.fileno(), selectors.EVENT_READ)
        try:
            self._look(connection)
            while True:
                ready = selector.select(_LOOK_SECONDS)
                if any(key.fileobj is self._stopped for key, _ in ready):
                    return
                if ready:
                    self._hear(raw)
                else:
                    self._look(connection)
        finally:
            selector.unregister(raw.fileno())
            connection.invalidate()  # with its LISTEN it is of no use to others

    def _hear(self, raw: psycopg.Connection[tuple[object, ...]]) -> None:
        said = [message.payload.split() for message in raw.notifies(timeout=0)]
        self._tell(max((int(number) for who, number in said if who != self._me), default=0))

    def _look(self, connection: Connection) -> None:
        self._tell(connection.scalar(select(func.max(ChangeRow.revision))) or 0)

    def _tell(self, revision: int) -> None:
        if revision > self._newest:
            self._newest = revision
            if revision not in self._own.copy():
                self._heard(revision)
