"""Store to fleet snapshot: everything, or what was touched since a revision (CONFIG 3 of 5).

Pure but for the reads: the same state of the store gives the same snapshot, for all servers. The
journal only says where to look; what is sent is always what the store holds now, so a lost or doubled
entry cannot make a difference wrong, and a difference may be applied to any state between its two
revisions.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Final

from egressway.distribution.compile_zone import compile_zone
from egressway.model.ids import PoolId, ZoneId
from egressway.model.lease import LeasedIP
from egressway.model.region import with_implied
from egressway.model.regional_hostname import confinement
from egressway.store import (
    Change,
    ChangeKind,
    Read,
    SnapshotFleet,
    SnapshotPool,
    SnapshotZone,
)
from egressway.wire.fleet import (
    FleetAddress,
    FleetLocation,
    FleetMove,
    FleetPool,
    FleetServer,
    FleetSlice,
    FleetSnapshot,
    Topology,
)
from egressway.wire.snapshot import Settings

__all__ = ["compile_since", "compile_topology", "compile_whole"]

MOST_TOUCHED: Final = 5_000
"""With more zones than this in a difference, the whole is about as quick and needs no base."""

_NOWHERE: Final[frozenset[LeasedIP]] = frozenset()
_IN_TOPOLOGY: Final = frozenset(
    {ChangeKind.SERVER, ChangeKind.PLACEMENT, ChangeKind.REGIONAL_HOSTNAME}
)


def compile_since(
    read: Read, settings: Settings, since: int | None, without: Collection[ZoneId] = ()
) -> FleetSnapshot:
    """The difference to revision `since` where there is one, else the whole.

    Zones in `without` are left as they are: not sent, and removed only when they are no longer served.
    """
    changes = None if since is None else _changes(read, since)
    touched = None if changes is None else _touched_zones(changes)
    if since is None or changes is None or touched is None:
        return compile_whole(read, settings, without)
    zones = read.zones_for_snapshot(touched) if touched else []
    served = {zone.id for zone in zones}
    pools, removed_pools = _touched_pools(read, changes)
    return FleetSnapshot(
        revision=read.revision(),
        base_revision=since,
        topology=_topology_if_touched(read, settings, changes),
        pools=pools,
        removed_pools=removed_pools,
        zones=tuple(compile_zone(zone) for zone in zones if zone.id not in without),
        confined=_confined(zones, without),
        removed_zones=tuple(sorted(zone_id for zone_id in touched if zone_id not in served)),
    )


def compile_whole(
    read: Read, settings: Settings, without: Collection[ZoneId] = (), *, with_zones: bool = True
) -> FleetSnapshot:
    """Everything a server needs, whatever it has; but for the zones in `without`."""
    fleet = read.fleet_for_snapshot()
    zones = read.zones_for_snapshot() if with_zones else []
    return FleetSnapshot(
        revision=read.revision(),
        topology=_topology(fleet, settings),
        pools=tuple(_pool(pool, fleet) for pool in read.pools_for_snapshot()),
        zones=tuple(compile_zone(zone) for zone in zones if zone.id not in without),
        confined=_confined(zones, without),
    )


def compile_topology(read: Read, settings: Settings) -> Topology:
    """Servers and where they stand, moves, and the limits of all."""
    return _topology(read.fleet_for_snapshot(_NOWHERE), settings)


# What was touched.


def _changes(read: Read, since: int) -> Sequence[Change] | None:
    """What was touched; None when a difference cannot be told from the journal."""
    if since > read.revision():
        return None  # the store is older than what runs: it was restored from a backup
    return read.changes_since(since) if read.is_journal_complete_since(since) else None


def _touched_zones(changes: Iterable[Change]) -> Collection[ZoneId] | None:
    """Zones to compile again; None when there are too many."""
    touched = {change.zone_id for change in changes if change.zone_id is not None}
    return touched if len(touched) <= MOST_TOUCHED else None


def _touched_pools(
    read: Read, changes: Iterable[Change]
) -> tuple[tuple[FleetPool, ...], tuple[str, ...]]:
    """Pools to send, and to remove. A server that changes may have slices in any of them."""
    kinds = {change.kind for change in changes}
    if ChangeKind.SERVER in kinds:
        touched = None
    else:
        touched = {PoolId(each.object_id) for each in changes if each.kind is ChangeKind.POOL}
        if not touched:
            return (), ()
    found = read.pools_for_snapshot(touched)
    fleet = read.fleet_for_snapshot(
        None if touched is None else {ip for pool in found for ip in pool.ips}
    )
    named = {change.object_id for change in changes if change.kind is ChangeKind.POOL}
    gone = named - {pool.id for pool in found}
    return tuple(_pool(pool, fleet) for pool in found), tuple(sorted(gone))


def _topology_if_touched(
    read: Read, settings: Settings, changes: Iterable[Change]
) -> Topology | None:
    is_touched = any(change.kind in _IN_TOPOLOGY for change in changes)
    return compile_topology(read, settings) if is_touched else None


def _confined(
    zones: Iterable[SnapshotZone], without: Collection[ZoneId]
) -> dict[str, tuple[str, ...]]:
    """Which keys must stay in which regions; also those of names that nobody has records for yet."""
    return {
        each.id: tuple(sorted(regions))
        for zone in zones
        if zone.regional and zone.id not in without
        for each, regions in zip(
            zone.certificates, confinement(zone.certificates, zone.regions), strict=True
        )
        if regions
    }


# To the types of the wire.


def _topology(fleet: SnapshotFleet, settings: Settings) -> Topology:
    location_of = {each.name: each.location for each in fleet.data_centers}
    return Topology(
        settings=settings,
        first_port=fleet.rules.ports.low,
        last_port=fleet.rules.ports.high,
        connection_cap=fleet.rules.connection_cap,
        locations=tuple(
            FleetLocation(each.name, each.latitude, each.longitude, with_implied(each.regions))
            for each in fleet.locations
        ),
        regions=fleet.regions,
        servers=tuple(
            FleetServer(
                name=each.name,
                number=each.number,
                data_center=each.data_center,
                location=location_of[each.data_center],
                link=None if each.link is None else str(each.link),
                state=each.state.value,
                epoch=each.epoch,
            )
            for each in fleet.servers
        ),
        moves=tuple(
            FleetMove(
                id=each.id,
                ip=str(each.ip),
                low=each.ports.low,
                high=each.ports.high,
                source=each.source,
                target=each.target,
                deadline=int(each.deadline.timestamp()),
            )
            for each in fleet.moves
        ),
    )


def _pool(pool: SnapshotPool, fleet: SnapshotFleet) -> FleetPool:
    return FleetPool(pool.id, tuple(_address(ip, fleet) for ip in pool.ips), pool.overflow)


def _address(ip: LeasedIP, fleet: SnapshotFleet) -> FleetAddress:
    slices = tuple(
        FleetSlice(each.ports.low, each.ports.high, each.server)
        for each in fleet.slices.get(ip, ())
    )
    return FleetAddress(str(ip), slices, ip in fleet.draining)
