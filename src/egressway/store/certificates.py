"""CONFIG 2 of 5: certificates of zones. Keys go in and come out towards the data plane only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from egressway.model.certificate import BundleMethod, Certificate, CertificateDraft
from egressway.model.errors import Invalid
from egressway.model.hostname import Hostname
from egressway.model.ids import CertificateId, ZoneId, new_id
from egressway.model.paging import Paging
from egressway.store.changes import ChangeKind
from egressway.store.lists import one_page
from egressway.store.rows import not_found, zone_row
from egressway.store.schema import CertificateRow, ZoneRow
from egressway.store.transaction import Transaction

__all__ = ["CertificateReader", "CertificateWriter", "join_chain", "split_chain"]

_LENGTH_BYTES: Final = 4
_ORDERS: Final = {
    "priority": CertificateRow.priority,
    "expires_on": CertificateRow.expires_on,
    "uploaded_on": CertificateRow.uploaded_on,
}


def join_chain(chain: Sequence[bytes]) -> bytes:
    """Certificates as one column: each behind its length."""
    return b"".join(len(each).to_bytes(_LENGTH_BYTES, "big") + each for each in chain)


def split_chain(joined: bytes) -> tuple[bytes, ...]:
    """What `join_chain` joined."""
    chain: list[bytes] = []
    at = 0
    while at < len(joined):
        begin = at + _LENGTH_BYTES
        at = begin + int.from_bytes(joined[at:begin], "big")
        chain.append(joined[begin:at])
    return tuple(chain)


class CertificateReader:
    """Reads certificates, without their keys."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def get(self, zone_id: ZoneId, certificate_id: CertificateId) -> Certificate:
        """One certificate of the zone, or NotFound."""
        return _certificate(self._row(zone_id, certificate_id))

    def list(self, zone_id: ZoneId, paging: Paging) -> tuple[list[Certificate], int]:
        """One page, and the number of all."""
        zone_row(self._session, zone_id)
        query = select(CertificateRow).where(CertificateRow.zone_id == zone_id)
        by_default = (CertificateRow.uploaded_on, CertificateRow.id)
        return one_page(self._session, query, paging, _ORDERS, by_default, _certificate)

    def _row(self, zone_id: ZoneId, certificate_id: CertificateId) -> CertificateRow:
        row = self._session.get(CertificateRow, certificate_id)
        if row is None or row.zone_id != zone_id:
            raise not_found("certificate", certificate_id, "in this zone")
        return row


class CertificateWriter(CertificateReader):
    """Changes certificates."""

    def __init__(self, transaction: Transaction) -> None:
        super().__init__(transaction.session)
        self._transaction = transaction

    def create(self, zone_id: ZoneId, draft: CertificateDraft) -> Certificate:
        """A new certificate, with the highest priority: what was uploaded last is served."""
        zone = zone_row(self._session, zone_id)
        now = self._transaction.now
        highest = self._session.scalar(
            select(func.max(CertificateRow.priority)).where(CertificateRow.zone_id == zone_id)
        )
        row = CertificateRow(
            id=CertificateId(new_id()),
            zone_id=zone_id,
            priority=(highest or 0) + 1,
            uploaded_on=now,
        )
        self._fill(row, zone, draft)
        self._session.add(row)
        return self._finish(row)

    def replace(
        self, zone_id: ZoneId, certificate_id: CertificateId, draft: CertificateDraft
    ) -> Certificate:
        """Puts a new chain and key in place of the old ones; the priority stays."""
        row = self._row(zone_id, certificate_id)
        self._fill(row, zone_row(self._session, zone_id), draft)
        row.uploaded_on = self._transaction.now
        return self._finish(row)

    def edit(
        self, zone_id: ZoneId, certificate_id: CertificateId, *, bundle_method: BundleMethod
    ) -> Certificate:
        """Changes what is not chain or key."""
        row = self._row(zone_id, certificate_id)
        row.bundle_method = bundle_method
        row.modified_on = self._transaction.now
        return self._finish(row)

    def delete(self, zone_id: ZoneId, certificate_id: CertificateId) -> None:
        """Removes a certificate with its key."""
        self._session.delete(self._row(zone_id, certificate_id))
        self._session.flush()
        self._touched(certificate_id, zone_id)

    def prioritize(
        self, zone_id: ZoneId, priorities: Sequence[tuple[CertificateId, int]]
    ) -> Sequence[Certificate]:
        """Sets priorities; answers all certificates of the zone, the highest first."""
        zone_row(self._session, zone_id)
        for i, (certificate_id, priority) in enumerate(priorities):
            row = self._session.get(CertificateRow, certificate_id)
            if row is None or row.zone_id != zone_id:
                missing = not_found("certificate", certificate_id, "in this zone")
                raise Invalid(missing.text, pointer=f"/certificates/{i}/id")
            row.priority = priority
            row.modified_on = self._transaction.now
            self._touched(certificate_id, zone_id)
        self._session.flush()
        rows = self._session.scalars(
            select(CertificateRow)
            .where(CertificateRow.zone_id == zone_id)
            .order_by(CertificateRow.priority.desc(), CertificateRow.id)
        )
        return [_certificate(row) for row in rows]

    def _fill(self, row: CertificateRow, zone: ZoneRow, draft: CertificateDraft) -> None:
        row.hosts = [*draft.hosts_within(zone.name)]
        row.chain = join_chain(draft.chain)
        row.key = draft.key
        row.issuer = draft.issuer
        row.signature = draft.signature
        row.bundle_method = draft.bundle_method
        row.not_before = draft.not_before
        row.expires_on = draft.expires_on
        row.modified_on = self._transaction.now

    def _finish(self, row: CertificateRow) -> Certificate:
        self._session.flush()
        self._touched(row.id, row.zone_id)
        return _certificate(row)

    def _touched(self, certificate_id: CertificateId, zone_id: ZoneId) -> None:
        self._transaction.journal.touched(ChangeKind.CERTIFICATE, certificate_id, zone_id)


def _certificate(row: CertificateRow) -> Certificate:
    return Certificate(
        id=row.id,
        zone_id=row.zone_id,
        hosts=tuple(Hostname(host) for host in row.hosts),
        issuer=row.issuer,
        signature=row.signature,
        bundle_method=row.bundle_method,
        priority=row.priority,
        not_before=row.not_before,
        expires_on=row.expires_on,
        uploaded_on=row.uploaded_on,
        modified_on=row.modified_on,
    )
