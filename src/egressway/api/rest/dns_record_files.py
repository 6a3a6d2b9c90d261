"""`/zones/{zone_id}/dns_records/export` and `/import`: the zone's address records as a zone file.

CONFIG 1 of 5. An import happens whole or not at all. A zone file has no place for port, scheme and
TLS towards the origin, so imported records follow the zone's settings.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

import anyio.to_thread
from litestar import MediaType, Request, Response, get, post
from litestar.datastructures import UploadFile
from litestar.enums import RequestEncodingType
from litestar.handlers import HTTPRouteHandler
from litestar.params import Body as BodyParameter
from msgspec import Struct

from egressway.api.access import in_zone
from egressway.api.envelope import Answer, Failure, Message
from egressway.api.paging import every
from egressway.api.parameters import GivenCaller, GivenStore, GivenZone
from egressway.api.problems import MalformedBody, respond
from egressway.api.rest.zone_file import FileRecord, ZoneFile, read_zone_file, write_zone_file
from egressway.model.errors import Invalid
from egressway.model.permission import Permission
from egressway.model.record import Record, RecordBatch, RecordDraft

__all__ = ["HANDLERS"]

_PATH: Final = "/zones/{zone_id:str}/dns_records"
_MOST_RECORDS: Final = 5000


class DnsImportResult(Struct, frozen=True):
    """What an import has done."""

    recs_added: int
    total_records_parsed: int


def _refuse_bytes(request: Request[Any, Any, Any], _: UnicodeDecodeError) -> Response[Failure]:
    """The framework decodes parts without a filename itself, before the handler is asked."""
    return respond(request, MalformedBody("The form is not UTF-8 text."))


@get(
    f"{_PATH}/export",
    operation_id="dnsRecords.export",
    tags=["dns records"],
    opt=in_zone(Permission.DNS_READ),
    media_type=MediaType.TEXT,
    sync_to_thread=True,
)
def export_records(store: GivenStore, zone: GivenZone) -> Response[str]:
    """The zone's address records as a zone file."""
    with store.read() as read:
        records = every(lambda part: read.records.list(zone.id, part))
    lines = [_to_file(record) for record in records if record.type.is_address]
    return Response(write_zone_file(zone.name, lines), media_type=MediaType.TEXT)


@post(
    f"{_PATH}/import",
    operation_id="dnsRecords.import",
    tags=["dns records"],
    opt=in_zone(Permission.DNS_WRITE),
    status_code=200,
    exception_handlers={UnicodeDecodeError: _refuse_bytes},
)
async def import_records(
    store: GivenStore,
    caller: GivenCaller,
    zone: GivenZone,
    data: Annotated[dict[str, Any], BodyParameter(media_type=RequestEncodingType.MULTI_PART)],
) -> Answer[DnsImportResult]:
    """Adds the address records of the zone file in the part `file`."""
    text = await _text_of(data.get("file"))
    proxied = _flag_of(data.get("proxied"))
    return await anyio.to_thread.run_sync(_import, store, caller, zone, text, proxied)


HANDLERS: Final[list[HTTPRouteHandler]] = [export_records, import_records]


# --- out ---------------------------------------------------------------------------------------


def _to_file(record: Record) -> FileRecord:
    return FileRecord(record.name, record.type.value, record.content, record.ttl, record.proxied)


# --- in ----------------------------------------------------------------------------------------


def _import(
    store: GivenStore, caller: GivenCaller, zone: GivenZone, text: str, proxied: bool
) -> Answer[DnsImportResult]:
    file = read_zone_file(text, zone.name)
    if len(file.records) > _MOST_RECORDS:
        raise Invalid(f"A file has at most {_MOST_RECORDS} address records.", pointer="/file")
    drafts = [_draft(record, proxied) for record in file.records]
    with store.write(caller.actor) as write:
        try:
            added = write.records.batch(zone.id, RecordBatch(posts=drafts)).posts
        except Invalid as error:
            raise Invalid(error.text, pointer="/file", code=error.code) from None
    parsed = len(file.records) + file.others
    return Answer(DnsImportResult(len(added), parsed), messages=_remarks(file))


def _draft(record: FileRecord, proxied: bool) -> RecordDraft:
    members = {
        "name": record.name,
        "type": record.type,
        "content": record.content,
        "ttl": record.ttl,
        "proxied": proxied if record.proxied is None else record.proxied,
    }
    try:
        return RecordDraft.parse(members)
    except Invalid as error:
        text = f"Record `{record.name} {record.type} {record.content}`: {error.text}"
        raise Invalid(text, pointer="/file") from None


def _remarks(file: ZoneFile) -> list[Message]:
    if not file.others:
        return []
    return [Message(1200, f"{file.others} records of other types were left out.")]


async def _text_of(part: object) -> str:
    raw = await part.read() if isinstance(part, UploadFile) else part
    try:
        text = raw.decode() if isinstance(raw, bytes) else raw
    except UnicodeDecodeError:
        raise Invalid("The file is not UTF-8 text.", pointer="/file") from None
    if not isinstance(text, str) or not text.strip():
        raise Invalid("Send a zone file in the form part `file`.", pointer="/file")
    return text


def _flag_of(part: object) -> bool:
    if part not in (None, "true", "false", True, False):
        raise Invalid("proxied must be true or false.", pointer="/proxied")
    return part in ("true", True)
