"""`/egressway/data_centers`: halls of servers in locations.

CONFIG 1 of 5, a vendor extension, the operator's. Draining a data center drains all its servers.
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
from egressway.model.data_center import DataCenter as StoredDataCenter
from egressway.model.data_center import DataCenterChange, DataCenterDraft, DataCenterName
from egressway.model.server import ServerState
from egressway.model.token import Principal
from egressway.store import Store

__all__ = ["HANDLERS"]


class DataCenter(Struct, frozen=True):
    """A hall of servers; the PoP of measurements."""

    name: str
    location: str
    created_on: Timestamp
    modified_on: Timestamp


class DataCenterCreate(Struct, frozen=True, forbid_unknown_fields=True):
    """A new data center."""

    name: str
    location: str


class DataCenterEdit(Struct, frozen=True, forbid_unknown_fields=True):
    """What to change of a data center; the name stays for life."""

    location: str | UnsetType = UNSET


class ChangedServers(Struct, frozen=True):
    """The servers of a data center whose state has changed."""

    data_center: str
    servers: Annotated[list[str], Meta(description="Without those that were in the state already")]


@get(
    "/egressway/data_centers",
    operation_id="egressway.dataCenters.list",
    tags=["egressway"],
    opt=OPERATOR,
    sync_to_thread=True,
)
def list_data_centers(
    store: GivenStore, page: PageNumber = 1, per_page: PageSize = 1000
) -> ResultPage[DataCenter]:
    """All data centers, by name."""
    part = paging(page, per_page)
    with store.read() as read:
        data_centers, total = read.data_centers.list(part)
    return page_of(data_centers, total, part, _shown)


@post(
    "/egressway/data_centers",
    operation_id="egressway.dataCenters.create",
    tags=["egressway"],
    opt=OPERATOR,
    status_code=200,
    sync_to_thread=True,
)
def create_data_center(
    store: GivenStore, caller: GivenCaller, data: JsonBody[DataCenterCreate]
) -> Answer[DataCenter]:
    """Adds a data center to a location."""
    draft = DataCenterDraft.parse(data.members)
    with store.write(caller.actor) as write:
        data_center = write.data_centers.create(draft)
    return answer(_shown(data_center))


@get(
    "/egressway/data_centers/{name:str}",
    operation_id="egressway.dataCenters.get",
    tags=["egressway"],
    opt=OPERATOR,
    sync_to_thread=True,
)
def get_data_center(store: GivenStore, name: PathId) -> Answer[DataCenter]:
    """One data center."""
    with store.read() as read:
        data_center = read.data_centers.get(DataCenterName(name))
    return answer(_shown(data_center))


@patch(
    "/egressway/data_centers/{name:str}",
    operation_id="egressway.dataCenters.edit",
    tags=["egressway"],
    opt=OPERATOR,
    sync_to_thread=True,
)
def edit_data_center(
    store: GivenStore, caller: GivenCaller, name: PathId, data: JsonBody[DataCenterEdit]
) -> Answer[DataCenter]:
    """Puts a data center into another location, while its servers hold no ports."""
    change = DataCenterChange.parse(data.members)
    with store.write(caller.actor) as write:
        data_center = write.data_centers.edit(DataCenterName(name), change)
    return answer(_shown(data_center))


@post(
    "/egressway/data_centers/{name:str}/drain",
    operation_id="egressway.dataCenters.drain",
    tags=["egressway"],
    opt=OPERATOR,
    status_code=200,
    sync_to_thread=True,
)
def drain_data_center(
    store: GivenStore, caller: GivenCaller, name: PathId
) -> Answer[ChangedServers]:
    """Lets what is open finish and opens nothing new, on all of its servers."""
    return _set_state(store, caller, name, ServerState.DRAINING)


@post(
    "/egressway/data_centers/{name:str}/activate",
    operation_id="egressway.dataCenters.activate",
    tags=["egressway"],
    opt=OPERATOR,
    status_code=200,
    sync_to_thread=True,
)
def activate_data_center(
    store: GivenStore, caller: GivenCaller, name: PathId
) -> Answer[ChangedServers]:
    """Takes the drain of all its servers back."""
    return _set_state(store, caller, name, ServerState.ACTIVE)


@delete(
    "/egressway/data_centers/{name:str}",
    operation_id="egressway.dataCenters.delete",
    tags=["egressway"],
    opt=OPERATOR,
    status_code=200,
    sync_to_thread=True,
)
def delete_data_center(store: GivenStore, caller: GivenCaller, name: PathId) -> Answer[Deleted]:
    """Removes a data center without servers."""
    with store.write(caller.actor) as write:
        write.data_centers.delete(DataCenterName(name))
    return answer(Deleted(name))


HANDLERS: Final[list[HTTPRouteHandler]] = [
    list_data_centers,
    create_data_center,
    get_data_center,
    edit_data_center,
    drain_data_center,
    activate_data_center,
    delete_data_center,
]


def _set_state(
    store: Store, caller: Principal, name: str, state: ServerState
) -> Answer[ChangedServers]:
    with store.write(caller.actor) as write:
        changed = write.data_centers.set_state(DataCenterName(name), state)
    return answer(ChangedServers(name, list(changed)))


def _shown(data_center: StoredDataCenter) -> DataCenter:
    return DataCenter(
        name=data_center.name,
        location=data_center.location,
        created_on=rfc3339(data_center.created_on),
        modified_on=rfc3339(data_center.modified_on),
    )
