"""Beside CONFIG 2: text is compared byte by byte on every database.

SQLite does so. PostgreSQL sorts by the language that it was set up with, so lists would change their order
with the installation, an index could not serve a search by prefix, and an update of the host's language
tables could damage indexes. So every column is told, when the steps have been taken.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, text

from egressway.model.errors import StoreUnavailable

__all__ = ["check_encoding", "order_by_bytes"]

_BY_LANGUAGE: Final = text(
    """
    SELECT quote_ident(relname), quote_ident(attname), format_type(atttypid, atttypmod)
    FROM pg_attribute
    JOIN pg_class ON pg_class.oid = attrelid
    JOIN pg_collation ON pg_collation.oid = attcollation
    WHERE relnamespace = to_regnamespace(current_schema()) AND relkind = 'r'
      AND attnum > 0 AND NOT attisdropped AND collname = 'default'
    ORDER BY relname, attnum
    """
)


def check_encoding(connection: Connection) -> None:
    """Names and comments may hold any letter there is."""
    if connection.dialect.name != "postgresql":
        return
    encoding = connection.exec_driver_sql("SHOW server_encoding").scalar()
    if encoding != "UTF8":
        raise StoreUnavailable(
            f"The database keeps text as {encoding}; make another one: "
            "`createdb --template=template0 --encoding=UTF8 DATABASE`."
        )


def order_by_bytes(connection: Connection) -> None:
    """For columns that have been added since the last time."""
    if connection.dialect.name != "postgresql":
        return
    for table, column, kind in connection.execute(_BY_LANGUAGE).all():
        connection.exec_driver_sql(
            f'ALTER TABLE {table} ALTER COLUMN {column} TYPE {kind} COLLATE "C"'
        )
