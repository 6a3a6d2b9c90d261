"""CONFIG 2 of 5: opens the database and hands out its two halves.

Invariants: a write is acknowledged when it would survive a power cut; a transaction happens whole or not
at all; readers never wait for writers. Writers of one process wait for each other here, not inside the
database: SQLite's own way of waiting is to sleep and try again. Writers of several processes, which share
PostgreSQL, take turns there. A file can be read by its owner only, for it holds keys.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Final

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoConnectionLeft
from sqlalchemy.orm import Session

from egressway.model.address import OriginNetworks
from egressway.model.errors import StoreUnavailable, StoreUncertain
from egressway.model.placement import PlacementRules
from egressway.store.changes import Journal
from egressway.store.changes import revision as newest_revision
from egressway.store.engine import WRITING, open_engine
from egressway.store.failures import place_of, refusal_of
from egressway.store.migrate import migrate
from egressway.store.postgresql import is_postgresql
from egressway.store.read import Read
from egressway.store.wake_up import WakeUp
from egressway.store.write import Write

__all__ = ["Store"]

_log = logging.getLogger(__name__)

_WRITER_WAIT_SECONDS: Final = 30.0
_PUBLIC_ONLY: Final = OriginNetworks()
_WHOLE_RANGE: Final = PlacementRules()
_Listener = Callable[[int], None]


class Store:
    """The SQL truth of one installation. Safe to use from many threads."""

    def __init__(
        self, engine: Engine, origin_networks: OriginNetworks, placement: PlacementRules
    ) -> None:
        self._engine = engine
        self._placement = placement
        self._origin_networks = origin_networks
        self._writing = threading.Lock()
        self._listeners: list[_Listener] = []
        self._wake_up: WakeUp | None = None
        if is_postgresql(engine.url):
            self._wake_up = WakeUp(engine, self._tell)

    @classmethod
    def open(
        cls,
        url: str,
        *,
        origin_networks: OriginNetworks = _PUBLIC_ONLY,
        placement: PlacementRules = _WHOLE_RANGE,
    ) -> Store:
        """Opens the database at `url` (`sqlite:////var/lib/egressway/egressway.db`) and migrates it.

        Raises StoreUnavailable when it cannot be used, StoreTooNew when a newer version wrote it.
        """
        engine = open_engine(url)
        try:
            migrate(engine)
        except BaseException:
            engine.dispose()
            raise
        return cls(engine, origin_networks, placement)

    def close(self) -> None:
        """Gives files and connections back. Further calls fail."""
        if self._wake_up is not None:
            self._wake_up.close()
        self._engine.dispose()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def read(self) -> Iterator[Read]:
        """One consistent view."""
        with self._session() as session:
            yield Read(session, _now(), self._placement)

    @contextmanager
    def write(self, actor: str) -> Iterator[Write]:
        """One transaction in the name of `actor`; durable when the block is left without an error.

        Then, in the same thread, the listeners hear of the new revision.
        """
        with self._turn():
            revision = None
            with self._session(writing=True) as session:
                now = _now()
                journal = Journal(actor, now)
                yield Write(session, journal, now, self._origin_networks, self._placement)
                session.flush()
                revision = journal.write(session)
                if revision is not None and self._wake_up is not None:
                    self._wake_up.say(session, revision)
                _commit(session)
        if revision is not None:
            self._tell(revision)

    def latest_revision(self) -> int:
        """The counter of the newest change, whichever process made it; cheap enough to ask often."""
        with self._session() as session:
            return newest_revision(session)

    def on_change(self, listener: Callable[[int], None]) -> Callable[[], None]:
        """Calls `listener` with the new revision after every change; the answer unsubscribes it.

        It is called in the writer's thread, maybe in several at a time and not in order, so it should
        only note the revision and wake somebody. Of changes by other processes it hears too if they
        share PostgreSQL, usually within milliseconds; `latest_revision` tells for certain.
        """
        self._listeners.append(listener)
        if self._wake_up is not None:
            self._wake_up.start(self.latest_revision)

        def unsubscribe() -> None:
            with suppress(ValueError):
                self._listeners.remove(listener)

        return unsubscribe

    @contextmanager
    def _turn(self) -> Iterator[None]:
        if not self._writing.acquire(timeout=_WRITER_WAIT_SECONDS):
            raise StoreUnavailable(
                "Another change has been under way for too long; try again later."
            )
        try:
            yield
        finally:
            self._writing.release()

    @contextmanager
    def _session(self, *, writing: bool = False) -> Iterator[Session]:
        options = {WRITING: writing}
        try:
            with (
                self._engine.connect().execution_options(**options) as connection,
                Session(connection, expire_on_commit=False) as session,
            ):
                session.connection()  # begins the transaction
                yield session
        except NoConnectionLeft as error:
            raise StoreUnavailable(
                "Every connection to the database is in use; try again later."
            ) from error
        except DBAPIError as error:
            place = place_of(self._engine)
            raise refusal_of(error, place, is_writing=writing) from error

    def _tell(self, revision: int) -> None:
        for listener in tuple(self._listeners):
            try:
                listener(revision)
            except Exception:
                # The change is durable; whoever made it must not be told that it failed.
                _log.exception("a listener failed at revision %d", revision)


def _commit(session: Session) -> None:
    try:
        session.commit()
    except DBAPIError as error:
        if not error.connection_invalidated:
            raise
        # Only a database on another host can do this: it may have got the word and we not its answer.
        raise StoreUncertain(
            "The connection to the database broke while the change was being stored, so it is not "
            "known whether it was; read again before you repeat it."
        ) from error


def _now() -> datetime:
    return datetime.now(UTC)
