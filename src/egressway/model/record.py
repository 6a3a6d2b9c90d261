"""Of all paths: DNS records. An A or AAAA record with `proxied` is an origin; the others are only kept.

A record's TTL is 1 (automatic) or 60 to 86400 seconds, from 30 for enterprise accounts; what is proxied
has always 1, since clients are answered with our addresses.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address

from egressway.model.address import IPAddress, parse_address
from egressway.model.errors import Invalid
from egressway.model.hostname import Hostname, is_within, parse_hostname
from egressway.model.ids import RecordId, ZoneId
from egressway.model.members import (
    as_bool,
    as_choice,
    as_int,
    as_list,
    as_object,
    as_text,
    refuse_unknown,
)
from egressway.model.origin import OriginDetails
from egressway.model.paging import TextFilter

__all__ = [
    "AUTOMATIC_TTL",
    "Record",
    "RecordBatch",
    "RecordDraft",
    "RecordFilter",
    "RecordType",
    "RecordsChanged",
]

AUTOMATIC_TTL = 1
_APEX = "@"
_ALL_BELOW = "*"
_NOTHING_SAID = OriginDetails()


class RecordType(StrEnum):
    """The kinds of record we keep."""

    A = "A"
    AAAA = "AAAA"
    CNAME = "CNAME"
    MX = "MX"
    NS = "NS"
    PTR = "PTR"
    TXT = "TXT"

    @property
    def is_address(self) -> bool:
        """Whether the content is an address, so that the record can be an origin."""
        return self in (RecordType.A, RecordType.AAAA)


@dataclass(frozen=True, slots=True)
class RecordDraft:
    """What a caller says about a record. `name` may still be relative to the zone."""

    type: RecordType
    name: str
    content: str
    ttl: int = AUTOMATIC_TTL
    proxied: bool = False
    priority: int | None = None
    comment: str | None = None
    tags: tuple[str, ...] = ()
    details: OriginDetails = _NOTHING_SAID

    @property
    def address(self) -> IPAddress:
        """The content of an A or AAAA record."""
        return parse_address(self.content, "/content")

    @classmethod
    def parse(cls, body: Mapping[str, object]) -> RecordDraft:
        """From the body of a request; members that we issue ourselves are ignored."""
        refuse_unknown(body, _MEMBERS | _READ_ONLY)
        kind = as_choice(RecordType, body.get("type"), "/type")
        proxied = _optional_bool(body.get("proxied"), "/proxied")
        if proxied and not kind.is_address:
            raise Invalid(
                f"Only A and AAAA records can be proxied, not {kind}.", pointer="/proxied"
            )
        return cls(
            type=kind,
            name=_parse_name(body.get("name")),
            content=_parse_content(kind, body.get("content")),
            ttl=AUTOMATIC_TTL if proxied else _parse_ttl(body.get("ttl", AUTOMATIC_TTL)),
            proxied=proxied,
            priority=_parse_priority(kind, body.get("priority")),
            comment=_parse_comment(body.get("comment")),
            tags=_parse_tags(body.get("tags")),
            details=_parse_details(kind, body.get("settings")),
        )

    def within(self, zone_name: str) -> RecordDraft:
        """The same with its whole name: `@` is the zone, `www` and `*` are below it."""
        if self.name == _APEX:
            return replace(self, name=zone_name)
        if is_within(self.name, zone_name):
            return self
        name = parse_hostname(f"{self.name}.{zone_name}", "/name", wildcard=True)
        return replace(self, name=name)

    def members(self) -> dict[str, object]:
        """As a caller would write them; `parse` of it is the same draft."""
        return {
            "type": self.type.value,
            "name": self.name,
            "content": self.content,
            "ttl": self.ttl,
            "proxied": self.proxied,
            "priority": self.priority,
            "comment": self.comment,
            "tags": list(self.tags),
            "settings": self.details.members(),
        }

    def changed(self, members: Mapping[str, object]) -> RecordDraft:
        """With these members of a PATCH in place of the stored ones; `settings` member by member."""
        merged = self.members() | dict(members)
        if isinstance(members.get("settings"), Mapping):
            merged["settings"] = self.details.members() | dict(
                as_object(members["settings"], "/settings")
            )
        return RecordDraft.parse(merged)


@dataclass(frozen=True, slots=True)
class Record:
    """A stored record; `name` is whole."""

    id: RecordId
    zone_id: ZoneId
    zone_name: Hostname
    type: RecordType
    name: Hostname
    content: str
    ttl: int
    proxied: bool
    priority: int | None
    comment: str | None
    tags: tuple[str, ...]
    details: OriginDetails
    created_on: datetime
    modified_on: datetime
    comment_modified_on: datetime | None
    tags_modified_on: datetime | None

    @property
    def proxiable(self) -> bool:
        """Whether `proxied` may be switched on."""
        return self.type.is_address

    @property
    def draft(self) -> RecordDraft:
        """What a caller would say to get this record."""
        return RecordDraft(
            type=self.type,
            name=self.name,
            content=self.content,
            ttl=self.ttl,
            proxied=self.proxied,
            priority=self.priority,
            comment=self.comment,
            tags=self.tags,
            details=self.details,
        )


@dataclass(frozen=True, slots=True)
class RecordFilter:
    """Which records a list shows. `match_any`: one of the given conditions is enough.

    `search` is looked for in name, content and comment, whatever the other conditions.
    """

    name: TextFilter | None = None
    type: RecordType | None = None
    content: TextFilter | None = None
    proxied: bool | None = None
    comment: TextFilter | None = None
    search: str | None = None
    match_any: bool = False


@dataclass(frozen=True, slots=True)
class RecordBatch:
    """Several changes as one: all of them happen or none. Carried out in the order of the fields."""

    deletes: Sequence[RecordId] = ()
    patches: Sequence[tuple[RecordId, Mapping[str, object]]] = ()
    puts: Sequence[tuple[RecordId, RecordDraft]] = ()
    posts: Sequence[RecordDraft] = ()

    @classmethod
    def parse(cls, body: Mapping[str, object]) -> RecordBatch:
        """From the body of a request: `deletes`, `patches`, `puts`, `posts`."""
        refuse_unknown(body, ("deletes", "patches", "puts", "posts"))
        return cls(
            deletes=[_parse_id(item, at) for at, item in _items(body, "deletes")],
            patches=[
                (_parse_id(item, at), {k: v for k, v in item.items() if k != "id"})
                for at, item in _items(body, "patches")
            ],
            puts=[(_parse_id(item, at), _draft(item, at)) for at, item in _items(body, "puts")],
            posts=[_draft(item, at) for at, item in _items(body, "posts")],
        )


@dataclass(frozen=True, slots=True)
class RecordsChanged:
    """What a batch has done: the records as they were deleted, or as they are now."""

    deletes: list[Record] = field(default_factory=list)
    patches: list[Record] = field(default_factory=list)
    puts: list[Record] = field(default_factory=list)
    posts: list[Record] = field(default_factory=list)


_MEMBERS = frozenset(
    {"type", "name", "content", "ttl", "proxied", "priority", "comment", "tags", "settings"}
)
_READ_ONLY = frozenset(
    {
        "id",
        "zone_id",
        "zone_name",
        "created_on",
        "modified_on",
        "comment_modified_on",
        "tags_modified_on",
        "meta",
        "proxiable",
        "locked",
    }
)


def _parse_name(value: object) -> str:
    if value in (_APEX, _ALL_BELOW):
        return str(value)
    return parse_hostname(value, "/name", wildcard=True, relative=True)


def _parse_content(kind: RecordType, value: object) -> str:
    if kind.is_address:
        address = parse_address(value, "/content")
        wanted = IPv4Address if kind is RecordType.A else IPv6Address
        if not isinstance(address, wanted):
            family = "IPv4" if kind is RecordType.A else "IPv6"
            raise Invalid(f"{kind} records hold {family} addresses.", pointer="/content")
        return str(address)
    if kind is RecordType.TXT:
        return as_text(value, "/content", limit=2048)
    return parse_hostname(value, "/content")


def _parse_ttl(value: object) -> int:
    if value is None:
        return AUTOMATIC_TTL
    ttl = as_int(value, "/ttl", AUTOMATIC_TTL, 86400)
    if AUTOMATIC_TTL < ttl < 30:
        raise Invalid("ttl must be 1 (automatic) or 60 to 86400.", pointer="/ttl")
    return ttl


def _parse_priority(kind: RecordType, value: object) -> int | None:
    if value is None:
        if kind is RecordType.MX:
            raise Invalid("MX records need a priority.", pointer="/priority")
        return None
    return as_int(value, "/priority", 0, 65535)


def _parse_comment(value: object) -> str | None:
    return None if value is None else as_text(value, "/comment", limit=500, least=0) or None


def _parse_tags(value: object) -> tuple[str, ...]:
    if value is None:
        return ()
    tags = as_list(value, "/tags", limit=20)
    return tuple(as_text(tag, f"/tags/{i}", limit=100) for i, tag in enumerate(tags))


def _parse_details(kind: RecordType, value: object) -> OriginDetails:
    if value is None:
        return _NOTHING_SAID
    details = OriginDetails.parse(as_object(value, "/settings"))
    if not kind.is_address and not details.is_default:
        raise Invalid(f"{kind} records have no origin to describe.", pointer="/settings")
    return details


def _optional_bool(value: object, pointer: str) -> bool:
    return False if value is None else as_bool(value, pointer)


def _items(body: Mapping[str, object], name: str) -> list[tuple[str, Mapping[str, object]]]:
    items = as_list(body.get(name) or [], f"/{name}", limit=1000)
    return [(f"/{name}/{i}", as_object(item, f"/{name}/{i}")) for i, item in enumerate(items)]


def _parse_id(item: Mapping[str, object], at: str) -> RecordId:
    return RecordId(as_text(item.get("id"), f"{at}/id", limit=32))


def _draft(item: Mapping[str, object], at: str) -> RecordDraft:
    try:
        return RecordDraft.parse(item)
    except Invalid as error:
        raise error.below(at) from None
