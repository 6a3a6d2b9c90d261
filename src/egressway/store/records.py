"""CONFIG 2 of 5: DNS records, and which zone a proxied name belongs to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from sqlalchemy import ColumnElement, delete, exists, or_, select
from sqlalchemy.orm import Session

from egressway.model.account import AccountType
from egressway.model.address import OriginNetworks
from egressway.model.errors import Conflict, EgresswayError, Invalid
from egressway.model.hostname import Hostname, wildcard_over
from egressway.model.ids import RecordId, ZoneId, new_id
from egressway.model.origin import OriginDetails
from egressway.model.paging import Paging, TextFilter, TextMatch
from egressway.model.record import (
    AUTOMATIC_TTL,
    Record,
    RecordBatch,
    RecordDraft,
    RecordFilter,
    RecordsChanged,
    RecordType,
)
from egressway.store.changes import ChangeKind
from egressway.store.lists import combine, one_page, text_condition
from egressway.store.rows import not_found, zone_row
from egressway.store.schema import HostRow, RecordRow, RegionalHostnameRow, ZoneRow
from egressway.store.transaction import Transaction

__all__ = ["RecordReader", "RecordWriter"]

_LEAST_TTL: Final = 60
_IDENTICAL: Final = 81058
_BESIDE_CNAME: Final = 81053
_NAME_TAKEN: Final = 1409
_EVERYTHING: Final = RecordFilter()
_ORDERS: Final = {
    "type": RecordRow.type,
    "name": RecordRow.name,
    "content": RecordRow.content,
    "ttl": RecordRow.ttl,
    "proxied": RecordRow.proxied_name,
}


class RecordReader:
    """Reads records."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def get(self, zone_id: ZoneId, record_id: RecordId) -> Record:
        """One record of the zone, or NotFound."""
        return _record(self._row(zone_id, record_id), zone_row(self._session, zone_id).name)

    def list(
        self,
        zone_id: ZoneId,
        paging: Paging,
        where: RecordFilter = _EVERYTHING,
    ) -> tuple[list[Record], int]:
        """One page of the zone's records, and the number of all."""
        zone_name = zone_row(self._session, zone_id).name
        query = select(RecordRow).where(
            RecordRow.zone_id == zone_id, combine(_conditions(where), match_any=where.match_any)
        )
        if where.search is not None:
            query = query.where(_search(where.search))
        by_default = (RecordRow.name, RecordRow.type, RecordRow.content, RecordRow.id)
        return one_page(
            self._session,
            query,
            paging,
            _ORDERS,
            by_default,
            lambda row: _record(row, zone_name),
        )

    def _row(self, zone_id: ZoneId, record_id: RecordId) -> RecordRow:
        row = self._session.get(RecordRow, record_id)
        if row is None or row.zone_id != zone_id:
            raise not_found("record", record_id, "in this zone")
        return row


