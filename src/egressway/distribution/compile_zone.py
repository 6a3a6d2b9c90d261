"""A zone of the store as servers are told it (CONFIG 3 of 5)."""

from __future__ import annotations

from itertools import groupby

from egressway.model.hostname import Hostname, wildcard_over
from egressway.model.origin import resolve_origin
from egressway.model.regional_hostname import region_of
from egressway.model.setting import SslMode
from egressway.store import SnapshotRecord, SnapshotZone
from egressway.wire.snapshot import Certificate, Host, Origin, Zone

__all__ = ["compile_zone"]


def compile_zone(zone: SnapshotZone) -> Zone:
    """Names, origins and certificates, with what the zone's settings make of them."""
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
    origins = {
        name: tuple(_origin(zone, record) for record in records)
        for name, records in groupby(zone.records, key=lambda record: record.name)
    }
    regions = zone.regions
    return [
        Host(name, found, region_of(name, regions))
        for name, found in sorted((origins | _out_of_wildcards(zone, origins)).items())
    ]


def _out_of_wildcards(
    zone: SnapshotZone, origins: dict[Hostname, tuple[Origin, ...]]
) -> dict[Hostname, tuple[Origin, ...]]:
    """Regional names that only a wildcard has records for: its region is not theirs."""
    found = {}
    for each in zone.regional:
        wildcard = wildcard_over(each.hostname)
        if wildcard in origins and each.hostname not in origins and not each.is_of_another_zone:
            found[each.hostname] = origins[Hostname(wildcard)]
    return found


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
