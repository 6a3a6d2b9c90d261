"""Store to snapshot: everything, or the zones that were touched since a revision (CONFIG 3 of 5).

Pure but for the reads: the same state of the store gives the same snapshot. The journal only says
where to look; what is sent is always what the store holds now, so a lost or doubled entry cannot
make a difference wrong.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import groupby
from typing import Final

from egressway.distribution.server import SHARED_POOL, ServerSettings
from egressway.model.ids import ZoneId
from egressway.model.origin import resolve_origin
from egressway.model.setting import SslMode
from egressway.store import Change, ChangeKind, Read, SnapshotRecord, SnapshotZone
from egressway.wire.snapshot import Certificate, Host, Origin, Pool, Snapshot, Zone

__all__ = ["compile_since", "compile_whole"]

MOST_TOUCHED: Final = 5_000
"""With more zones than this in a difference, the whole is about as quick and needs no base."""


def compile_since(
    read: Read,
    server: ServerSettings,
    since: int | None,
    without: Collection[ZoneId] = (),
    pools: tuple[Pool, ...] | None = None,
) -> Snapshot:
    """The difference to revision `since` where there is one, else the whole.

    Zones in `without` are left as they are: not sent, and removed only when they are no longer served.
    `pools` are those of revision `since`: while no pool is touched, they are not read again.
    """
    changes = None if since is None else _changes(read, since)
    touched = None if changes is None else _touched(changes)
    if changes is None or touched is None:
        return compile_whole(read, server, without)
    zones = read.zones_for_snapshot(touched) if touched else []
    served = {zone.id for zone in zones}
    is_pool_touched = any(change.kind is ChangeKind.POOL for change in changes)
    return _snapshot(
        read,
        server,
        [zone for zone in zones if zone.id not in without],
        None if is_pool_touched else pools,
        base_revision=since,
        removed_zones=tuple(sorted(zone_id for zone_id in touched if zone_id not in served)),
    )


def compile_whole(read: Read, server: ServerSettings, without: Collection[ZoneId] = ()) -> Snapshot:
    """Everything a data plane needs, whatever it has; but for the zones in `without`."""
    zones = [zone for zone in read.zones_for_snapshot() if zone.id not in without]
    return _snapshot(read, server, zones)


def _changes(read: Read, since: int) -> Sequence[Change] | None:
    """What was touched; None when a difference cannot be told from the journal."""
    if since > read.revision():
        return None  # the store is older than what the node runs: it was restored from a backup
    changes = read.changes_since(since)
    return changes if _is_complete(changes, since) else None


def _touched(changes: Sequence[Change]) -> Collection[ZoneId] | None:
    """Zones to compile again; None when there are too many."""
    touched = {change.zone_id for change in changes if change.zone_id is not None}
    return touched if len(touched) <= MOST_TOUCHED else None


def _is_complete(changes: Sequence[Change], since: int) -> bool:
    """No entry is missing: old ones may have been removed."""
    return not changes or changes[-1].revision - since == len(changes)


def _snapshot(
    read: Read,
    server: ServerSettings,
    zones: Sequence[SnapshotZone],
    pools: tuple[Pool, ...] | None = None,
    base_revision: int | None = None,
    removed_zones: tuple[str, ...] = (),
) -> Snapshot:
    return Snapshot(
        revision=read.revision(),
        base_revision=base_revision,
        settings=server.settings,
        listeners=server.listeners,
        pools=_pools(read, server) if pools is None else pools,
        shared_pool=SHARED_POOL,
        zones=tuple(_zone(zone) for zone in zones),
        removed_zones=removed_zones,
    )


def _pools(read: Read, server: ServerSettings) -> tuple[Pool, ...]:
    pools = read.pools_for_snapshot()
    dedicated = {ip for pool in pools for ip in pool.ips}
    return (
        server.shared_pool(dedicated),
        *(Pool(pool.id, tuple(map(server.egress_address, pool.ips))) for pool in pools),
    )


def _zone(zone: SnapshotZone) -> Zone:
    return Zone(
        id=zone.id,
        account=zone.account_id,
        name=zone.name,
        pool=zone.pool_id,
        tls_to_clients=zone.ssl is not SslMode.OFF,
        hosts=tuple(_hosts(zone)),
        certificates=tuple(
            Certificate(each.id, each.hosts, each.chain, each.key) for each in zone.certificates
        ),
    )


def _hosts(zone: SnapshotZone) -> list[Host]:
    by_name = groupby(zone.records, key=lambda record: record.name)
    return [
        Host(name, tuple(_origin(zone, record) for record in records)) for name, records in by_name
    ]


def _origin(zone: SnapshotZone, record: SnapshotRecord) -> Origin:
    origin = resolve_origin(
        record.address,
        record.details,
        ssl=zone.ssl,
        max_http_version=zone.max_http_version,
        h2_max_streams=zone.h2_max_streams,
    )
    return Origin(
        address=str(origin.address),
        port=origin.port,
        scheme=origin.scheme.value,
        verify=origin.verify.value,
        sni=origin.sni,
        host=origin.host,
        http2=origin.http2,
        h2_max_streams=origin.h2_max_streams,
    )
