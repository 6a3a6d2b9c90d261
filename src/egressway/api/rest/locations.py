"""`/egressway/locations`: metros with their coordinates and regions.

CONFIG 1 of 5, a vendor extension; all of the fleet's places are the operator's.
"""

from __future__ import annotations

from typing import Annotated, Final

from litestar import delete, get, patch, post
from litestar.handlers import HTTPRouteHandler
from msgspec import UNSET, Meta, Struct, UnsetType

from egressway.api.access import OPERATOR
from egressway.api.envelope import Answer, Deleted, ResultPage, Timestamp, answer
from egressway.api.paging import PageNumber, PageSize, page_of, paging
from egressway.api.parameters import GivenCaller, GivenStore, JsonBody, PathId
from egressway.model.clock import rfc3339
from egressway.model.location import Location as StoredLocation
from egressway.model.location import LocationChange, LocationDraft, LocationName

__all__ = ["HANDLERS"]

Latitude = Annotated[float, Meta(ge=-90, le=90, description="Degrees, north is positive")]
Longitude = Annotated[float, Meta(ge=-180, le=180, description="Degrees, east is positive")]
Regions = Annotated[list[str], Meta(description="Keys of the regions it lies in, such as `eu`")]


class Location(Struct, frozen=True):
    """A metro of data centers."""

    name: str
    latitude: Latitude
    longitude: Longitude
    regions: Regions
    created_on: Timestamp
    modified_on: Timestamp


class LocationCreate(Struct, frozen=True, forbid_unknown_fields=True):
    """A new location."""

    name: str
    latitude: Latitude
    longitude: Longitude
    regions: Regions | UnsetType = UNSET


class LocationEdit(Struct, frozen=True, forbid_unknown_fields=True):
    """What to change of a location; the name stays for life."""

    latitude: Latitude | UnsetType = UNSET
    longitude: Longitude | UnsetType = UNSET
    regions: Regions | UnsetType = UNSET


@get(
    "/egressway/locations",
    operation_id="egressway.locations.list",
    tags=["egressway"],
    opt=OPERATOR,
    sync_to_thread=True,
)
def list_locations(
    store: GivenStore, page: PageNumber = 1, per_page: PageSize = 1000
) -> ResultPage[Location]:
    """All locations, by name."""
    part = paging(page, per_page)
    with store.read() as read:
        locations, total = read.locations.list(part)
    return page_of(locations, total, part, _shown)


@post(
    "/egressway/locations",
    operation_id="egressway.locations.create",
    tags=["egressway"],
    opt=OPERATOR,
    status_code=200,
    sync_to_thread=True,
)
def create_location(
    store: GivenStore, caller: GivenCaller, data: JsonBody[LocationCreate]
) -> Answer[Location]:
    """Adds a location."""
    draft = LocationDraft.parse(data.members)
    with store.write(caller.actor) as write:
        location = write.locations.create(draft)
    return answer(_shown(location))


@get(
    "/egressway/locations/{name:str}",
    operation_id="egressway.locations.get",
    tags=["egressway"],
    opt=OPERATOR,
    sync_to_thread=True,
)
def get_location(store: GivenStore, name: PathId) -> Answer[Location]:
    """One location."""
    with store.read() as read:
        location = read.locations.get(LocationName(name))
    return answer(_shown(location))


@patch(
    "/egressway/locations/{name:str}",
    operation_id="egressway.locations.edit",
    tags=["egressway"],
    opt=OPERATOR,
    sync_to_thread=True,
)
def edit_location(
    store: GivenStore, caller: GivenCaller, name: PathId, data: JsonBody[LocationEdit]
) -> Answer[Location]:
    """Changes coordinates or regions; which location is closest follows at once."""
    change = LocationChange.parse(data.members)
    with store.write(caller.actor) as write:
        location = write.locations.edit(LocationName(name), change)
    return answer(_shown(location))


@delete(
    "/egressway/locations/{name:str}",
    operation_id="egressway.locations.delete",
    tags=["egressway"],
    opt=OPERATOR,
    status_code=200,
    sync_to_thread=True,
)
def delete_location(store: GivenStore, caller: GivenCaller, name: PathId) -> Answer[Deleted]:
    """Removes a location without data centers."""
    with store.write(caller.actor) as write:
        write.locations.delete(LocationName(name))
    return answer(Deleted(name))


HANDLERS: Final[list[HTTPRouteHandler]] = [
    list_locations,
    create_location,
    get_location,
    edit_location,
    delete_location,
]


def _shown(location: StoredLocation) -> Location:
    return Location(
        name=location.name,
        latitude=location.latitude,
        longitude=location.longitude,
        regions=list(location.regions),
        created_on=rfc3339(location.created_on),
        modified_on=rfc3339(location.modified_on),
    )