class RecordWriter(RecordReader):
    """Changes records."""

    def __init__(self, transaction: Transaction, origin_networks: OriginNetworks) -> None:
        super().__init__(transaction.session)
        self._transaction = transaction
        self._origin_networks = origin_networks

    def create(self, zone_id: ZoneId, draft: RecordDraft) -> Record:
        """A new record."""
        zone = zone_row(self._session, zone_id)
        now = self._transaction.now
        row = RecordRow(id=RecordId(new_id()), zone_id=zone_id, created_on=now)
        self._fill(row, self._checked(zone, draft, row.id))
        self._session.add(row)
        return self._finish(row, zone)

    def replace(self, zone_id: ZoneId, record_id: RecordId, draft: RecordDraft) -> Record:
        """Puts a whole record in place of another."""
        zone = zone_row(self._session, zone_id)
        row = self._row(zone_id, record_id)
        was = row.proxied_name
        self._fill(row, self._checked(zone, draft, record_id))
        record = self._finish(row, zone)
        self._release(was)
        return record

    def patch(self, zone_id: ZoneId, record_id: RecordId, members: Mapping[str, object]) -> Record:
        """Changes the given members, as a PATCH names them; `settings` member by member."""
        return self.replace(zone_id, record_id, self.get(zone_id, record_id).draft.changed(members))

    def delete(self, zone_id: ZoneId, record_id: RecordId) -> Record:
        """Removes a record; answers what it was."""
        zone = zone_row(self._session, zone_id)
        row = self._row(zone_id, record_id)
        record, was = _record(row, zone.name), row.proxied_name
        self._session.delete(row)
        self._session.flush()
        self._release(was)
        self._touched(record_id, zone_id)
        return record

    def batch(self, zone_id: ZoneId, batch: RecordBatch) -> RecordsChanged:
        """Deletes, then patches, puts and posts. A refusal points at its item and undoes all."""
        done = RecordsChanged()
        for i, record_id in enumerate(batch.deletes):
            with _pointing_at(f"/deletes/{i}"):
                done.deletes.append(self.delete(zone_id, record_id))
        for i, (record_id, members) in enumerate(batch.patches):
            with _pointing_at(f"/patches/{i}"):
                done.patches.append(self.patch(zone_id, record_id, members))
        for i, (record_id, draft) in enumerate(batch.puts):
            with _pointing_at(f"/puts/{i}"):
                done.puts.append(self.replace(zone_id, record_id, draft))
        for i, draft in enumerate(batch.posts):
            with _pointing_at(f"/posts/{i}"):
                done.posts.append(self.create(zone_id, draft))
        return done

    def _checked(self, zone: ZoneRow, draft: RecordDraft, record_id: RecordId) -> RecordDraft:
        draft = draft.within(zone.name)
        is_short = AUTOMATIC_TTL < draft.ttl < _LEAST_TTL
        if is_short and zone.account.type is not AccountType.ENTERPRISE:
            raise Invalid("ttl must be 1 (automatic) or 60 to 86400.", pointer="/ttl")
        self._check_neighbours(zone.id, draft, record_id)
        if draft.proxied:
            self._origin_networks.check(draft.address, "/content")
            self._claim(zone, draft.name)
        return draft

    def _check_neighbours(self, zone_id: ZoneId, draft: RecordDraft, record_id: RecordId) -> None:
        neighbours = self._session.execute(
            select(RecordRow.type, RecordRow.content).where(
                RecordRow.zone_id == zone_id,
                RecordRow.name == draft.name,
                RecordRow.id != record_id,
            )
        ).all()
        for kind, content in neighbours:
            if (kind, content) == (draft.type, draft.content):
                raise Conflict("An identical record already exists.", code=_IDENTICAL)
            if RecordType.CNAME in (kind, draft.type):
                raise Conflict(
                    f"{draft.name} has a {kind} record; a CNAME stands alone at its name.",
                    pointer="/name",
                    code=_BESIDE_CNAME,
                )

    def _claim(self, zone: ZoneRow, name: str) -> None:
        """Makes the name this zone's. A wildcard of another account holds the names it covers."""
        holder = self._session.get(HostRow, name)
        if holder is None:
            self._check_wildcard(zone, name)
            self._session.add(HostRow(name=name, zone_id=zone.id))
            self._session.flush()
            self._touch_regional(name)
        elif holder.zone_id != zone.id:
            raise Conflict(
                f"{name} is already served by another zone.", pointer="/name", code=_NAME_TAKEN
            )

    def _check_wildcard(self, zone: ZoneRow, name: str) -> None:
        foreign = self._session.scalar(
            select(HostRow.name)
            .join(ZoneRow, ZoneRow.id == HostRow.zone_id)
            .where(HostRow.name == wildcard_over(name), ZoneRow.account_id != zone.account_id)
        )
        if foreign is not None:
            raise Conflict(
                f"{name} is covered by {foreign} of another account.",
                pointer="/name",
                code=_NAME_TAKEN,
            )

    def _release(self, name: str | None) -> None:
        """Gives the name back once no proxied record has it."""
        if name is None:
            return
        used = exists().where(RecordRow.proxied_name == name)
        released = self._session.scalars(
            delete(HostRow).where(HostRow.name == name, ~used).returning(HostRow.name)
        ).all()
        if released:
            self._session.expire_all()
            self._touch_regional(name)

    def _touch_regional(self, name: str) -> None:
        """Zones in which the name is regional are served otherwise when it comes to a zone or goes."""
        self._transaction.journal.touched_zones(
            self._session.scalars(
                select(RegionalHostnameRow.zone_id).where(RegionalHostnameRow.hostname == name)
            )
        )

    def _fill(self, row: RecordRow, draft: RecordDraft) -> None:
        now = self._transaction.now
        if draft.comment != row.comment:
            row.comment_modified_on = now
        if [*draft.tags] != (row.tags or []):
            row.tags_modified_on = now
        row.type, row.name, row.content = draft.type, draft.name, draft.content
        row.ttl, row.priority = draft.ttl, draft.priority
        row.proxied_name = draft.name if draft.proxied else None
        row.comment, row.tags = draft.comment, [*draft.tags]
        details = draft.details
        row.origin_port, row.origin_scheme = details.port, details.scheme
        row.origin_sni, row.origin_host = details.sni, details.host
        row.origin_http2, row.origin_verify = details.http2, details.verify
        row.ipv4_only, row.ipv6_only = details.ipv4_only, details.ipv6_only
        row.modified_on = now

    def _finish(self, row: RecordRow, zone: ZoneRow) -> Record:
        self._session.flush()
        self._touched(row.id, zone.id)
        return _record(row, zone.name)

    def _touched(self, record_id: RecordId, zone_id: ZoneId) -> None:
        self._transaction.journal.touched(ChangeKind.RECORD, record_id, zone_id)


