"""Of all paths: a zone is an account's domain with its records and settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from egressway.model.errors import Invalid
from egressway.model.hostname import Hostname, parse_hostname
from egressway.model.ids import AccountId, ZoneId
from egressway.model.members import as_bool, as_choice, as_object, as_text, refuse_unknown
from egressway.model.paging import TextFilter

__all__ = ["Zone", "ZoneChange", "ZoneDraft", "ZoneFilter", "ZoneStatus", "ZoneType"]

_READ_ONLY = frozenset({"id", "status", "created_on", "modified_on", "activated_on", "jump_start"})


class ZoneStatus(StrEnum):
    """How far the zone has come; zones are active as soon as they are created."""

    INITIALIZING = "initializing"
    PENDING = "pending"
    ACTIVE = "active"
    MOVED = "moved"


class ZoneType(StrEnum):
    """Who answers the zone's DNS."""

    FULL = "full"
    PARTIAL = "partial"
    SECONDARY = "secondary"
    INTERNAL = "internal"


@dataclass(frozen=True, slots=True)
class Zone:
    """A domain. While `is_paused`, the data plane does not serve it."""

    id: ZoneId
    account_id: AccountId
    account_name: str
    name: Hostname
    type: ZoneType
    status: ZoneStatus
    is_paused: bool
    created_on: datetime
    modified_on: datetime
    activated_on: datetime | None


@dataclass(frozen=True, slots=True)
class ZoneDraft:
    """A new zone, checked."""

    account_id: AccountId
    name: Hostname
    type: ZoneType = ZoneType.FULL

    @classmethod
    def parse(cls, body: Mapping[str, object]) -> ZoneDraft:
        """From the body of a request: `account.id`, `name`, optional `type`."""
        refuse_unknown(body, _READ_ONLY | {"account", "name", "type"})
        account = as_object(body.get("account"), "/account")
        name = parse_hostname(body.get("name"), "/name")
        if "." not in name:
            raise Invalid("A zone's name has at least two labels.", pointer="/name")
        return cls(
            account_id=AccountId(as_text(account.get("id"), "/account/id", limit=32)),
            name=name,
            type=_parse_type(body.get("type")) or ZoneType.FULL,
        )


@dataclass(frozen=True, slots=True)
class ZoneChange:
    """What to change of a zone; None leaves a field as it is."""

    is_paused: bool | None = None
    type: ZoneType | None = None

    @classmethod
    def parse(cls, body: Mapping[str, object]) -> ZoneChange:
        """From the body of a request: `paused`, `type`."""
        refuse_unknown(body, ("paused", "type"))
        paused = body.get("paused")
        return cls(
            is_paused=None if paused is None else as_bool(paused, "/paused"),
            type=_parse_type(body.get("type")),
        )


@dataclass(frozen=True, slots=True)
class ZoneFilter:
    """Which zones a list shows. `match_any`: one of the given conditions is enough."""

    name: TextFilter | None = None
    account_id: AccountId | None = None
    account_name: TextFilter | None = None
    status: ZoneStatus | None = None
    type: ZoneType | None = None
    match_any: bool = False


def _parse_type(value: object) -> ZoneType | None:
    return None if value is None else as_choice(ZoneType, value, "/type")
