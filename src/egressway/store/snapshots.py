"""Between CONFIG 2 and 3: everything the data plane needs, in bulk.

Five queries, however many zones: plain columns instead of objects, joined here by zone. A hundred
thousand zones are a few seconds.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any, Final

from sqlalchemy import String, and_, select, type_coerce
from sqlalchemy.orm import InstrumentedAttribute, Session
from sqlalchemy.sql.elements import ColumnElement

from egressway.model.account import AccountType
from egressway.model.address import IPAddress
from egressway.model.hostname import Hostname
from egressway.model.ids import AccountId, CertificateId, PoolId, ZoneId
from egressway.model.lease import LeasedIP
from egressway.model.origin import OriginDetails, OriginScheme, OriginVerify
from egressway.model.setting import (
    SettingId,
    SslMode,
    default_h2_max_streams,
    default_max_http_version,
)
from egressway.store.certificates import split_chain
from egressway.store.schema import (
    AccountRow,
    CertificateRow,
    HostRow,
    PoolIpRow,
    PoolRow,
    RecordRow,
    RegionalHostnameRow,
    ZoneAegisRow,
    ZoneRow,
    ZoneSettingRow,
)

__all__ = [
    "SnapshotCertificate",
    "SnapshotPool",
    "SnapshotRecord",
    "SnapshotRegional",
    "SnapshotZone",
    "pools",
    "zones",
]

_MOST_NAMED: Final = 10_000
_AT_ONCE: Final = 500  # zone ids in one query; databases bound the number of parameters


@dataclass(frozen=True, slots=True)
class SnapshotRecord:
    """One proxied address of one name."""

    name: Hostname
    address: IPAddress
    details: OriginDetails


@dataclass(frozen=True, slots=True)
class SnapshotCertificate:
    """A chain (DER, leaf first) and its key (PKCS#8 DER)."""

    id: CertificateId
    hosts: tuple[Hostname, ...]
    chain: tuple[bytes, ...] = field(repr=False)
    key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class SnapshotRegional:
    """A name that is served in one region only. Another zone may have records for it by now."""

    hostname: Hostname
    region_key: str
    is_of_another_zone: bool


@dataclass(frozen=True, slots=True)
class SnapshotZone:
    """What the data plane serves for one zone. `pool_id` is None while `aegis` is off.

    Records are sorted by name, certificates by priority, the highest first.
    """

    id: ZoneId
    account_id: AccountId
    name: Hostname
    pool_id: PoolId | None
    ssl: SslMode
    max_http_version: str
    h2_max_streams: int
    records: tuple[SnapshotRecord, ...]
    certificates: tuple[SnapshotCertificate, ...]
    regional: tuple[SnapshotRegional, ...] = ()

    @property
    def regions(self) -> dict[str, str]:
        """Regions by hostname, for `model.regional_hostname`."""
        return {each.hostname: each.region_key for each in self.regional}


@dataclass(frozen=True, slots=True)
class SnapshotPool:
    """A pool's addresses, in their order."""

    id: PoolId
    account_id: AccountId
    ips: tuple[LeasedIP, ...]
    overflow: bool = False


def zones(session: Session, zone_ids: Collection[ZoneId] | None) -> list[SnapshotZone]:
    """These zones, or all of them; without those that are paused."""
    if zone_ids is None:
        return _some_zones(session, None)
    ordered = iter(sorted(set(zone_ids)))
    parts = iter(lambda: list(itertools.islice(ordered, _AT_ONCE)), [])
    return [zone for part in parts for zone in _some_zones(session, part)]


def pools(session: Session, pool_ids: Collection[PoolId] | None = None) -> list[SnapshotPool]:
    """These pools with their addresses, or all of them."""
    wanted = None if pool_ids is None else frozenset(pool_ids)
    ips: defaultdict[PoolId, list[LeasedIP]] = defaultdict(list)
    for pool_id, ip in session.execute(
        select(PoolIpRow.pool_id, PoolIpRow.ip)
        .where(_among_pools(PoolIpRow.pool_id, wanted))
        .order_by(PoolIpRow.position, PoolIpRow.ip)
    ):
        ips[pool_id].append(ip)
    return [
        SnapshotPool(pool_id, account_id, tuple(ips[pool_id]), overflow)
        for pool_id, account_id, overflow in session.execute(
            select(PoolRow.id, PoolRow.account_id, PoolRow.overflow)
            .where(_among_pools(PoolRow.id, wanted))
            .order_by(PoolRow.id)
        )
        if wanted is None or pool_id in wanted
    ]


def _some_zones(session: Session, zone_ids: Sequence[ZoneId] | None) -> list[SnapshotZone]:
    records = _records(session, zone_ids)
    certificates = _certificates(session, zone_ids)
    settings = _settings(session, zone_ids)
    regional = _regional(session, zone_ids)
    found = []
    for zone_id, account_id, name, account_type, pool_id in _zone_rows(session, zone_ids):
        own = settings.get(zone_id, _NOTHING)
        version = own.get(SettingId.ORIGIN_MAX_HTTP_VERSION)
        streams = own.get(SettingId.ORIGIN_H2_MAX_STREAMS)
        found.append(
            SnapshotZone(
                id=zone_id,
                account_id=account_id,
                name=name,
                pool_id=pool_id,
                ssl=SslMode(own.get(SettingId.SSL, SslMode.FULL)),
                max_http_version=version or default_max_http_version(AccountType(account_type)),
                h2_max_streams=streams or default_h2_max_streams(AccountType(account_type)),
                records=tuple(records.get(zone_id, ())),
                certificates=tuple(certificates.get(zone_id, ())),
                regional=tuple(regional.get(zone_id, ())),
            )
        )
    return found


_NOTHING: Final[dict[str, Any]] = {}


def _zone_rows(session: Session, zone_ids: Sequence[ZoneId] | None) -> Iterator[Any]:
    linked = and_(ZoneAegisRow.zone_id == ZoneRow.id, ZoneAegisRow.enabled)
    return iter(
        session.execute(
            select(
                ZoneRow.id,
                ZoneRow.account_id,
                ZoneRow.name,
                type_coerce(AccountRow.type, String),
                ZoneAegisRow.pool_id,
            )
            .join(AccountRow, AccountRow.id == ZoneRow.account_id)
            .outerjoin(ZoneAegisRow, linked)
            .where(~ZoneRow.is_paused, _among(ZoneRow.id, zone_ids))
            .order_by(ZoneRow.id)
        )
    )


def _records(
    session: Session, zone_ids: Sequence[ZoneId] | None
) -> dict[ZoneId, list[SnapshotRecord]]:
    found: defaultdict[ZoneId, list[SnapshotRecord]] = defaultdict(list)
    known: dict[tuple[Any, ...], OriginDetails] = {}
    # The plain texts of the columns: converting each of them costs more than the query.
    rows = session.execute(
        select(
            RecordRow.zone_id,
            RecordRow.name,
            RecordRow.content,
            RecordRow.origin_port,
            type_coerce(RecordRow.origin_scheme, String),
            RecordRow.origin_sni,
            RecordRow.origin_host,
            RecordRow.origin_http2,
            type_coerce(RecordRow.origin_verify, String),
        )
        .where(RecordRow.proxied_name.is_not(None), _among(RecordRow.zone_id, zone_ids))
        .order_by(RecordRow.zone_id, RecordRow.name, RecordRow.content)
    )
    for zone_id, name, content, *members in rows:
        said: tuple[Any, ...] = tuple(members)
        details = known.get(said)
        if details is None:
            details = known.setdefault(said, _details(*said))
        found[zone_id].append(SnapshotRecord(Hostname(name), ip_address(content), details))
    return found


def _details(
    port: int | None,
    scheme: str | None,
    sni: str | None,
    host: str | None,
    http2: bool | None,
    verify: str | None,
) -> OriginDetails:
    return OriginDetails(
        port=port,
        scheme=None if scheme is None else OriginScheme(scheme),
        sni=None if sni is None else Hostname(sni),
        host=None if host is None else Hostname(host),
        http2=http2,
        verify=None if verify is None else OriginVerify(verify),
    )


def _certificates(
    session: Session, zone_ids: Sequence[ZoneId] | None
) -> dict[ZoneId, list[SnapshotCertificate]]:
    found: defaultdict[ZoneId, list[SnapshotCertificate]] = defaultdict(list)
    rows = session.execute(
        select(
            CertificateRow.zone_id,
            CertificateRow.id,
            CertificateRow.hosts,
            CertificateRow.chain,
            CertificateRow.key,
        )
        .where(_among(CertificateRow.zone_id, zone_ids))
        .order_by(CertificateRow.zone_id, CertificateRow.priority.desc(), CertificateRow.id)
    )
    for zone_id, certificate_id, hosts, chain, key in rows:
        found[zone_id].append(
            SnapshotCertificate(certificate_id, tuple(hosts), split_chain(chain), key)
        )
    return found


def _settings(session: Session, zone_ids: Sequence[ZoneId] | None) -> dict[ZoneId, dict[str, Any]]:
    found: defaultdict[ZoneId, dict[str, Any]] = defaultdict(dict)
    for zone_id, setting_id, value in session.execute(
        select(ZoneSettingRow.zone_id, ZoneSettingRow.setting_id, ZoneSettingRow.value).where(
            _among(ZoneSettingRow.zone_id, zone_ids)
        )
    ):
        found[zone_id][setting_id] = value
    return found


def _regional(
    session: Session, zone_ids: Sequence[ZoneId] | None
) -> dict[ZoneId, list[SnapshotRegional]]:
    found: defaultdict[ZoneId, list[SnapshotRegional]] = defaultdict(list)
    rows = session.execute(
        select(
            RegionalHostnameRow.zone_id,
            RegionalHostnameRow.hostname,
            RegionalHostnameRow.region_key,
            HostRow.zone_id,
        )
        .outerjoin(HostRow, HostRow.name == RegionalHostnameRow.hostname)
        .where(_among(RegionalHostnameRow.zone_id, zone_ids))
        .order_by(RegionalHostnameRow.zone_id, RegionalHostnameRow.hostname)
    )
    for zone_id, hostname, region_key, holder in rows:
        is_elsewhere = holder not in (None, zone_id)
        found[zone_id].append(SnapshotRegional(Hostname(hostname), region_key, is_elsewhere))
    return found


def _among(
    column: InstrumentedAttribute[ZoneId], zone_ids: Sequence[ZoneId] | None
) -> ColumnElement[bool]:
    return and_(True) if zone_ids is None else column.in_(zone_ids)


def _among_pools(
    column: InstrumentedAttribute[PoolId], pool_ids: Collection[PoolId] | None
) -> ColumnElement[bool]:
    """With many, all are read and then chosen from."""
    return and_(True) if pool_ids is None or len(pool_ids) > _MOST_NAMED else column.in_(pool_ids)
