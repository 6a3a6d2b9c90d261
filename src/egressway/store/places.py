"""Beside CONFIG 2: rows of the three nested places, and what stands against removing or moving one."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from sqlalchemy import or_, select, union
from sqlalchemy.orm import Session

from egressway.model.address import IPAddress
from egressway.model.data_center import DataCenterName
from egressway.model.errors import Conflict, Invalid, NotFound
from egressway.model.location import LocationName
from egressway.model.server import ServerName
from egressway.store.rows import row_of
from egressway.store.schema import (
    DataCenterRow,
    LocationRow,
    PortSliceRow,
    ServerRow,
    SliceMoveRow,
)

__all__ = [
    "data_center_row",
    "listed",
    "location_row",
    "named_data_center",
    "named_location",
    "refuse_while_holding",
    "server_row",
]

_NAMED_AT_MOST: Final = 10


def location_row(session: Session, name: LocationName) -> LocationRow:
    """The location, or NotFound."""
    return row_of(session, LocationRow, "location", name)


def data_center_row(session: Session, name: DataCenterName) -> DataCenterRow:
    """The data center, or NotFound."""
    return row_of(session, DataCenterRow, "data center", name)


def server_row(session: Session, name: ServerName) -> ServerRow:
    """The server, or NotFound."""
    return row_of(session, ServerRow, "server", name)


def named_location(session: Session, name: LocationName) -> LocationRow:
    """The location that a request names in its body."""
    try:
        return location_row(session, name)
    except NotFound as error:
        raise Invalid(f"{error.text} Create it first.", pointer="/location") from None


def named_data_center(session: Session, name: DataCenterName) -> DataCenterRow:
    """The data center that a request names in its body."""
    try:
        return data_center_row(session, name)
    except NotFound as error:
        raise Invalid(f"{error.text} Create it first.", pointer="/data_center") from None


def refuse_while_holding(
    session: Session, servers: Collection[ServerName], pointer: str | None = None
) -> None:
    """Conflict while one of `servers` holds slices, or connections of a move that is not finished."""
    held = _held(session, servers)
    if held:
        whose = ", ".join(f"`{name}`" for name in sorted(servers))
        raise Conflict(
            f"{whose} still holds ports or connections of {listed(held)}; move them to another "
            "server and finish the moves first.",
            pointer=pointer,
        )


def listed(things: Sequence[object]) -> str:
    """The first of them, and whether there are more."""
    shown = ", ".join(map(str, things[:_NAMED_AT_MOST]))
    return shown + (" and more" if len(things) > _NAMED_AT_MOST else "")


def _held(session: Session, servers: Collection[ServerName]) -> Sequence[IPAddress]:
    slices = select(PortSliceRow.ip).where(PortSliceRow.server.in_(servers))
    moves = select(SliceMoveRow.ip).where(
        or_(SliceMoveRow.source.in_(servers), SliceMoveRow.target.in_(servers))
    )
    either = union(slices, moves).subquery()
    return session.scalars(
        select(either.c.ip).order_by(either.c.ip).limit(_NAMED_AT_MOST + 1)
    ).all()
