"""CONFIG 2 of 5: pools of egress addresses, and grants of a pool to other accounts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Final

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from egressway.model.errors import Conflict, Invalid, NotFound
from egressway.model.ids import AccountId, LeaseId, PoolId, ZoneId, new_id
from egressway.model.lease import LeasedIP
from egressway.model.paging import Paging
from egressway.model.pool import Pool, PoolChange, PoolDraft, PoolSource
from egressway.store.changes import ChangeKind
from egressway.store.lists import one_page
from egressway.store.rows import account_row, not_found
from egressway.store.schema import (
    LeaseRow,
    PoolGrantRow,
    PoolIpRow,
    PoolRow,
    ZoneAegisRow,
    ZoneRow,
)
from egressway.store.transaction import Transaction

__all__ = ["PoolReader", "PoolWriter"]

_NAMED_AT_MOST: Final = 10
_ORDERS: Final = {
    "name": PoolRow.name,
    "source": PoolRow.source,
    "created_on": PoolRow.created_on,
}


class PoolReader:
    """Reads pools."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def get(self, account_id: AccountId, pool_id: PoolId) -> Pool:
        """One pool of the account, or NotFound."""
        return self._pool(self._row(account_id, pool_id))

    def find(self, pool_id: PoolId) -> Pool:
        """One pool of whichever account, or NotFound."""
        return self._pool(self._any_row(pool_id))

    def list(self, account_id: AccountId, paging: Paging) -> tuple[list[Pool], int]:
        """One page, and the number of all."""
        account_row(self._session, account_id)
        query = select(PoolRow).where(PoolRow.account_id == account_id)
        by_default = (PoolRow.created_on, PoolRow.id)
        rows, total = one_page(self._session, query, paging, _ORDERS, by_default, _itself)
        return _pools(self._session, rows), total

    def grants(self, pool_id: PoolId) -> Sequence[AccountId]:
        """The accounts beside the owner whose zones may use the pool."""
        self._any_row(pool_id)
        return self._session.scalars(
            select(PoolGrantRow.account_id)
            .where(PoolGrantRow.pool_id == pool_id)
            .order_by(PoolGrantRow.created_on, PoolGrantRow.account_id)
        ).all()

    def _any_row(self, pool_id: PoolId) -> PoolRow:
        row = self._session.get(PoolRow, pool_id)
        if row is None:
            raise not_found("pool", pool_id)
        return row

    def _row(self, account_id: AccountId, pool_id: PoolId) -> PoolRow:
        row = self._session.get(PoolRow, pool_id)
        if row is None or row.account_id != account_id:
            raise not_found("pool", pool_id, "in this account")
        return row

    def _pool(self, row: PoolRow) -> Pool:
        return _pools(self._session, [row])[0]


