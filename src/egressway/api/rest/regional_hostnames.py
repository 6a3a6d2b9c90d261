"""`/zones/{zone_id}/addressing/regional_hostnames`: names that are served in one region only.

CONFIG 1 of 5. The hostname is the identifier; the `*` of a wildcard may stand in the path as it is.
"""

from __future__ import annotations

from typing import Annotated, Final

from litestar import delete, get, patch, post
from litestar.handlers import HTTPRouteHandler
from msgspec import Meta, Struct

from egressway.api.access import in_account, in_zone
from egressway.api.envelope import Answer, ResultPage, Timestamp, answer, single_page
from egressway.api.parameters import GivenCaller, GivenStore, GivenZone, JsonBody, PathId
from egressway.model.clock import rfc3339
from egressway.model.errors import Invalid, NotFound
from egressway.model.hostname import Hostname, parse_hostname
from egressway.model.permission import Permission
from egressway.model.region import REGIONS
from egressway.model.regional_hostname import (
    DEFAULT_ROUTING,
    RegionalHostname,
    RegionalHostnameDraft,
    parse_regional_change,
)

__all__ = ["HANDLERS"]

_PATH: Final = "/zones/{zone_id:str}/addressing/regional_hostnames"
_OBJECT: Final = f"{_PATH}/{{hostname:str}}"
RegionKey = Annotated[str, Meta(description="Key of a region, as the list of regions has it")]


class RegionOfList(Struct, frozen=True):
    """A region that hostnames can be confined to."""

    key: str
    label: str


class RegionalHostnameShown(Struct, frozen=True):
    """A name that is served in one region only."""

    hostname: str
    region_key: str
    routing: str
    created_on: Timestamp


class RegionalHostnameCreate(Struct, frozen=True, forbid_unknown_fields=True):
    """A new regional hostname."""

    hostname: Annotated[str, Meta(description="A name of the zone, or a wildcard of one level")]
    region_key: RegionKey
    routing: str = DEFAULT_ROUTING


class RegionalHostnameEdit(Struct, frozen=True, forbid_unknown_fields=True):
    """What can be changed."""

    region_key: RegionKey


@get(
    "/accounts/{account_id:str}/addressing/regional_hostnames/regions",
    operation_id="addressing.regionalHostnames.regions.list",
    tags=["regional hostnames"],
    opt=in_account(Permission.DNS_READ),
    sync_to_thread=False,
)
def list_regions(account_id: PathId) -> ResultPage[RegionOfList]:  # noqa: ARG001 - the gate's
    """Every region there is; what lies in it is the operator's to say."""
    return single_page([RegionOfList(region.key, region.label) for region in REGIONS])


@get(
    _PATH,
    operation_id="addressing.regionalHostnames.list",
    tags=["regional hostnames"],
    opt=in_zone(Permission.DNS_READ),
    sync_to_thread=True,
)
def list_regional_hostnames(
    store: GivenStore, zone: GivenZone
) -> ResultPage[RegionalHostnameShown]:
    """The zone's regional hostnames, by name."""
    with store.read() as read:
        found = read.regional_hostnames.list(zone.id)
    return single_page([_shown(each) for each in found])


@post(
    _PATH,
    operation_id="addressing.regionalHostnames.create",
    tags=["regional hostnames"],
    opt=in_zone(Permission.DNS_WRITE),
    status_code=200,
    sync_to_thread=True,
)
def create_regional_hostname(
    store: GivenStore,
    caller: GivenCaller,
    zone: GivenZone,
    data: JsonBody[RegionalHostnameCreate],
) -> Answer[RegionalHostnameShown]:
    """Confines a name to a region: TLS ends there, and requests leave from there."""
    draft = RegionalHostnameDraft.parse(data.members)
    with store.write(caller.actor) as write:
        made = write.regional_hostnames.create(zone.id, draft)
    return answer(_shown(made))


@get(
    _OBJECT,
    operation_id="addressing.regionalHostnames.get",
    tags=["regional hostnames"],
    opt=in_zone(Permission.DNS_READ),
    sync_to_thread=True,
)
def get_regional_hostname(
    store: GivenStore, zone: GivenZone, hostname: PathId
) -> Answer[RegionalHostnameShown]:
    """One regional hostname."""
    with store.read() as read:
        found = read.regional_hostnames.get(zone.id, _named(hostname))
    return answer(_shown(found))


@patch(
    _OBJECT,
    operation_id="addressing.regionalHostnames.edit",
    tags=["regional hostnames"],
    opt=in_zone(Permission.DNS_WRITE),
    sync_to_thread=True,
)
def edit_regional_hostname(
    store: GivenStore,
    caller: GivenCaller,
    zone: GivenZone,
    hostname: PathId,
    data: JsonBody[RegionalHostnameEdit],
) -> Answer[RegionalHostnameShown]:
    """Another region."""
    region_key = parse_regional_change(data.members)
    with store.write(caller.actor) as write:
        changed = write.regional_hostnames.edit(zone.id, _named(hostname), region_key)
    return answer(_shown(changed))


@delete(
    _OBJECT,
    operation_id="addressing.regionalHostnames.delete",
    tags=["regional hostnames"],
    opt=in_zone(Permission.DNS_WRITE),
    status_code=200,
    sync_to_thread=True,
)
def delete_regional_hostname(
    store: GivenStore, caller: GivenCaller, zone: GivenZone, hostname: PathId
) -> Answer[None]:
    """The name is served everywhere again."""
    with store.write(caller.actor) as write:
        write.regional_hostnames.delete(zone.id, _named(hostname))
    return answer(None)


HANDLERS: Final[list[HTTPRouteHandler]] = [
    list_regions,
    list_regional_hostnames,
    create_regional_hostname,
    get_regional_hostname,
    edit_regional_hostname,
    delete_regional_hostname,
]


def _named(hostname: str) -> Hostname:
    """The name in the path, spelt as it is stored."""
    try:
        return parse_hostname(hostname, "", wildcard=True)
    except Invalid:
        raise NotFound("There is no such regional hostname in this zone.") from None


def _shown(regional: RegionalHostname) -> RegionalHostnameShown:
    return RegionalHostnameShown(
        hostname=regional.hostname,
        region_key=regional.region_key,
        routing=regional.routing,
        created_on=rfc3339(regional.created_on),
    )
