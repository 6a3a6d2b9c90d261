"""What placements and moves look like (CONFIG 1 of 5): the API's names for the model's values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from egressway.api.envelope import Timestamp
from egressway.model.clock import rfc3339
from egressway.model.placement import Placement as StoredPlacement
from egressway.model.server import ServerName, ServerPlace
from egressway.model.slice_move import SliceMove

__all__ = [
    "Move",
    "MoveCreate",
    "Placement",
    "PlacementPut",
    "ShareBody",
    "Slice",
    "SliceBody",
    "shown_move",
    "shown_placement",
]

Ports = Annotated[str, Meta(description="Source ports, such as `20000-29999`")]
DeadlineSeconds = Annotated[
    int,
    Meta(
        ge=0, description="How long former owners may keep established connections; else one hour"
    ),
]


class Slice(Struct, frozen=True):
    """Ports of the address on one server."""

    ports: Ports
    server: str
    data_center: str
    location: str


class Placement(Struct, frozen=True):
    """Which servers may open connections from an address. IPv4 without slices fails closed."""

    ip: str
    account_id: str
    ports: Annotated[int, Meta(description="What the slices add up to")]
    slices: list[Slice]
    is_default: Annotated[
        bool, Meta(description="All configured ports on one server, as on a single machine")
    ]
    is_draining: bool


class ShareBody(Struct, frozen=True, forbid_unknown_fields=True):
    """So many ports for a server, or for a data center, whose active servers divide them evenly."""

    ports: int
    server: str | UnsetType = UNSET
    data_center: str | UnsetType = UNSET


class SliceBody(Struct, frozen=True, forbid_unknown_fields=True):
    """These very ports for a server."""

    server: str
    ports: Annotated[str, Meta(description="One or several ranges: `20000-24999,30000-34999`")]


class PlacementPut(Struct, frozen=True, forbid_unknown_fields=True):
    """Either `shares` or `slices`: the whole of the placement. An empty list takes it away."""

    shares: list[ShareBody] | UnsetType = UNSET
    slices: list[SliceBody] | UnsetType = UNSET
    deadline_seconds: DeadlineSeconds | UnsetType = UNSET


class Move(Struct, frozen=True):
    """Ports on their way. The source keeps established connections, the target opens new ones."""

    id: str
    ip: str
    ports: Ports
    source: str
    target: Annotated[str, Meta(description="The source itself where the ports were given up")]
    deadline: Timestamp
    created_on: Timestamp


class MoveCreate(Struct, frozen=True, forbid_unknown_fields=True):
    """Ports of one server become those of another."""

    source: str
    target: str
    ports: Annotated[str | UnsetType, Meta(description="One range; else all of the source")] = UNSET
    deadline_seconds: DeadlineSeconds | UnsetType = UNSET


def shown_placement(
    placement: StoredPlacement, places: Mapping[ServerName, ServerPlace]
) -> Placement:
    """With the places of its servers."""
    return Placement(
        ip=str(placement.ip),
        account_id=placement.account_id,
        ports=sum(len(each.ports) for each in placement.slices),
        slices=[
            Slice(
                ports=str(each.ports),
                server=each.server,
                data_center=places[each.server].data_center,
                location=places[each.server].location,
            )
            for each in placement.slices
        ],
        is_default=placement.is_default,
        is_draining=placement.is_draining,
    )


def shown_move(move: SliceMove) -> Move:
    """With its ports as text."""
    return Move(
        id=move.id,
        ip=str(move.ip),
        ports=str(move.ports),
        source=move.source,
        target=move.target,
        deadline=rfc3339(move.deadline),
        created_on=rfc3339(move.created_on),
    )
