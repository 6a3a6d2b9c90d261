"""CONFIG 2 of 5: zones."""

from __future__ import annotations

from typing import Final

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session, contains_eager

from egressway.model.errors import Conflict, Invalid
from egressway.model.hostname import Hostname
from egressway.model.ids import ZoneId, new_id
from egressway.model.paging import Paging
from egressway.model.permission import Permission
from egressway.model.token import Principal
from egressway.model.zone import Zone, ZoneChange, ZoneDraft, ZoneFilter, ZoneStatus
from egressway.store.changes import ChangeKind
from egressway.store.lists import combine, one_page, text_condition
from egressway.store.rows import not_found, zone_row
from egressway.store.schema import AccountRow, ZoneRow
from egressway.store.transaction import Transaction
from egressway.store.visibility import visible

__all__ = ["ZoneReader", "ZoneWriter"]

_NAME_TAKEN: Final = 1061
_EVERYTHING: Final = ZoneFilter()
_ORDERS: Final = {
    "name": ZoneRow.name,
    "status": ZoneRow.status,
    "account.id": ZoneRow.account_id,
    "account.name": AccountRow.name,
    "plan.id": ZoneRow.account_id,
}


class ZoneReader:
    """Reads zones."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def get(self, zone_id: ZoneId) -> Zone:
        """One zone, or NotFound."""
        return _zone(self._row(zone_id))

    def list(
        self,
        paging: Paging,
        where: ZoneFilter = _EVERYTHING,
        *,
        principal: Principal | None = None,
    ) -> tuple[list[Zone], int]:
        """One page, and the number of all. With a `principal`: only what it may read."""
        query = (
            select(ZoneRow)
            .join(ZoneRow.account)
            .options(contains_eager(ZoneRow.account))
            .where(combine(_conditions(where), match_any=where.match_any))
        )
        if principal is not None:
            query = query.where(
                visible(principal, Permission.ZONE_READ, ZoneRow.account_id, ZoneRow.id)
            )
        by_default = (ZoneRow.created_on, ZoneRow.id)
        return one_page(self._session, query, paging, _ORDERS, by_default, _zone)

    def _row(self, zone_id: ZoneId) -> ZoneRow:
        return zone_row(self._session, zone_id)


class ZoneWriter(ZoneReader):
    """Changes zones."""

    def __init__(self, transaction: Transaction) -> None:
        super().__init__(transaction.session)
        self._transaction = transaction

    def create(self, draft: ZoneDraft) -> Zone:
        """A new zone, active at once; its name must not exist in any account."""
        account = self._session.get(AccountRow, draft.account_id)
        if account is None:
            missing = not_found("account", draft.account_id)
            raise Invalid(missing.text, pointer="/account/id")
        if self._session.scalar(select(ZoneRow.id).where(ZoneRow.name == draft.name)):
            raise Conflict(
                f"The zone {draft.name} already exists.", pointer="/name", code=_NAME_TAKEN
            )
        now = self._transaction.now
        row = ZoneRow(
            id=ZoneId(new_id()),
            account=account,
            name=draft.name,
            type=draft.type,
            status=ZoneStatus.ACTIVE,
            is_paused=False,
            created_on=now,
            modified_on=now,
            activated_on=now,
        )
        self._session.add(row)
        self._session.flush()
        self._touched(row.id)
        return _zone(row)

    def edit(self, zone_id: ZoneId, change: ZoneChange) -> Zone:
        """Changes what is given."""
        row = self._row(zone_id)
        if change.is_paused is not None:
            row.is_paused = change.is_paused
        if change.type is not None:
            row.type = change.type
        row.modified_on = self._transaction.now
        self._session.flush()
        self._touched(zone_id)
        return _zone(row)

    def delete(self, zone_id: ZoneId) -> None:
        """Removes a zone with its records, certificates and settings; they go by cascade."""
        self._session.delete(self._row(zone_id))
        self._session.flush()
        self._session.expire_all()
        self._touched(zone_id)

    def _touched(self, zone_id: ZoneId) -> None:
        self._transaction.journal.touched(ChangeKind.ZONE, zone_id, zone_id)


def _conditions(where: ZoneFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if where.name is not None:
        conditions.append(text_condition(ZoneRow.name, where.name, is_lower=True))
    if where.account_id is not None:
        conditions.append(ZoneRow.account_id == where.account_id)
    if where.account_name is not None:
        conditions.append(text_condition(AccountRow.name, where.account_name))
    if where.status is not None:
        conditions.append(ZoneRow.status == where.status)
    if where.type is not None:
        conditions.append(ZoneRow.type == where.type)
    return conditions


def _zone(row: ZoneRow) -> Zone:
    return Zone(
        id=row.id,
        account_id=row.account_id,
        account_name=row.account.name,
        name=Hostname(row.name),
        type=row.type,
        status=row.status,
        is_paused=row.is_paused,
        created_on=row.created_on,
        modified_on=row.modified_on,
        activated_on=row.activated_on,
    )