class PoolWriter(PoolReader):
    """Changes pools and grants."""

    def __init__(self, transaction: Transaction) -> None:
        super().__init__(transaction.session)
        self._transaction = transaction

    def create(self, account_id: AccountId, draft: PoolDraft) -> Pool:
        """A new pool of addresses that are the account's and in no other pool."""
        account_row(self._session, account_id)
        now = self._transaction.now
        row = PoolRow(
            id=PoolId(new_id()),
            account_id=account_id,
            name=draft.name,
            source=draft.source,
            overflow=draft.overflow,
            created_on=now,
            modified_on=now,
        )
        self._session.add(row)
        self._session.flush()
        self._set_ips(row, draft.ips)
        self._touched(row.id)
        return self._pool(row)

    def patch(self, account_id: AccountId, pool_id: PoolId, change: PoolChange) -> Pool:
        """Changes name, addresses or overflow. An enabled zone of an emptied pool fails closed."""
        row = self._row(account_id, pool_id)
        if change.source is not None and change.source is not row.source:
            raise Invalid(
                f"A pool is either leased or byoip for life; this one is {row.source}.",
                pointer="/source",
            )
        if change.name is not None:
            row.name = change.name
        if change.overflow is not None:
            row.overflow = change.overflow
        if change.ips is not None:
            self._set_ips(row, change.ips)
        row.modified_on = self._transaction.now
        self._session.flush()
        self._touched(pool_id)
        return self._pool(row)

    def delete(self, account_id: AccountId, pool_id: PoolId) -> None:
        """Removes a pool that no zone has enabled; zones that merely kept it forget it."""
        row = self._row(account_id, pool_id)
        linked = self._zone_names(pool_id)
        if linked:
            raise Conflict(f"The pool is in use by {_named(linked)}; disable aegis there first.")
        self._forget(pool_id)
        self._session.execute(delete(PoolIpRow).where(PoolIpRow.pool_id == pool_id))
        self._session.delete(row)
        self._session.flush()
        self._session.expire_all()
        self._touched(pool_id)

    def grant(self, pool_id: PoolId, account_id: AccountId) -> None:
        """Lets zones of another account use the pool; saying it again changes nothing."""
        pool = self._any_row(pool_id)
        account_row(self._session, account_id)
        if pool.account_id == account_id:
            raise Invalid("The pool already belongs to this account.", pointer="/account_id")
        if self._session.get(PoolGrantRow, (pool_id, account_id)) is not None:
            return
        self._session.add(
            PoolGrantRow(pool_id=pool_id, account_id=account_id, created_on=self._transaction.now)
        )
        self._session.flush()
        self._transaction.journal.touched(ChangeKind.GRANT, pool_id)

    def revoke(self, pool_id: PoolId, account_id: AccountId) -> None:
        """Takes a grant back that no zone of the account is using."""
        row = self._session.get(PoolGrantRow, (pool_id, account_id))
        if row is None:
            raise NotFound("The pool is not granted to this account.")
        linked = self._zone_names(pool_id, account_id)
        if linked:
            raise Conflict(f"The pool is in use by {_named(linked)}; disable aegis there first.")
        self._forget(pool_id, account_id)
        self._session.delete(row)
        self._session.flush()
        self._transaction.journal.touched(ChangeKind.GRANT, pool_id)

    def _set_ips(self, row: PoolRow, ips: Sequence[LeasedIP]) -> None:
        leases = self._leases(row, ips)
        self._check_free(row, ips)
        self._session.execute(delete(PoolIpRow).where(PoolIpRow.pool_id == row.id))
        self._session.expire_all()
        self._session.add_all(
            PoolIpRow(
                ip=ip,
                pool_id=row.id,
                source=row.source,
                lease_id=leases.get(ip),
                position=position,
            )
            for position, ip in enumerate(ips)
        )
        self._session.flush()

    def _leases(self, row: PoolRow, ips: Sequence[LeasedIP]) -> dict[LeasedIP, LeaseId]:
        """The lease of each address of a leased pool; anything else is refused."""
        found = self._session.execute(
            select(LeaseRow.ip, LeaseRow.id).where(
                LeaseRow.ip.in_(ips), LeaseRow.account_id == row.account_id
            )
        )
        leases = dict(found.all())
        if row.source is PoolSource.LEASED:
            _check_leased(ips, leases)
        else:
            _check_byoip(ips, leases)
        return leases

    def _check_free(self, row: PoolRow, ips: Sequence[LeasedIP]) -> None:
        taken = self._session.execute(
            select(PoolIpRow.ip, PoolRow.name)
            .join(PoolRow, PoolRow.id == PoolIpRow.pool_id)
            .where(PoolIpRow.ip.in_(ips), PoolIpRow.pool_id != row.id)
        )
        for ip, name in taken:
            raise Conflict(
                f"{ip} is already in the pool {name!r}; an address is in one pool only.",
                pointer=f"/ips/{ips.index(ip)}",
            )

    def _zone_names(self, pool_id: PoolId, account_id: AccountId | None = None) -> Sequence[str]:
        query = (
            select(ZoneRow.name)
            .join(ZoneAegisRow, ZoneAegisRow.zone_id == ZoneRow.id)
            .where(ZoneAegisRow.pool_id == pool_id, ZoneAegisRow.enabled)
            .order_by(ZoneRow.name)
            .limit(_NAMED_AT_MOST + 1)
        )
        if account_id is not None:
            query = query.where(ZoneRow.account_id == account_id)
        return self._session.scalars(query).all()

    def _forget(self, pool_id: PoolId, account_id: AccountId | None = None) -> None:
        query = (
            select(ZoneAegisRow)
            .join(ZoneRow, ZoneRow.id == ZoneAegisRow.zone_id)
            .where(ZoneAegisRow.pool_id == pool_id)
        )
        if account_id is not None:
            query = query.where(ZoneRow.account_id == account_id)
        zone_ids: set[ZoneId] = set()
        for row in self._session.scalars(query):
            row.pool_id = None
            row.modified_on = self._transaction.now
            zone_ids.add(row.zone_id)
        self._session.flush()
        self._transaction.journal.touched_zones(zone_ids)

    def _touched(self, pool_id: PoolId) -> None:
        self._transaction.journal.touched(ChangeKind.POOL, pool_id)


def _pools(session: Session, rows: Sequence[PoolRow]) -> list[Pool]:
    """These pools with their addresses; one query for all of them."""
    members = session.execute(
        select(PoolIpRow.pool_id, PoolIpRow.ip)
        .where(PoolIpRow.pool_id.in_([row.id for row in rows]))
        .order_by(PoolIpRow.position, PoolIpRow.ip)
    )
    ips: defaultdict[PoolId, list[LeasedIP]] = defaultdict(list)
    for pool_id, ip in members:
        ips[pool_id].append(ip)
    return [_pool(row, ips[row.id]) for row in rows]


def _itself(row: PoolRow) -> PoolRow:
    return row


def _pool(row: PoolRow, ips: Iterable[LeasedIP]) -> Pool:
    return Pool(
        id=row.id,
        account_id=row.account_id,
        name=row.name,
        source=row.source,
        ips=tuple(ips),
        created_on=row.created_on,
        modified_on=row.modified_on,
        overflow=row.overflow,
    )


def _check_leased(ips: Sequence[LeasedIP], leased: Iterable[LeasedIP]) -> None:
    inside = set(leased)
    for i, ip in enumerate(ips):
        if ip in inside:
            continue
        if inside:
            raise Invalid(
                "A pool holds leased addresses or addresses of a BYOIP prefix, never both: "
                f"{next(iter(inside))} is leased to this account, {ip} is not.",
                pointer=f"/ips/{i}",
            )
        raise Invalid(f"{ip} is not leased to this account.", pointer=f"/ips/{i}")


def _check_byoip(ips: Sequence[LeasedIP], leased: Iterable[LeasedIP]) -> None:
    inside = set(leased)
    for i, ip in enumerate(ips):
        if ip in inside:
            raise Invalid(
                "A pool holds leased addresses or addresses of a BYOIP prefix, never both: "
                f"source is byoip, but {ip} is leased.",
                pointer=f"/ips/{i}",
            )
        raise Invalid(f"{ip} lies in no BYOIP prefix of this account.", pointer=f"/ips/{i}")


def _named(zones: Sequence[str]) -> str:
    shown = ", ".join(zones[:_NAMED_AT_MOST])
    noun = "the zone" if len(zones) == 1 else "the zones"
    return f"{noun} {shown}" + (" and more" if len(zones) > _NAMED_AT_MOST else "")
