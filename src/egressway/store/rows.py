"""Beside CONFIG 2: the rows that every aggregate asks for, or NotFound."""

from __future__ import annotations

from typing import TypeVar

from sqlalchemy.orm import Session

from egressway.model.errors import NotFound
from egressway.model.ids import AccountId, ZoneId
from egressway.store.schema import AccountRow, Base, ZoneRow

__all__ = ["account_row", "not_found", "row_of", "zone_row"]

_LONGEST_SHOWN = 64
Row = TypeVar("Row", bound=Base)


def row_of(session: Session, table: type[Row], kind: str, key: str) -> Row:
    """The row with this key, or NotFound that calls it a `kind`."""
    row = session.get(table, key)
    if row is None:
        raise not_found(kind, key)
    return row


def account_row(session: Session, account_id: AccountId) -> AccountRow:
    """The account, or NotFound."""
    return row_of(session, AccountRow, "account", account_id)


def zone_row(session: Session, zone_id: ZoneId) -> ZoneRow:
    """The zone, or NotFound."""
    return row_of(session, ZoneRow, "zone", zone_id)


def not_found(kind: str, object_id: str, where: str = "") -> NotFound:
    """No object of this kind has that id; `where` begins with a preposition."""
    place = f" {where}" if where else ""
    return NotFound(f"There is no {kind} `{object_id[:_LONGEST_SHOWN]}`{place}.")
