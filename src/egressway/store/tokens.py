"""CONFIG 2 of 5: API tokens. A value is shown once, when it is made; here is only its SHA-256."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from egressway.model.errors import Conflict, Invalid, NotFound
from egressway.model.ids import AccountId, TokenId, ZoneId, new_id
from egressway.model.paging import Paging
from egressway.model.token import (
    Policy,
    Principal,
    RequestIp,
    Token,
    TokenDraft,
    TokenStatus,
)
from egressway.store.changes import ChangeKind
from egressway.store.lists import one_page
from egressway.store.rows import account_row, not_found
from egressway.store.schema import TokenRow, ZoneRow
from egressway.store.transaction import Transaction

__all__ = ["TokenReader", "TokenWriter"]

_VALUE_BYTES: Final = 32
_LONGEST_VALUE: Final = 256
_MOST_WITHOUT_ACCOUNT: Final = 50
_MOST_OF_ACCOUNT: Final = 500
_ORDERS: Final = {"name": TokenRow.name, "issued_on": TokenRow.issued_on}


class TokenReader:
    """Reads tokens, and finds out who holds one."""

    def __init__(self, session: Session, now: datetime) -> None:
        self._session = session
        self._now = now

    def authenticate(self, value: str) -> Principal | None:
        """Who holds `value`, if it is the value of an active token."""
        token = self.verify(value)
        if token is None or token.status is not TokenStatus.ACTIVE:
            return None
        if token.not_before is not None and self._now < token.not_before:
            return None
        return Principal(
            token_id=token.id,
            name=token.name,
            account_id=token.account_id,
            is_operator=token.is_operator,
            policies=token.policies,
            request_ip=token.request_ip,
        )

    def verify(self, value: str) -> Token | None:
        """The token with this value, in whatever state."""
        if not 0 < len(value) <= _LONGEST_VALUE:
            return None
        digest = _digest(value)
        row = self._session.scalar(select(TokenRow).where(TokenRow.sha256 == digest))
        # The index finds by digest, which nobody can steer; the comparison itself takes constant time.
        if row is None or not hmac.compare_digest(row.sha256, digest):
            return None
        return self._token(row)

    def get(self, account_id: AccountId | None, token_id: TokenId) -> Token:
        """One token of the account, or of a user with None; or NotFound."""
        return self._token(self._row(account_id, token_id))

    def list(self, account_id: AccountId | None, paging: Paging) -> tuple[list[Token], int]:
        """One page, and the number of all; the operator's own token is not among them."""
        self._check_account(account_id)
        query = select(TokenRow).where(TokenRow.account_id == account_id, ~TokenRow.is_operator)
        by_default = (TokenRow.issued_on, TokenRow.id)
        return one_page(self._session, query, paging, _ORDERS, by_default, self._token)

    def _check_account(self, account_id: AccountId | None) -> None:
        if account_id is not None:
            account_row(self._session, account_id)

    def _row(self, account_id: AccountId | None, token_id: TokenId) -> TokenRow:
        row = self._session.get(TokenRow, token_id)
        if row is None or row.account_id != account_id or row.is_operator:
            raise not_found("token", token_id)
        return row

    def _token(self, row: TokenRow) -> Token:
        return Token(
            id=row.id,
            account_id=row.account_id,
            name=row.name,
            status=self._status(row),
            policies=tuple(
                Policy.parse(each, f"/policies/{i}") for i, each in enumerate(row.policies)
            ),
            request_ip=RequestIp.parse({"request_ip": row.request_ip}),
            not_before=row.not_before,
            expires_on=row.expires_on,
            issued_on=row.issued_on,
            modified_on=row.modified_on,
            last_used_on=row.last_used_on,
            is_operator=row.is_operator,
        )

    def _status(self, row: TokenRow) -> TokenStatus:
        if row.is_disabled:
            return TokenStatus.DISABLED
        if row.expires_on is not None and row.expires_on <= self._now:
            return TokenStatus.EXPIRED
        return TokenStatus.ACTIVE


