"""`/egressway/servers`: the machines that carry requests.

CONFIG 1 of 5, a vendor extension, the operator's. A server that is made here has no ports and no
node; a join token lets a node take up its identity.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from litestar import delete, get, patch, post
from litestar.handlers import HTTPRouteHandler
from msgspec import UNSET, Meta, Struct, UnsetType

from egressway.api.access import OPERATOR
from egressway.api.envelope import Answer, Deleted, ResultPage, Timestamp, answer
from egressway.api.paging import PageNumber, PageSize, page_of, paging
from egressway.api.parameters import GivenCaller, GivenStore, JsonBody, PathId
from egressway.model.clock import rfc3339
from egressway.model.server import Server as StoredServer
from egressway.model.server import ServerChange, ServerDraft, ServerName

__all__ = ["HANDLERS"]

LinkText = Annotated[
    str,
    Meta(description="Where other servers connect to, `192.0.2.1:8644` or `[2001:db8::1]:8644`"),
]


class Server(Struct, frozen=True):
    """One machine of the fleet."""

    name: str
    number: Annotated[int, Meta(description="Picks its own address out of IPv6 ranges")]
    data_center: str
    link: LinkText | None
    state: Literal["active", "draining", "revoked"]
    epoch: Annotated[int, Meta(description="How often a node has taken up its identity")]
    created_on: Timestamp
    modified_on: Timestamp


class ServerCreate(Struct, frozen=True, forbid_unknown_fields=True):
    """A new server."""

    name: Annotated[str, Meta(description="One label of a hostname, in small letters")]
    data_center: str
    link: LinkText | UnsetType = UNSET


class ServerEdit(Struct, frozen=True, forbid_unknown_fields=True):
    """What to change of a server; name and number stay for life."""

    data_center: str | UnsetType = UNSET
    link: LinkText | UnsetType = UNSET


@get(
    "/egressway/servers",
    operation_id="egressway.servers.list",
    tags=["egressway"],
    opt=OPERATOR,
    sync_to_thread=True,
)
def list_servers(
    store: GivenStore, page: PageNumber = 1, per_page: PageSize = 1000
) -> ResultPage[Server]:
    """All servers, by name."""
    part = paging(page, per_page)
    with store.read() as read:
        servers, total = read.servers.list(part)
    return page_of(servers, total, part, _shown)


@post(
    "/egressway/servers",
    operation_id="egressway.servers.create",
    tags=["egressway"],
    opt=OPERATOR,
    status_code=200,
    sync_to_thread=True,
)
def create_server(
    store: GivenStore, caller: GivenCaller, data: JsonBody[ServerCreate]
) -> Answer[Server]:
    """Adds a server to a data center, with the lowest free number."""
    draft = ServerDraft.parse(data.members)
    with store.write(caller.actor) as write:
        server = write.servers.create(draft)
    return answer(_shown(server))


@get(
    "/egressway/servers/{name:str}",
    operation_id="egressway.servers.get",
    tags=["egressway"],
    opt=OPERATOR,
    sync_to_thread=True,
)
def get_server(store: GivenStore, name: PathId) -> Answer[Server]:
    """One server."""
    with store.read() as read:
        server = read.servers.get(ServerName(name))
    return answer(_shown(server))


@patch(
    "/egressway/servers/{name:str}",
    operation_id="egressway.servers.edit",
    tags=["egressway"],
    opt=OPERATOR,
    sync_to_thread=True,
)
def edit_server(
    store: GivenStore, caller: GivenCaller, name: PathId, data: JsonBody[ServerEdit]
) -> Answer[Server]:
    """Changes the link or the data center; the location only while it holds no ports."""
    change = ServerChange.parse(data.members)
    with store.write(caller.actor) as write:
        server = write.servers.edit(ServerName(name), change)
    return answer(_shown(server))


@post(
    "/egressway/servers/{name:str}/drain",
    operation_id="egressway.servers.drain",
    tags=["egressway"],
    opt=OPERATOR,
    status_code=200,
    sync_to_thread=True,
)
def drain_server(store: GivenStore, caller: GivenCaller, name: PathId) -> Answer[Server]:
    """Lets what is open finish and opens nothing new."""
    with store.write(caller.actor) as write:
        server = write.servers.drain(ServerName(name))
    return answer(_shown(server))


@post(
    "/egressway/servers/{name:str}/activate",
    operation_id="egressway.servers.activate",
    tags=["egressway"],
    opt=OPERATOR,
    status_code=200,
    sync_to_thread=True,
)
def activate_server(store: GivenStore, caller: GivenCaller, name: PathId) -> Answer[Server]:
    """Takes a drain back."""
    with store.write(caller.actor) as write:
        server = write.servers.activate(ServerName(name))
    return answer(_shown(server))


@post(
    "/egressway/servers/{name:str}/revoke",
    operation_id="egressway.servers.revoke",
    tags=["egressway"],
    opt=OPERATOR,
    status_code=200,
    sync_to_thread=True,
)
def revoke_server(store: GivenStore, caller: GivenCaller, name: PathId) -> Answer[Server]:
    """Takes the server's identity away, for life: no other part of the fleet speaks with it."""
    with store.write(caller.actor) as write:
        server = write.servers.revoke(ServerName(name))
    return answer(_shown(server))


@delete(
    "/egressway/servers/{name:str}",
    operation_id="egressway.servers.delete",
    tags=["egressway"],
    opt=OPERATOR,
    status_code=200,
    sync_to_thread=True,
)
def delete_server(store: GivenStore, caller: GivenCaller, name: PathId) -> Answer[Deleted]:
    """Removes a server that holds no ports; its number is free again."""
    with store.write(caller.actor) as write:
        write.servers.delete(ServerName(name))
    return answer(Deleted(name))


HANDLERS: Final[list[HTTPRouteHandler]] = [
    list_servers,
    create_server,
    get_server,
    edit_server,
    drain_server,
    activate_server,
    revoke_server,
    delete_server,
]


def _shown(server: StoredServer) -> Server:
    return Server(
        name=server.name,
        number=server.number,
        data_center=server.data_center,
        link=None if server.link is None else str(server.link),
        state=server.state.value,
        epoch=server.epoch,
        created_on=rfc3339(server.created_on),
        modified_on=rfc3339(server.modified_on),
    )
