"""`/zones`: an account's domains.

CONFIG 1 of 5. Fields that only make sense at a DNS provider are answered with their neutral value,
because clients of the API require them.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from litestar import delete, get, patch, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromQuery, QueryParameter
from msgspec import UNSET, Meta, Struct, UnsetType

from egressway.api.access import in_zone, require, somewhere
from egressway.api.envelope import Answer, Deleted, ResultPage, Timestamp, answer
from egressway.api.paging import DirectionName, PageNumber, PageSize, page_of, paging
from egressway.api.parameters import GivenCaller, GivenStore, GivenZone, JsonBody
from egressway.model.clock import rfc3339
from egressway.model.ids import AccountId
from egressway.model.paging import TextFilter
from egressway.model.permission import Permission
from egressway.model.zone import ZoneChange, ZoneDraft, ZoneFilter, ZoneStatus, ZoneType

__all__ = ["HANDLERS"]

TypeName = Literal["full", "partial", "secondary", "internal"]
Order = Literal["name", "status", "account.id", "account.name", "plan.id"]
StatusName = Literal["initializing", "pending", "active", "moved"]


class ZoneAccount(Struct, frozen=True):
    """Whose zone it is."""

    id: str
    name: str


class ZoneAccountReference(Struct, frozen=True, forbid_unknown_fields=True):
    """Whose zone it shall be."""

    id: str


class ZoneMeta(Struct, frozen=True):
    """Always empty; clients of the API expect the object."""


class ZoneOwner(Struct, frozen=True):
    """The account again, under its older name."""

    id: str
    name: str
    type: Literal["organization"] = "organization"


class ZonePlan(Struct, frozen=True):
    """There is one plan."""

    id: str = "egressway"
    name: str = "Egressway"
    is_subscribed: bool = True


class Zone(Struct, frozen=True):
    """A domain."""

    id: str
    name: str
    account: ZoneAccount
    status: StatusName
    type: TypeName
    paused: bool
    owner: ZoneOwner
    created_on: Timestamp
    modified_on: Timestamp
    activated_on: Timestamp | None
    plan: ZonePlan = ZonePlan()
    meta: ZoneMeta = ZoneMeta()
    development_mode: int = 0
    name_servers: tuple[str, ...] = ()


class ZoneCreate(Struct, frozen=True, forbid_unknown_fields=True):
    """A new zone; its name must not be another zone's."""

    account: ZoneAccountReference
    name: Annotated[str, Meta(examples=["example.com"])]
    type: TypeName = "full"


class ZoneEdit(Struct, frozen=True, forbid_unknown_fields=True):
    """What to change of a zone; a paused one is not served."""

    paused: bool | UnsetType = UNSET
    type: TypeName | UnsetType = UNSET


@get(
    "/zones",
    operation_id="zones.list",
    tags=["zones"],
    opt=somewhere(Permission.ZONE_READ),
    sync_to_thread=True,
)
def list_zones(
    store: GivenStore,
    caller: GivenCaller,
    account_id: Annotated[str | None, QueryParameter(name="account.id")] = None,
    account_name: Annotated[str | None, QueryParameter(name="account.name")] = None,
    name: Annotated[
        str | None,
        QueryParameter(description="A name, or `<operator>:<text>`, e.g. `contains:shop`"),
    ] = None,
    status: FromQuery[StatusName | None] = None,
    type: FromQuery[TypeName | None] = None,
    match: FromQuery[Literal["any", "all"]] = "all",
    page: PageNumber = 1,
    per_page: PageSize = 20,
    order: FromQuery[Order | None] = None,
    direction: DirectionName = "asc",
) -> ResultPage[Zone]:
    """The zones that the token may see."""
    wanted = ZoneFilter(
        name=None if name is None else TextFilter.parse(name),
        account_id=None if account_id is None else AccountId(account_id),
        account_name=None if account_name is None else TextFilter.parse(account_name),
        status=None if status is None else ZoneStatus(status),
        type=None if type is None else ZoneType(type),
        match_any=match == "any",
    )
    part = paging(page, per_page, order, direction)
    with store.read() as read:
        zones, total = read.zones.list(part, wanted, principal=caller)
    return page_of(zones, total, part, _shown)


@post(
    "/zones",
    operation_id="zones.create",
    tags=["zones"],
    opt=somewhere(Permission.ZONE_WRITE),
    status_code=200,
    sync_to_thread=True,
)
def create_zone(store: GivenStore, caller: GivenCaller, data: JsonBody[ZoneCreate]) -> Answer[Zone]:
    """Adds a zone to an account."""
    draft = ZoneDraft.parse(data.members)
    require(caller, Permission.ZONE_WRITE, draft.account_id, pointer="/account/id")
    with store.write(caller.actor) as write:
        zone = write.zones.create(draft)
    return answer(_shown(zone))


@get(
    "/zones/{zone_id:str}",
    operation_id="zones.get",
    tags=["zones"],
    opt=in_zone(Permission.ZONE_READ),
    sync_to_thread=False,
)
def get_zone(zone: GivenZone) -> Answer[Zone]:
    """One zone."""
    return answer(_shown(zone))


@patch(
    "/zones/{zone_id:str}",
    operation_id="zones.edit",
    tags=["zones"],
    opt=in_zone(Permission.ZONE_WRITE),
    sync_to_thread=True,
)
def edit_zone(
    store: GivenStore, caller: GivenCaller, zone: GivenZone, data: JsonBody[ZoneEdit]
) -> Answer[Zone]:
    """Pauses a zone or serves it again."""
    change = ZoneChange.parse(data.members)
    with store.write(caller.actor) as write:
        changed = write.zones.edit(zone.id, change)
    return answer(_shown(changed))


@delete(
    "/zones/{zone_id:str}",
    operation_id="zones.delete",
    tags=["zones"],
    opt=in_zone(Permission.ZONE_WRITE),
    status_code=200,
    sync_to_thread=True,
)
def delete_zone(store: GivenStore, caller: GivenCaller, zone: GivenZone) -> Answer[Deleted]:
    """Removes a zone with its records, certificates and settings."""
    with store.write(caller.actor) as write:
        write.zones.delete(zone.id)
    return answer(Deleted(zone.id))


HANDLERS: Final[list[HTTPRouteHandler]] = [
    list_zones,
    create_zone,
    get_zone,
    edit_zone,
    delete_zone,
]


def _shown(zone: GivenZone) -> Zone:
    account_id, account_name = zone.account_id, zone.account_name
    return Zone(
        id=zone.id,
        name=zone.name,
        account=ZoneAccount(account_id, account_name),
        owner=ZoneOwner(account_id, account_name),
        status=zone.status.value,
        type=zone.type.value,
        paused=zone.is_paused,
        created_on=rfc3339(zone.created_on),
        modified_on=rfc3339(zone.modified_on),
        activated_on=None if zone.activated_on is None else rfc3339(zone.activated_on),
    )
