"""Between CONFIG 2 and 3: the fleet in bulk, for compiling snapshots.

Seven queries, however large the fleet. What is told of slices is what the present configuration lets
them be; see `model.placement.effective`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Any, Final

from sqlalchemy import and_, select
from sqlalchemy.orm import InstrumentedAttribute, Session
from sqlalchemy.sql.elements import ColumnElement

from egressway.model.data_center import DataCenter
from egressway.model.lease import LeasedIP
from egressway.model.location import Location
from egressway.model.placement import PlacementRules, effective
from egressway.model.port_slice import PortRange, PortSlice
from egressway.model.server import Server, ServerState
from egressway.model.slice_move import SliceMove
from egressway.store.data_centers import data_center_of
from egressway.store.locations import location_of
from egressway.store.placements import move_of
from egressway.store.schema import (
    DataCenterRow,
    LeaseRow,
    LocationRow,
    PortSliceRow,
    RegionalHostnameRow,
    ServerRow,
    SliceMoveRow,
)
from egressway.store.servers import server_of

__all__ = ["SnapshotFleet", "fleet"]

_MOST_NAMED: Final = 10_000


@dataclass(frozen=True, slots=True)
class SnapshotFleet:
    """Where everything is. An IPv4 address that is not in `slices` is unplaced: it fails closed."""

    rules: PlacementRules
    locations: tuple[Location, ...]
    data_centers: tuple[DataCenter, ...]
    servers: tuple[Server, ...]
    slices: Mapping[LeasedIP, tuple[PortSlice, ...]]
    """Ascending by port, never overlapping, within the rules; without those of revoked servers."""
    moves: tuple[SliceMove, ...]
    """All that are pending, whichever addresses were asked for."""
    draining: frozenset[LeasedIP]
    regions: tuple[str, ...] = ()
    """Keys of the regions that hostnames of any zone are confined to."""


def fleet(
    session: Session, rules: PlacementRules, ips: Collection[LeasedIP] | None
) -> SnapshotFleet:
    """All of it; slices and drains of `ips` only, if they are given."""
    return SnapshotFleet(
        rules=rules,
        locations=tuple(
            map(location_of, session.scalars(select(LocationRow).order_by(LocationRow.name)))
        ),
        data_centers=tuple(
            map(data_center_of, session.scalars(select(DataCenterRow).order_by(DataCenterRow.name)))
        ),
        servers=tuple(map(server_of, session.scalars(select(ServerRow).order_by(ServerRow.name)))),
        slices=_slices(session, rules, ips),
        moves=tuple(
            map(
                move_of,
                session.scalars(
                    select(SliceMoveRow).order_by(
                        SliceMoveRow.ip, SliceMoveRow.low, SliceMoveRow.source
                    )
                ),
            )
        ),
        draining=_draining(session, ips),
        regions=tuple(
            session.scalars(
                select(RegionalHostnameRow.region_key)
                .distinct()
                .order_by(RegionalHostnameRow.region_key)
            )
        ),
    )


def _draining(session: Session, ips: Collection[LeasedIP] | None) -> frozenset[LeasedIP]:
    found = frozenset(
        session.scalars(select(LeaseRow.ip).where(LeaseRow.is_draining, _among(LeaseRow.ip, ips)))
    )
    return found if ips is None else found & frozenset(ips)


def _slices(
    session: Session, rules: PlacementRules, ips: Collection[LeasedIP] | None
) -> dict[LeasedIP, tuple[PortSlice, ...]]:
    stored: defaultdict[LeasedIP, list[PortSlice]] = defaultdict(list)
    defaults: set[LeasedIP] = set()
    rows = session.execute(
        select(
            PortSliceRow.ip,
            PortSliceRow.low,
            PortSliceRow.high,
            PortSliceRow.server,
            PortSliceRow.is_default,
        )
        .join(ServerRow, ServerRow.name == PortSliceRow.server)
        .where(_among(PortSliceRow.ip, ips), ServerRow.state != ServerState.REVOKED)
        .order_by(PortSliceRow.ip, PortSliceRow.low)
    )
    for ip, low, high, server, is_default in rows:
        assert isinstance(ip, IPv4Address)
        stored[ip].append(PortSlice(ip, PortRange(low, high), server))
        if is_default:
            defaults.add(ip)
    wanted = stored.keys() if ips is None else stored.keys() & set(ips)
    return {
        ip: effective(slices, rules, is_default=ip in defaults)
        for ip, slices in stored.items()
        if ip in wanted
    }


def _among(
    column: InstrumentedAttribute[Any], ips: Collection[LeasedIP] | None
) -> ColumnElement[bool]:
    """Databases bound the number of parameters: with more, all are read and then chosen from."""
    return and_(True) if ips is None or len(ips) > _MOST_NAMED else column.in_(ips)
