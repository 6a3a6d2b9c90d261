"""`/zones/{zone_id}/dns_records/batch`: several changes as one.

CONFIG 1 of 5. All of them happen or none, and the data plane sees them at once.
"""

from __future__ import annotations

from typing import Final

from litestar import post
from litestar.handlers import HTTPRouteHandler
from msgspec import UNSET, Struct, UnsetType

from egressway.api.access import in_zone
from egressway.api.envelope import Answer, answer
from egressway.api.parameters import GivenCaller, GivenStore, GivenZone, JsonBody
from egressway.api.rest.dns_record_shapes import DnsRecord, DnsRecordBody, DnsRecordEdit, shown
from egressway.model.permission import Permission
from egressway.model.record import RecordBatch

__all__ = ["HANDLERS"]


class DnsRecordReference(Struct, frozen=True, forbid_unknown_fields=True):
    """Which record to delete."""

    id: str


class DnsRecordPatch(DnsRecordEdit, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which record to change, and how."""

    id: str


class DnsRecordPut(DnsRecordBody, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which record to replace, and with what."""

    id: str


class DnsRecordBatch(Struct, frozen=True, forbid_unknown_fields=True):
    """Carried out in this order."""

    deletes: list[DnsRecordReference] | UnsetType = UNSET
    patches: list[DnsRecordPatch] | UnsetType = UNSET
    puts: list[DnsRecordPut] | UnsetType = UNSET
    posts: list[DnsRecordBody] | UnsetType = UNSET


class DnsRecordBatchResult(Struct, frozen=True):
    """The records as they were deleted, or as they are now."""

    deletes: list[DnsRecord]
    patches: list[DnsRecord]
    puts: list[DnsRecord]
    posts: list[DnsRecord]


@post(
    "/zones/{zone_id:str}/dns_records/batch",
    operation_id="dnsRecords.batch",
    tags=["dns records"],
    opt=in_zone(Permission.DNS_WRITE),
    status_code=200,
    sync_to_thread=True,
)
def batch_records(
    store: GivenStore, caller: GivenCaller, zone: GivenZone, data: JsonBody[DnsRecordBatch]
) -> Answer[DnsRecordBatchResult]:
    """Deletes, changes, replaces and adds records in one transaction."""
    batch = RecordBatch.parse(data.members)
    with store.write(caller.actor) as write:
        done = write.records.batch(zone.id, batch)
    return answer(
        DnsRecordBatchResult(
            deletes=list(map(shown, done.deletes)),
            patches=list(map(shown, done.patches)),
            puts=list(map(shown, done.puts)),
            posts=list(map(shown, done.posts)),
        )
    )


HANDLERS: Final[list[HTTPRouteHandler]] = [batch_records]
