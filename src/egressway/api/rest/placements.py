"""`/egressway/placements`: which server may open connections from which ports of an address.

CONFIG 1 of 5, a vendor extension, the operator's. An address is named by itself or by the id of its
lease. Every change is make before break: what is established stays until its move is finished.
"""

from __future__ import annotations

from typing import Final

from litestar import delete, get, post, put
from litestar.handlers import HTTPRouteHandler

from egressway.api.access import OPERATOR
from egressway.api.envelope import Answer, Deleted, ResultPage, answer, single_page
from egressway.api.paging import PageNumber, PageSize, page_of, paging, whole_page
from egressway.api.parameters import GivenCaller, GivenStore, JsonBody, PathId
from egressway.api.rest.placement_shapes import (
    Move,
    MoveCreate,
    Placement,
    PlacementPut,
    shown_move,
    shown_placement,
)
from egressway.model.placement_draft import PlacementDraft, placeable
from egressway.model.slice_move import MoveDraft, MoveId
from egressway.model.token import Principal
from egressway.store import Store

__all__ = ["HANDLERS"]


@get(
    "/egressway/placements",
    operation_id="egressway.placements.list",
    tags=["egressway"],
    opt=OPERATOR,
    sync_to_thread=True,
)
def list_placements(
    store: GivenStore, page: PageNumber = 1, per_page: PageSize = 1000
) -> ResultPage[Placement]:
    """All leased addresses, the oldest lease first."""
    part = paging(page, per_page)
    with store.read() as read:
        placements, total = read.placements.list(part)
        places = read.servers.places()
    return page_of(placements, total, part, lambda each: shown_placement(each, places))


@get(
    "/egressway/placements/{ip:str}",
    operation_id="egressway.placements.get",
    tags=["egressway"],
    opt=OPERATOR,
    sync_to_thread=True,
)
def get_placement(store: GivenStore, ip: PathId) -> Answer[Placement]:
    """The placement of one address."""
    with store.read() as read:
        placement = read.placements.get(read.placements.address(ip))
        return answer(shown_placement(placement, read.servers.places()))


@put(
    "/egressway/placements/{ip:str}",
    operation_id="egressway.placements.update",
    tags=["egressway"],
    opt=OPERATOR,
    sync_to_thread=True,
)
def put_placement(
    store: GivenStore, caller: GivenCaller, ip: PathId, data: JsonBody[PlacementPut]
) -> Answer[Placement]:
    """Splits an address, moving as little as can be; moves begin for what changes its server."""
    with store.write(caller.actor) as write:
        address = placeable(write.placements.address(ip))
        draft = PlacementDraft.parse(address, data.members)
        placement = write.placements.put(address, draft)
        return answer(shown_placement(placement, write.servers.places()))


@post(
    "/egressway/placements/{ip:str}/drain",
    operation_id="egressway.placements.drain",
    tags=["egressway"],
    opt=OPERATOR,
    status_code=200,
    sync_to_thread=True,
)
def drain_placement(store: GivenStore, caller: GivenCaller, ip: PathId) -> Answer[Placement]:
    """Opens nothing new from the address, on any server; what is open stays."""
    return _set_draining(store, caller, ip, is_draining=True)


@post(
    "/egressway/placements/{ip:str}/activate",
    operation_id="egressway.placements.activate",
    tags=["egressway"],
    opt=OPERATOR,
    status_code=200,
    sync_to_thread=True,
)
def activate_placement(store: GivenStore, caller: GivenCaller, ip: PathId) -> Answer[Placement]:
    """Takes the drain of an address back."""
    return _set_draining(store, caller, ip, is_draining=False)


@get(
    "/egressway/placements/{ip:str}/moves",
    operation_id="egressway.placements.moves.list",
    tags=["egressway"],
    opt=OPERATOR,
    sync_to_thread=True,
)
def list_moves(
    store: GivenStore, ip: PathId, page: PageNumber = 1, per_page: PageSize = 1000
) -> ResultPage[Move]:
    """Moves of the address that are not finished."""
    with store.read() as read:
        moves = read.placements.moves(read.placements.address(ip))
    return whole_page(moves, paging(page, per_page), shown_move)


@post(
    "/egressway/placements/{ip:str}/moves",
    operation_id="egressway.placements.moves.create",
    tags=["egressway"],
    opt=OPERATOR,
    status_code=200,
    sync_to_thread=True,
)
def create_move(
    store: GivenStore, caller: GivenCaller, ip: PathId, data: JsonBody[MoveCreate]
) -> ResultPage[Move]:
    """Gives ports of one server to another; answers every pending move of the address."""
    draft = MoveDraft.parse(data.members)
    with store.write(caller.actor) as write:
        address = placeable(write.placements.address(ip))
        moves = write.placements.move(address, draft)
    return single_page([shown_move(move) for move in moves])


@delete(
    "/egressway/placements/{ip:str}/moves/{move_id:str}",
    operation_id="egressway.placements.moves.delete",
    tags=["egressway"],
    opt=OPERATOR,
    status_code=200,
    sync_to_thread=True,
)
def delete_move(
    store: GivenStore, caller: GivenCaller, ip: PathId, move_id: PathId
) -> Answer[Deleted]:
    """Finishes a move now; connections that the source still has may break."""
    with store.write(caller.actor) as write:
        write.placements.finish_move(write.placements.address(ip), MoveId(move_id))
    return answer(Deleted(move_id))


HANDLERS: Final[list[HTTPRouteHandler]] = [
    list_placements,
    get_placement,
    put_placement,
    drain_placement,
    activate_placement,
    list_moves,
    create_move,
    delete_move,
]


def _set_draining(
    store: Store, caller: Principal, ip: str, *, is_draining: bool
) -> Answer[Placement]:
    with store.write(caller.actor) as write:
        address = write.placements.address(ip)
        placement = write.placements.set_draining(address, is_draining=is_draining)
        return answer(shown_placement(placement, write.servers.places()))
