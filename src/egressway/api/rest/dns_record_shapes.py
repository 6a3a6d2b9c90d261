"""What DNS records look like in bodies and answers.

CONFIG 1 of 5. The bodies document what `model.record` parses.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, TypeVar

from msgspec import UNSET, Meta, Struct, UnsetType

from egressway.api.envelope import Timestamp
from egressway.model.clock import rfc3339
from egressway.model.origin import OriginDetails
from egressway.model.record import Record

__all__ = [
    "DnsRecord",
    "DnsRecordBody",
    "DnsRecordEdit",
    "DnsRecordMeta",
    "DnsRecordSettings",
    "TypeName",
    "shown",
]

T = TypeVar("T")

TypeName = Literal["A", "AAAA", "CNAME", "MX", "NS", "PTR", "TXT"]
SchemeName = Literal["http", "https", "h2c"]
VerifyName = Literal["off", "full", "strict"]


class DnsRecordSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """How to speak to the origin; what is absent follows the zone's settings."""

    origin_port: Annotated[int, Meta(ge=1, le=65535)] | UnsetType = UNSET
    origin_scheme: SchemeName | UnsetType = UNSET
    origin_sni: Annotated[str, Meta(description="Server name in TLS")] | UnsetType = UNSET
    origin_host: Annotated[str, Meta(description="Host sent to the origin")] | UnsetType = UNSET
    origin_http2: bool | UnsetType = UNSET
    origin_verify: VerifyName | UnsetType = UNSET
    ipv4_only: bool | UnsetType = UNSET
    ipv6_only: bool | UnsetType = UNSET


class DnsRecordMeta(Struct, frozen=True):
    """Always empty; clients of the API expect the object."""


class DnsRecord(Struct, frozen=True):
    """A stored record; `name` is whole."""

    id: str
    zone_id: str
    zone_name: str
    name: str
    type: TypeName
    content: str
    ttl: int
    proxied: bool
    proxiable: bool
    settings: DnsRecordSettings
    meta: DnsRecordMeta
    comment: str | None
    tags: list[str]
    created_on: Timestamp
    modified_on: Timestamp
    priority: int | UnsetType = UNSET
    comment_modified_on: Timestamp | UnsetType = UNSET
    tags_modified_on: Timestamp | UnsetType = UNSET


class DnsRecordBody(Struct, frozen=True, forbid_unknown_fields=True):
    """A record as a caller says it; also the whole replacement of one."""

    name: Annotated[str, Meta(description="Whole, relative to the zone, or `@`")]
    type: TypeName
    content: str
    ttl: Annotated[int, Meta(description="1 (automatic) or 60 to 86400 seconds")] = 1
    proxied: bool = False
    priority: int | UnsetType = UNSET
    comment: str | UnsetType | None = UNSET
    tags: list[str] | UnsetType = UNSET
    settings: DnsRecordSettings | UnsetType = UNSET


class DnsRecordEdit(Struct, frozen=True, forbid_unknown_fields=True):
    """What to change of a record; `settings` is changed member by member, null takes one away."""

    name: str | UnsetType = UNSET
    type: TypeName | UnsetType = UNSET
    content: str | UnsetType = UNSET
    ttl: int | UnsetType = UNSET
    proxied: bool | UnsetType = UNSET
    priority: int | UnsetType = UNSET
    comment: str | UnsetType | None = UNSET
    tags: list[str] | UnsetType = UNSET
    settings: DnsRecordSettings | UnsetType = UNSET


def shown(record: Record) -> DnsRecord:
    """A record as answers carry it."""
    return DnsRecord(
        id=record.id,
        zone_id=record.zone_id,
        zone_name=record.zone_name,
        name=record.name,
        type=record.type.value,
        content=record.content,
        ttl=record.ttl,
        proxied=record.proxied,
        proxiable=record.proxiable,
        settings=_shown_details(record.details),
        meta=DnsRecordMeta(),
        comment=record.comment,
        tags=list(record.tags),
        created_on=rfc3339(record.created_on),
        modified_on=rfc3339(record.modified_on),
        priority=UNSET if record.priority is None else record.priority,
        comment_modified_on=_optional(record.comment_modified_on),
        tags_modified_on=_optional(record.tags_modified_on),
    )


def _shown_details(details: OriginDetails) -> DnsRecordSettings:
    return DnsRecordSettings(
        origin_port=_given(details.port),
        origin_scheme=UNSET if details.scheme is None else details.scheme.value,
        origin_sni=_given(details.sni),
        origin_host=_given(details.host),
        origin_http2=_given(details.http2),
        origin_verify=UNSET if details.verify is None else details.verify.value,
        ipv4_only=_given(details.ipv4_only),
        ipv6_only=_given(details.ipv6_only),
    )


def _given(value: T | None) -> T | UnsetType:
    return UNSET if value is None else value


def _optional(moment: datetime | None) -> str | UnsetType:
    return UNSET if moment is None else rfc3339(moment)