class TokenWriter(TokenReader):
    """Changes tokens."""

    def __init__(self, transaction: Transaction) -> None:
        super().__init__(transaction.session, transaction.now)
        self._transaction = transaction

    def create(self, account_id: AccountId | None, draft: TokenDraft) -> tuple[Token, str]:
        """A new token of an account, or of a user with None; and its value, never shown again."""
        self._check_account(account_id)
        self._check_quota(account_id)
        self._check_resources(account_id, draft)
        value = _new_value()
        row = TokenRow(
            id=TokenId(new_id()),
            account_id=account_id,
            sha256=_digest(value),
            is_operator=False,
            issued_on=self._transaction.now,
        )
        self._fill(row, draft)
        self._session.add(row)
        return self._finish(row), value

    def update(self, account_id: AccountId | None, token_id: TokenId, draft: TokenDraft) -> Token:
        """Replaces everything but the value."""
        row = self._row(account_id, token_id)
        self._check_resources(account_id, draft)
        self._fill(row, draft)
        return self._finish(row)

    def roll(self, account_id: AccountId | None, token_id: TokenId) -> str:
        """A new value in place of the old one, which opens nothing any more."""
        return self._roll(self._row(account_id, token_id))

    def delete(self, account_id: AccountId | None, token_id: TokenId) -> None:
        """Removes a token."""
        self._session.delete(self._row(account_id, token_id))
        self._session.flush()
        self._transaction.journal.touched(ChangeKind.TOKEN, token_id)

    def note_use(self, used: Mapping[TokenId, datetime]) -> None:
        """Remembers when tokens were used last; no change that anybody must look at again."""
        for token_id, moment in used.items():
            row = self._session.get(TokenRow, token_id)
            if row is not None:  # else it was deleted since
                row.last_used_on = moment

    def ensure_operator_token(self) -> str | None:
        """Makes the operator's token if there is none; its value then, else None.

        Keep the value before the transaction ends: a crash in between then loses nothing, since a
        value that was kept but not committed is simply replaced by the next start.
        """
        if self._operator_row() is not None:
            return None
        value = _new_value()
        now = self._transaction.now
        row = TokenRow(
            id=TokenId(new_id()),
            account_id=None,
            name="operator",
            sha256=_digest(value),
            is_operator=True,
            is_disabled=False,
            policies=[],
            request_ip={},
            issued_on=now,
            modified_on=now,
        )
        self._session.add(row)
        self._finish(row)
        return value

    def roll_operator_token(self) -> str:
        """A new value for the operator's token, when the old one is lost or known to others."""
        row = self._operator_row()
        if row is None:
            raise NotFound("There is no operator token yet.")
        return self._roll(row)

    def _operator_row(self) -> TokenRow | None:
        return self._session.scalar(select(TokenRow).where(TokenRow.is_operator).limit(1))

    def _roll(self, row: TokenRow) -> str:
        value = _new_value()
        row.sha256 = _digest(value)
        row.modified_on = self._transaction.now
        self._finish(row)
        return value

    def _check_quota(self, account_id: AccountId | None) -> None:
        most = _MOST_WITHOUT_ACCOUNT if account_id is None else _MOST_OF_ACCOUNT
        issued = select(func.count()).where(
            TokenRow.account_id == account_id, ~TokenRow.is_operator
        )
        if (self._session.scalar(issued) or 0) >= most:
            whose = "no account" if account_id is None else "this account"
            raise Conflict(
                f"There are {most} tokens of {whose} already, the most there may be; delete one "
                "that is not used any more."
            )

    def _check_resources(self, account_id: AccountId | None, draft: TokenDraft) -> None:
        """A token of an account names nothing outside it, so its reach can be read off."""
        if account_id is None:
            return
        for i, policy in enumerate(draft.policies):
            for resource in policy.resources:
                owner = resource.account_id
                if resource.zone_id is not None:
                    owner = self._owner_of(resource.zone_id) or owner
                if owner not in (None, account_id) or (
                    resource.account_id not in (None, account_id)
                ):
                    raise Invalid(
                        "A resource lies outside the token's account.",
                        pointer=f"/policies/{i}/resources",
                    )

    def _owner_of(self, zone_id: ZoneId) -> AccountId | None:
        zone = self._session.get(ZoneRow, zone_id)
        return None if zone is None else zone.account_id

    def _fill(self, row: TokenRow, draft: TokenDraft) -> None:
        row.name = draft.name
        row.is_disabled = draft.status is TokenStatus.DISABLED
        row.policies = [policy.members() for policy in draft.policies]
        row.request_ip = draft.request_ip.members()
        row.not_before = draft.not_before
        row.expires_on = draft.expires_on
        row.modified_on = self._transaction.now

    def _finish(self, row: TokenRow) -> Token:
        self._session.flush()
        self._transaction.journal.touched(ChangeKind.TOKEN, row.id)
        return self._token(row)


def _new_value() -> str:
    """43 characters that need no escaping anywhere; 256 bits."""
    return secrets.token_urlsafe(_VALUE_BYTES)


def _digest(value: str) -> bytes:
    return hashlib.sha256(value.encode("utf-8", "surrogatepass")).digest()
