"""Beside CONFIG 2: brings a database to this version's schema, and refuses one from a later version."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from egressway.model.errors import StoreTooNew
from egressway.store.byte_order import check_encoding, order_by_bytes
from egressway.store.engine import WRITING
from egressway.store.failures import place_of, unavailable

__all__ = ["migrate", "newest_version"]

_SCRIPTS: Final = Path(__file__).parent / "migrations"


def migrate(engine: Engine) -> None:
    """All missing steps in one transaction; two processes that start together take turns."""
    newest = newest_version()
    try:
        with engine.connect() as connection:
            if _version(connection) == newest:
                return
        with engine.connect().execution_options(**{WRITING: True}) as connection:
            connection.begin()
            _check_known(connection, newest)
            check_encoding(connection)
            _upgrade(connection)
            order_by_bytes(connection)
            connection.commit()
    except DBAPIError as error:
        raise unavailable(error, place_of(engine)) from error


def newest_version() -> str:
    """The last step this version knows; steps are numbered 0001, 0002, ..."""
    return _scripts().get_current_head() or ""


def _check_known(connection: Connection, newest: str) -> None:
    found = _version(connection)
    known = {step.revision for step in _scripts().walk_revisions()}
    if found is not None and found not in known:
        raise StoreTooNew(
            f"The database {place_of(connection.engine)} has schema {found}, this version of "
            f"Egressway knows schemas up to {newest}; install the version that wrote it, or a later one."
        )


def _version(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _upgrade(connection: Connection) -> None:
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(_config())


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    return config
