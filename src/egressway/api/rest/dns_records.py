"""`/zones/{zone_id}/dns_records`: a proxied A or AAAA record is an origin.

CONFIG 1 of 5. Port, scheme and TLS towards the origin are fields of our own in `settings`, beside
`ipv4_only` and `ipv6_only`.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from litestar import delete, get, patch, post, put
from litestar.di import Provide
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromQuery, QueryParameter

from egressway.api.access import in_zone
from egressway.api.envelope import Answer, Deleted, ResultPage, answer
from egressway.api.paging import DirectionName, PageNumber, PageSize, page_of, paging
from egressway.api.parameters import Given, GivenCaller, GivenStore, GivenZone, JsonBody, PathId
from egressway.api.rest.dns_record_shapes import (
    DnsRecord,
    DnsRecordBody,
    DnsRecordEdit,
    TypeName,
    shown,
)
from egressway.model.ids import RecordId
from egressway.model.paging import TextFilter, TextMatch
from egressway.model.permission import Permission
from egressway.model.record import RecordDraft, RecordFilter, RecordType

__all__ = ["HANDLERS"]

_PATH: Final = "/zones/{zone_id:str}/dns_records"
_OBJECT: Final = f"{_PATH}/{{dns_record_id:str}}"
Order = Literal["type", "name", "content", "ttl", "proxied"]


def _query(name: str) -> QueryParameter:
    return QueryParameter(name=name, description="Ignores case")


def provide_filter(
    name: FromQuery[str | None] = None,
    name_exact: Annotated[str | None, _query("name.exact")] = None,
    name_contains: Annotated[str | None, _query("name.contains")] = None,
    name_starts: Annotated[str | None, _query("name.startswith")] = None,
    name_ends: Annotated[str | None, _query("name.endswith")] = None,
    content: FromQuery[str | None] = None,
    content_exact: Annotated[str | None, _query("content.exact")] = None,
    content_contains: Annotated[str | None, _query("content.contains")] = None,
    content_starts: Annotated[str | None, _query("content.startswith")] = None,
    content_ends: Annotated[str | None, _query("content.endswith")] = None,
    comment_contains: Annotated[str | None, _query("comment.contains")] = None,
    type: FromQuery[TypeName | None] = None,
    proxied: FromQuery[bool | None] = None,
    search: Annotated[str | None, QueryParameter(description="In name, content or comment")] = None,
    match: FromQuery[Literal["any", "all"]] = "all",
) -> RecordFilter:
    """Which records a list shall show."""
    return RecordFilter(
        name=_text(name or name_exact, name_contains, name_starts, name_ends),
        content=_text(content or content_exact, content_contains, content_starts, content_ends),
        comment=_text(None, comment_contains),
        type=None if type is None else RecordType(type),
        proxied=proxied,
        search=search,
        match_any=match == "any",
    )


@get(
    _PATH,
    operation_id="dnsRecords.list",
    tags=["dns records"],
    opt=in_zone(Permission.DNS_READ),
    dependencies={"wanted": Provide(provide_filter, sync_to_thread=False)},
    sync_to_thread=True,
)
def list_records(
    store: GivenStore,
    zone: GivenZone,
    wanted: Given[RecordFilter],
    page: PageNumber = 1,
    per_page: PageSize = 100,
    order: FromQuery[Order | None] = None,
    direction: DirectionName = "asc",
) -> ResultPage[DnsRecord]:
    """The zone's records."""
    part = paging(page, per_page, order, direction)
    with store.read() as read:
        records, total = read.records.list(zone.id, part, wanted)
    return page_of(records, total, part, shown)


@post(
    _PATH,
    operation_id="dnsRecords.create",
    tags=["dns records"],
    opt=in_zone(Permission.DNS_WRITE),
    status_code=200,
    sync_to_thread=True,
)
def create_record(
    store: GivenStore, caller: GivenCaller, zone: GivenZone, data: JsonBody[DnsRecordBody]
) -> Answer[DnsRecord]:
    """Adds a record."""
    draft = RecordDraft.parse(data.members)
    with store.write(caller.actor) as write:
        record = write.records.create(zone.id, draft)
    return answer(shown(record))


@get(
    _OBJECT,
    operation_id="dnsRecords.get",
    tags=["dns records"],
    opt=in_zone(Permission.DNS_READ),
    sync_to_thread=True,
)
def get_record(store: GivenStore, zone: GivenZone, dns_record_id: PathId) -> Answer[DnsRecord]:
    """One record."""
    with store.read() as read:
        record = read.records.get(zone.id, RecordId(dns_record_id))
    return answer(shown(record))


@put(
    _OBJECT,
    operation_id="dnsRecords.update",
    tags=["dns records"],
    opt=in_zone(Permission.DNS_WRITE),
    sync_to_thread=True,
)
def update_record(
    store: GivenStore,
    caller: GivenCaller,
    zone: GivenZone,
    dns_record_id: PathId,
    data: JsonBody[DnsRecordBody],
) -> Answer[DnsRecord]:
    """Replaces a record; what is not said goes back to its default."""
    draft = RecordDraft.parse(data.members)
    with store.write(caller.actor) as write:
        record = write.records.replace(zone.id, RecordId(dns_record_id), draft)
    return answer(shown(record))


@patch(
    _OBJECT,
    operation_id="dnsRecords.edit",
    tags=["dns records"],
    opt=in_zone(Permission.DNS_WRITE),
    sync_to_thread=True,
)
def edit_record(
    store: GivenStore,
    caller: GivenCaller,
    zone: GivenZone,
    dns_record_id: PathId,
    data: JsonBody[DnsRecordEdit],
) -> Answer[DnsRecord]:
    """Changes what is said of a record."""
    with store.write(caller.actor) as write:
        record = write.records.patch(zone.id, RecordId(dns_record_id), data.members)
    return answer(shown(record))


@delete(
    _OBJECT,
    operation_id="dnsRecords.delete",
    tags=["dns records"],
    opt=in_zone(Permission.DNS_WRITE),
    status_code=200,
    sync_to_thread=True,
)
def delete_record(
    store: GivenStore, caller: GivenCaller, zone: GivenZone, dns_record_id: PathId
) -> Answer[Deleted]:
    """Removes a record."""
    with store.write(caller.actor) as write:
        write.records.delete(zone.id, RecordId(dns_record_id))
    return answer(Deleted(dns_record_id))


HANDLERS: Final[list[HTTPRouteHandler]] = [
    list_records,
    create_record,
    get_record,
    update_record,
    edit_record,
    delete_record,
]


def _text(
    exact: str | None,
    contains: str | None = None,
    starts: str | None = None,
    ends: str | None = None,
) -> TextFilter | None:
    """The first of the forms that was given."""
    forms = (
        (TextMatch.EQUAL, exact),
        (TextMatch.CONTAINS, contains),
        (TextMatch.STARTS_WITH, starts),
        (TextMatch.ENDS_WITH, ends),
    )
    return next((TextFilter(match, text) for match, text in forms if text is not None), None)
