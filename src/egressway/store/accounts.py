"""CONFIG 2 of 5: accounts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from egressway.model.account import Account, AccountChange, AccountDraft
from egressway.model.errors import Conflict
from egressway.model.ids import AccountId, ZoneId, new_id
from egressway.model.paging import Paging, TextFilter
from egressway.model.permission import Permission
from egressway.model.token import Principal
from egressway.store.changes import ChangeKind
from egressway.store.lists import one_page, text_condition
from egressway.store.rows import account_row
from egressway.store.schema import AccountRow, LeaseRow, PoolRow, ZoneRow
from egressway.store.transaction import Transaction
from egressway.store.visibility import visible

__all__ = ["AccountReader", "AccountWriter"]

_ORDERS: Final = {
    "name": AccountRow.name,
    "type": AccountRow.type,
    "created_on": AccountRow.created_on,
}


class AccountReader:
    """Reads accounts."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def get(self, account_id: AccountId) -> Account:
        """One account, or NotFound."""
        return _account(self._row(account_id))

    def list(
        self,
        paging: Paging,
        *,
        name: TextFilter | None = None,
        principal: Principal | None = None,
    ) -> tuple[list[Account], int]:
        """One page, and the number of all. With a `principal`: only what it may read."""
        query = select(AccountRow)
        if name is not None:
            query = query.where(text_condition(AccountRow.name, name))
        if principal is not None:
            query = query.where(
                visible(principal, Permission.ACCOUNT_SETTINGS_READ, AccountRow.id, None)
            )
        by_default = (AccountRow.created_on, AccountRow.id)
        return one_page(self._session, query, paging, _ORDERS, by_default, _account)

    def _row(self, account_id: AccountId) -> AccountRow:
        return account_row(self._session, account_id)


class AccountWriter(AccountReader):
    """Changes accounts."""

    def __init__(self, transaction: Transaction) -> None:
        super().__init__(transaction.session)
        self._transaction = transaction

    def create(self, draft: AccountDraft) -> Account:
        """A new account. Names need not differ."""
        now = self._transaction.now
        row = AccountRow(
            id=AccountId(new_id()),
            name=draft.name,
            type=draft.type,
            abuse_contact_email=draft.abuse_contact_email,
            enforce_twofactor=draft.enforce_twofactor,
            created_on=now,
            modified_on=now,
        )
        self._session.add(row)
        self._session.flush()
        self._transaction.journal.touched(ChangeKind.ACCOUNT, row.id)
        return _account(row)

    def update(self, account_id: AccountId, change: AccountChange) -> Account:
        """Changes what is given; another type changes defaults of all zones of the account."""
        row = self._row(account_id)
        journal = self._transaction.journal
        if change.type is not None and change.type is not row.type:
            row.type = change.type
            journal.touched_zones(self._zone_ids(account_id))
        if change.name is not None:
            row.name = change.name
        if change.abuse_contact_email is not None:
            row.abuse_contact_email = change.abuse_contact_email
        if change.enforce_twofactor is not None:
            row.enforce_twofactor = change.enforce_twofactor
        row.modified_on = self._transaction.now
        self._session.flush()
        journal.touched(ChangeKind.ACCOUNT, account_id)
        return _account(row)

    def delete(self, account_id: AccountId) -> None:
        """Removes an account that owns nothing, with its tokens."""
        row = self._row(account_id)
        owned = [
            noun
            for noun, table in (("zones", ZoneRow), ("pools", PoolRow), ("leased IPs", LeaseRow))
            if self._session.scalar(select(table.id).where(table.account_id == account_id).limit(1))
        ]
        if owned:
            raise Conflict(f"The account still owns {' and '.join(owned)}; delete them first.")
        self._session.delete(row)
        self._session.flush()
        self._transaction.journal.touched(ChangeKind.ACCOUNT, account_id)

    def _zone_ids(self, account_id: AccountId) -> Sequence[ZoneId]:
        return self._session.scalars(
            select(ZoneRow.id).where(ZoneRow.account_id == account_id)
        ).all()


def _account(row: AccountRow) -> Account:
    return Account(
        id=row.id,
        name=row.name,
        type=row.type,
        abuse_contact_email=row.abuse_contact_email,
        enforce_twofactor=row.enforce_twofactor,
        created_on=row.created_on,
        modified_on=row.modified_on,
    )
