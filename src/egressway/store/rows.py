"""Beside CONFIG 2: the rows that every aggregate asks for, or NotFound."""

from __future__ import annotations

from sqlalchemy.orm import Session

from egressway.model.errors import NotFound
from egressway.model.ids import AccountId, ZoneId
from egressway.store.schema import AccountRow, ZoneRow

__all__ = ["account_row", "not_found", "zone_row"]

_LONGEST_SHOWN = 64


def account_row(session: Session, account_id: AccountId) -> AccountRow:
    """The account, or NotFound."""
    row = session.get(AccountRow, account_id)
    if row is None:
        raise not_found("account", account_id)
    return row


def zone_row(session: Session, zone_id: ZoneId) -> ZoneRow:
    """The zone, or NotFound."""
    row = session.get(ZoneRow, zone_id)
    if row is None:
        raise not_found("zone", zone_id)
    return row


def not_found(kind: str, object_id: str, where: str = "") -> NotFound:
    """No object of this kind has that id; `where` begins with a preposition."""
    place = f" {where}" if where else ""
    return NotFound(f"There is no {kind} `{object_id[:_LONGEST_SHOWN]}`{place}.")
