"""CONFIG 2 of 5: names of zones that are served in one region only."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from egressway.model.errors import Conflict
from egressway.model.hostname import Hostname
from egressway.model.ids import ZoneId
from egressway.model.regional_hostname import RegionalHostname, RegionalHostnameDraft
from egressway.store.changes import ChangeKind
from egressway.store.rows import not_found, zone_row
from egressway.store.schema import RegionalHostnameRow
from egressway.store.transaction import Transaction

__all__ = ["RegionalHostnameReader", "RegionalHostnameWriter"]

_LONGEST_ID = 64


class RegionalHostnameReader:
    """Reads regional hostnames."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def get(self, zone_id: ZoneId, hostname: Hostname) -> RegionalHostname:
        """One of the zone, or NotFound."""
        return _value(self._row(zone_id, hostname))

    def list(self, zone_id: ZoneId) -> Sequence[RegionalHostname]:
        """All of the zone, by name."""
        zone_row(self._session, zone_id)
        rows = self._session.scalars(
            select(RegionalHostnameRow)
            .where(RegionalHostnameRow.zone_id == zone_id)
            .order_by(RegionalHostnameRow.hostname)
        )
        return [_value(row) for row in rows]

    def _row(self, zone_id: ZoneId, hostname: str) -> RegionalHostnameRow:
        row = self._session.get(RegionalHostnameRow, (zone_id, hostname))
        if row is None:
            raise not_found("regional hostname", hostname, "in this zone")
        return row


class RegionalHostnameWriter(RegionalHostnameReader):
    """Changes regional hostnames."""

    def __init__(self, transaction: Transaction) -> None:
        super().__init__(transaction.session)
        self._transaction = transaction

    def create(self, zone_id: ZoneId, draft: RegionalHostnameDraft) -> RegionalHostname:
        """From now on the name is served inside the region only."""
        draft.check_within(zone_row(self._session, zone_id).name)
        if self._session.get(RegionalHostnameRow, (zone_id, draft.hostname)) is not None:
            raise Conflict(
                f"The regional hostname {draft.hostname} already exists; change its region instead.",
                pointer="/hostname",
            )
        row = RegionalHostnameRow(
            zone_id=zone_id,
            hostname=draft.hostname,
            region_key=draft.region_key,
            routing=draft.routing,
            created_on=self._transaction.now,
        )
        self._session.add(row)
        return self._finish(row)

    def edit(self, zone_id: ZoneId, hostname: Hostname, region_key: str) -> RegionalHostname:
        """Another region."""
        row = self._row(zone_id, hostname)
        row.region_key = region_key
        return self._finish(row)

    def delete(self, zone_id: ZoneId, hostname: Hostname) -> None:
        """The name is served everywhere again."""
        self._session.delete(self._row(zone_id, hostname))
        self._session.flush()
        self._touched(zone_id, hostname)

    def _finish(self, row: RegionalHostnameRow) -> RegionalHostname:
        self._session.flush()
        self._touched(row.zone_id, row.hostname)
        return _value(row)

    def _touched(self, zone_id: ZoneId, hostname: str) -> None:
        self._transaction.journal.touched(
            ChangeKind.REGIONAL_HOSTNAME, hostname[:_LONGEST_ID], zone_id
        )


def _value(row: RegionalHostnameRow) -> RegionalHostname:
    return RegionalHostname(
        zone_id=row.zone_id,
        hostname=Hostname(row.hostname),
        region_key=row.region_key,
        routing=row.routing,
        created_on=row.created_on,
    )
