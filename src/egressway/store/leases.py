"""CONFIG 2 of 5: leases. An address is lent to one account at a time, or to none."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, IPv6Network
from typing import Final

from sqlalchemy import String, select, type_coerce
from sqlalchemy.orm import Session

from egressway.model.errors import Conflict
from egressway.model.ids import AccountId, LeaseId, new_id
from egressway.model.lease import Lease, LeasedIP
from egressway.model.paging import Paging
from egressway.store.changes import ChangeKind
from egressway.store.lists import one_page
from egressway.store.placements import place_by_default
from egressway.store.rows import account_row, not_found
from egressway.store.schema import LeaseRow, PoolIpRow, PoolRow
from egressway.store.transaction import Transaction

__all__ = ["LeaseReader", "LeaseWriter"]

_ORDERS: Final = {"ip": LeaseRow.ip, "created_on": LeaseRow.created_on}


class LeaseReader:
    """Reads leases."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def get(self, account_id: AccountId, lease_id: LeaseId) -> Lease:
        """One lease of the account, or NotFound."""
        return _lease(self._row(account_id, lease_id))

    def list(self, account_id: AccountId, paging: Paging) -> tuple[list[Lease], int]:
        """One page, and the number of all."""
        account_row(self._session, account_id)
        query = select(LeaseRow).where(LeaseRow.account_id == account_id)
        by_default = (LeaseRow.created_on, LeaseRow.id)
        return one_page(self._session, query, paging, _ORDERS, by_default, _lease)

    def _row(self, account_id: AccountId, lease_id: LeaseId) -> LeaseRow:
        row = self._session.get(LeaseRow, lease_id)
        if row is None or row.account_id != account_id:
            raise not_found("leased IP", lease_id, "in this account")
        return row


class LeaseWriter(LeaseReader):
    """Lends addresses and takes them back."""

    def __init__(self, transaction: Transaction) -> None:
        super().__init__(transaction.session)
        self._transaction = transaction

    def create(self, account_id: AccountId, ip: LeasedIP) -> Lease:
        """Lends `ip` to the account; whoever has it already keeps it.

        On a single machine the address is placed there, in a fleet by an operator.
        """
        account_row(self._session, account_id)
        holder = self._session.scalar(select(LeaseRow).where(LeaseRow.ip == ip))
        if holder is not None:
            whom = "this account" if holder.account_id == account_id else "another account"
            raise Conflict(f"{ip} is already leased to {whom}.", pointer="/ip")
        overlapping = self._overlapping(ip)
        if overlapping is not None:
            raise Conflict(f"{ip} overlaps {overlapping}, which is leased already.", pointer="/ip")
        now = self._transaction.now
        row = LeaseRow(
            id=LeaseId(new_id()), account_id=account_id, ip=ip, created_on=now, modified_on=now
        )
        self._session.add(row)
        self._session.flush()
        place_by_default(self._session, ip)
        self._transaction.journal.touched(ChangeKind.LEASE, row.id)
        return _lease(row)

    def _overlapping(self, ip: LeasedIP) -> LeasedIP | None:
        """A lease that contains `ip`, or lies in it."""
        if isinstance(ip, IPv4Address):
            return None
        network = IPv6Network(ip)
        lengths = range(network.prefixlen)
        around = [network.supernet(new_prefix=length) for length in lengths]
        found = self._session.scalar(select(LeaseRow.ip).where(LeaseRow.ip.in_(around)))
        if found is not None or isinstance(ip, IPv6Address):
            return found
        inside = self._session.scalars(
            select(LeaseRow.ip).where(type_coerce(LeaseRow.ip, String).like("%:%"))
        )
        return next((each for each in inside if IPv6Network(each).subnet_of(network)), None)

    def delete(self, account_id: AccountId, lease_id: LeaseId) -> None:
        """Takes an address back that is in no pool."""
        row = self._row(account_id, lease_id)
        pool = self._session.scalar(
            select(PoolRow.name)
            .join(PoolIpRow, PoolIpRow.pool_id == PoolRow.id)
            .where(PoolIpRow.lease_id == lease_id)
        )
        if pool is not None:
            raise Conflict(f"{row.ip} is in the pool {pool!r}; remove it from there first.")
        self._session.delete(row)
        self._session.flush()
        self._transaction.journal.touched(ChangeKind.LEASE, lease_id)


def _lease(row: LeaseRow) -> Lease:
    return Lease(
        id=row.id,
        account_id=row.account_id,
        ip=row.ip,
        created_on=row.created_on,
        modified_on=row.modified_on,
    )