@contextmanager
def _pointing_at(item: str) -> Iterator[None]:
    try:
        yield
    except EgresswayError as error:
        raise type(error)(
            error.text, pointer=item + (error.pointer or ""), code=error.code
        ) from error


def _conditions(where: RecordFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if where.name is not None:
        conditions.append(text_condition(RecordRow.name, where.name, is_lower=True))
    if where.type is not None:
        conditions.append(RecordRow.type == where.type)
    if where.content is not None:
        conditions.append(text_condition(RecordRow.content, where.content))
    if where.comment is not None:
        conditions.append(text_condition(RecordRow.comment, where.comment))
    if where.proxied is not None:
        is_proxied = RecordRow.proxied_name.is_not(None)
        conditions.append(is_proxied if where.proxied else ~is_proxied)
    return conditions


def _search(text: str) -> ColumnElement[bool]:
    wanted = TextFilter(TextMatch.CONTAINS, text)
    columns = (RecordRow.name, RecordRow.content, RecordRow.comment)
    return or_(*(text_condition(column, wanted) for column in columns))


def _record(row: RecordRow, zone_name: str) -> Record:
    return Record(
        id=row.id,
        zone_id=row.zone_id,
        zone_name=Hostname(zone_name),
        type=row.type,
        name=Hostname(row.name),
        content=row.content,
        ttl=row.ttl,
        proxied=row.proxied_name is not None,
        priority=row.priority,
        comment=row.comment,
        tags=tuple(row.tags),
        details=_details(row),
        created_on=row.created_on,
        modified_on=row.modified_on,
        comment_modified_on=row.comment_modified_on,
        tags_modified_on=row.tags_modified_on,
    )


def _details(row: RecordRow) -> OriginDetails:
    return OriginDetails(
        port=row.origin_port,
        scheme=row.origin_scheme,
        sni=None if row.origin_sni is None else Hostname(row.origin_sni),
        host=None if row.origin_host is None else Hostname(row.origin_host),
        http2=row.origin_http2,
        verify=row.origin_verify,
        ipv4_only=row.ipv4_only,
        ipv6_only=row.ipv6_only,
    )
