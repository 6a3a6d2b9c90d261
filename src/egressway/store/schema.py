"""CONFIG 2 of 5: the tables. Their constraints guard the rules that must hold whoever writes.

    account --< zone --< dns_record >-- host      a proxied name belongs to one zone only
       |         |---< certificate
       |         |---- zone_aegis >-- pool        an enabled zone always has its pool
       |         |---< zone_setting
       |         `---< regional_hostname
       |---< lease ---- pool_ip >-- pool          an address: one lease, one pool, one kind of source
       |---< pool --< pool_grant >-- account
       `---< token
    location --< data_center --< server --< port_slice >-- lease    ports of an address: one server each
                                    `---< slice_move >-- lease      established connections under way
    change                                        the journal; its counter is the revision

The migrations lead to the same tables; a test compares them with this module.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Text,
    UniqueConstraint,
    false,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from egressway.model.account import AccountType
from egressway.model.address import IPAddress
from egressway.model.certificate import BundleMethod
from egressway.model.data_center import DataCenterName
from egressway.model.ids import (
    AccountId,
    CertificateId,
    LeaseId,
    PoolId,
    RecordId,
    TokenId,
    ZoneId,
)
from egressway.model.lease import LeasedIP
from egressway.model.location import LocationName
from egressway.model.origin import OriginScheme, OriginVerify
from egressway.model.pool import PoolSource
from egressway.model.record import RecordType
from egressway.model.server import ServerName, ServerState
from egressway.model.slice_move import MoveId
from egressway.model.zone import ZoneStatus, ZoneType
from egressway.store.types import Address, Choice, Moment

__all__ = [
    "AccountRow",
    "Base",
    "CertificateRow",
    "ChangeRow",
    "DataCenterRow",
    "HostRow",
    "LeaseRow",
    "LocationRow",
    "PoolGrantRow",
    "PoolIpRow",
    "PoolRow",
    "PortSliceRow",
    "RecordRow",
    "RegionalHostnameRow",
    "ServerRow",
    "SliceMoveRow",
    "TokenRow",
    "ZoneAegisRow",
    "ZoneRow",
    "ZoneSettingRow",
]

_ID = String(32)
_NAME = String(63)


class Base(DeclarativeBase):
    """Names every constraint, so that later migrations can find it."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        AccountId: _ID,
        ZoneId: _ID,
        RecordId: _ID,
        CertificateId: _ID,
        LeaseId: _ID,
        PoolId: _ID,
        TokenId: _ID,
        MoveId: _ID,
        LocationName: _NAME,
        DataCenterName: _NAME,
        ServerName: _NAME,
        datetime: Moment(),
        IPAddress: Address(),
        AccountType: Choice(AccountType),
        ZoneStatus: Choice(ZoneStatus),
        ZoneType: Choice(ZoneType),
        RecordType: Choice(RecordType),
        OriginScheme: Choice(OriginScheme),
        OriginVerify: Choice(OriginVerify),
        PoolSource: Choice(PoolSource),
        BundleMethod: Choice(BundleMethod),
        ServerState: Choice(ServerState),
    }


class AccountRow(Base):
    """Who owns zones, leases and pools; cannot go while it owns one."""

    __tablename__ = "account"

    id: Mapped[AccountId] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    type: Mapped[AccountType]
    abuse_contact_email: Mapped[str | None] = mapped_column(String(255))
    enforce_twofactor: Mapped[bool]
    created_on: Mapped[datetime]
    modified_on: Mapped[datetime]


class TokenRow(Base):
    """Only the SHA-256 of a token is here; it has enough entropy to need no slower hash."""

    __tablename__ = "token"
    __table_args__ = (
        CheckConstraint("NOT is_operator OR account_id IS NULL", name="operator_has_no_account"),
    )

    id: Mapped[TokenId] = mapped_column(primary_key=True)
    account_id: Mapped[AccountId | None] = mapped_column(
        ForeignKey("account.id", ondelete="CASCADE"), index=True
    )
    name: Mapped[str] = mapped_column(String(120))
    sha256: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    is_operator: Mapped[bool]
    is_disabled: Mapped[bool]
    policies: Mapped[list[Any]] = mapped_column(JSON)
    request_ip: Mapped[dict[str, Any]] = mapped_column(JSON)
    not_before: Mapped[datetime | None]
    expires_on: Mapped[datetime | None]
    issued_on: Mapped[datetime]
    modified_on: Mapped[datetime]
    last_used_on: Mapped[datetime | None]


class ZoneRow(Base):
    """A domain; its name exists once in the whole installation."""

    __tablename__ = "zone"
    __table_args__ = (Index("ix_zone_created_on_id", "created_on", "id"),)

    id: Mapped[ZoneId] = mapped_column(primary_key=True)
    account_id: Mapped[AccountId] = mapped_column(
        ForeignKey("account.id", ondelete="RESTRICT"), index=True
    )
    name: Mapped[str] = mapped_column(String(253), unique=True)
    type: Mapped[ZoneType]
    status: Mapped[ZoneStatus]
    is_paused: Mapped[bool]
    created_on: Mapped[datetime]
    modified_on: Mapped[datetime]
    activated_on: Mapped[datetime | None]
    account: Mapped[AccountRow] = relationship(lazy="joined", innerjoin=True)


class HostRow(Base):
    """A name that a zone has proxied records for. The primary key is the guard: one zone per name."""

    __tablename__ = "host"
    __table_args__ = (UniqueConstraint("name", "zone_id"),)

    name: Mapped[str] = mapped_column(String(253), primary_key=True)
    zone_id: Mapped[ZoneId] = mapped_column(ForeignKey("zone.id", ondelete="CASCADE"), index=True)


class RecordRow(Base):
    """A DNS record. `proxied_name` is the name if the record is proxied, else null."""

    __tablename__ = "dns_record"
    __table_args__ = (
        UniqueConstraint("zone_id", "name", "type", "content"),
        ForeignKeyConstraint(["proxied_name", "zone_id"], ["host.name", "host.zone_id"]),
        CheckConstraint("proxied_name IS NULL OR proxied_name = name", name="proxied_name_is_name"),
        CheckConstraint(
            "proxied_name IS NULL OR type IN ('A', 'AAAA')", name="only_addresses_are_proxied"
        ),
        Index("ix_dns_record_proxied_name_zone_id", "proxied_name", "zone_id"),
    )

    id: Mapped[RecordId] = mapped_column(primary_key=True)
    zone_id: Mapped[ZoneId] = mapped_column(ForeignKey("zone.id", ondelete="CASCADE"))
    type: Mapped[RecordType]
    name: Mapped[str] = mapped_column(String(253))
    content: Mapped[str] = mapped_column(String(2048))
    ttl: Mapped[int]
    proxied_name: Mapped[str | None] = mapped_column(String(253))
    priority: Mapped[int | None]
    comment: Mapped[str | None] = mapped_column(String(500))
    tags: Mapped[list[Any]] = mapped_column(JSON)
    origin_port: Mapped[int | None]
    origin_scheme: Mapped[OriginScheme | None]
    origin_sni: Mapped[str | None] = mapped_column(String(253))
    origin_host: Mapped[str | None] = mapped_column(String(253))
    origin_http2: Mapped[bool | None]
    origin_verify: Mapped[OriginVerify | None]
    ipv4_only: Mapped[bool | None]
    ipv6_only: Mapped[bool | None]
    created_on: Mapped[datetime]
    modified_on: Mapped[datetime]
    comment_modified_on: Mapped[datetime | None]
    tags_modified_on: Mapped[datetime | None]


class CertificateRow(Base):
    """A chain and its key, DER. Only the owner of the database file can read the key."""

    __tablename__ = "certificate"

    id: Mapped[CertificateId] = mapped_column(primary_key=True)
    zone_id: Mapped[ZoneId] = mapped_column(ForeignKey("zone.id", ondelete="CASCADE"), index=True)
    hosts: Mapped[list[Any]] = mapped_column(JSON)
    chain: Mapped[bytes] = mapped_column(LargeBinary)
    key: Mapped[bytes] = mapped_column(LargeBinary)
    issuer: Mapped[str] = mapped_column(Text)
    signature: Mapped[str] = mapped_column(String(32))
    bundle_method: Mapped[BundleMethod]
    priority: Mapped[int]
    not_before: Mapped[datetime]
    expires_on: Mapped[datetime]
    uploaded_on: Mapped[datetime]
    modified_on: Mapped[datetime]


class LeaseRow(Base):
    """One address or IPv6 range lent to one account; it is unique, so nobody else has it."""

    __tablename__ = "lease"
    __table_args__ = (UniqueConstraint("id", "ip"),)

    id: Mapped[LeaseId] = mapped_column(primary_key=True)
    account_id: Mapped[AccountId] = mapped_column(
        ForeignKey("account.id", ondelete="RESTRICT"), index=True
    )
    ip: Mapped[LeasedIP] = mapped_column(Address(), unique=True)
    created_on: Mapped[datetime]
    modified_on: Mapped[datetime]
    is_draining: Mapped[bool] = mapped_column(default=False, server_default=false())


class PoolRow(Base):
    """A set of egress addresses of one kind of source."""

    __tablename__ = "pool"
    __table_args__ = (
        UniqueConstraint("id", "source"),
        CheckConstraint("source IN ('leased', 'byoip')", name="source_is_known"),
    )

    id: Mapped[PoolId] = mapped_column(primary_key=True)
    account_id: Mapped[AccountId] = mapped_column(
        ForeignKey("account.id", ondelete="RESTRICT"), index=True
    )
    name: Mapped[str] = mapped_column(String(100))
    source: Mapped[PoolSource]
    created_on: Mapped[datetime]
    modified_on: Mapped[datetime]
    overflow: Mapped[bool] = mapped_column(default=False, server_default=false())


class PoolIpRow(Base):
    """One address of a pool. It repeats the pool's source, so that mixing breaks a constraint."""

    __tablename__ = "pool_ip"
    __table_args__ = (
        ForeignKeyConstraint(["pool_id", "source"], ["pool.id", "pool.source"], ondelete="CASCADE"),
        ForeignKeyConstraint(["lease_id", "ip"], ["lease.id", "lease.ip"], ondelete="RESTRICT"),
        CheckConstraint(
            "(source = 'leased') = (lease_id IS NOT NULL)", name="leased_means_with_lease"
        ),
        Index("ix_pool_ip_pool_id", "pool_id"),
        Index("ix_pool_ip_lease_id", "lease_id"),
    )

    ip: Mapped[LeasedIP] = mapped_column(Address(), primary_key=True)
    pool_id: Mapped[PoolId]
    source: Mapped[PoolSource]
    lease_id: Mapped[LeaseId | None]
    position: Mapped[int]


class LocationRow(Base):
    """A metro of data centers."""

    __tablename__ = "location"
    __table_args__ = (
        CheckConstraint("latitude BETWEEN -90 AND 90", name="latitude_in_degrees"),
        CheckConstraint("longitude BETWEEN -180 AND 180", name="longitude_in_degrees"),
    )

    name: Mapped[LocationName] = mapped_column(primary_key=True)
    latitude: Mapped[float] = mapped_column(Double())
    longitude: Mapped[float] = mapped_column(Double())
    regions: Mapped[list[Any]] = mapped_column(JSON)
    created_on: Mapped[datetime]
    modified_on: Mapped[datetime]


class DataCenterRow(Base):
    """A hall of servers."""

    __tablename__ = "data_center"

    name: Mapped[DataCenterName] = mapped_column(primary_key=True)
    location: Mapped[LocationName] = mapped_column(
        ForeignKey("location.name", ondelete="RESTRICT"), index=True
    )
    created_on: Mapped[datetime]
    modified_on: Mapped[datetime]


class ServerRow(Base):
    """One machine."""

    __tablename__ = "server"
    __table_args__ = (
        CheckConstraint("number >= 0", name="number_from_zero"),
        CheckConstraint("state IN ('active', 'draining', 'revoked')", name="state_is_known"),
    )

    name: Mapped[ServerName] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(unique=True)
    data_center: Mapped[DataCenterName] = mapped_column(
        ForeignKey("data_center.name", ondelete="RESTRICT"), index=True
    )
    link: Mapped[str | None] = mapped_column(String(64))
    state: Mapped[ServerState]
    epoch: Mapped[int]
    created_on: Mapped[datetime]
    modified_on: Mapped[datetime]


class PortSliceRow(Base):
    """Ports of a leased IPv4 address on one server. The migration adds guards over several rows:
    slices of an address never overlap, and lie in at most four locations.
    """

    __tablename__ = "port_slice"
    __table_args__ = (
        CheckConstraint("1 <= low AND low <= high AND high <= 65535", name="ports_in_order"),
        CheckConstraint(
            "NOT is_default OR (low = 1 AND high = 65535)", name="default_is_all_ports"
        ),
    )

    ip: Mapped[IPAddress] = mapped_column(
        Address(), ForeignKey("lease.ip", ondelete="CASCADE"), primary_key=True
    )
    low: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    high: Mapped[int]
    server: Mapped[ServerName] = mapped_column(
        ForeignKey("server.name", ondelete="RESTRICT"), index=True
    )
    is_default: Mapped[bool]


class SliceMoveRow(Base):
    """Ports whose former owner keeps established connections for a while."""

    __tablename__ = "slice_move"
    __table_args__ = (
        CheckConstraint("1 <= low AND low <= high AND high <= 65535", name="ports_in_order"),
    )

    id: Mapped[MoveId] = mapped_column(primary_key=True)
    ip: Mapped[IPAddress] = mapped_column(
        Address(), ForeignKey("lease.ip", ondelete="CASCADE"), index=True
    )
    low: Mapped[int]
    high: Mapped[int]
    source: Mapped[ServerName] = mapped_column(
        ForeignKey("server.name", ondelete="RESTRICT"), index=True
    )
    target: Mapped[ServerName] = mapped_column(
        ForeignKey("server.name", ondelete="RESTRICT"), index=True
    )
    deadline: Mapped[datetime]
    created_on: Mapped[datetime]


class PoolGrantRow(Base):
    """The operator lets zones of another account use a pool."""

    __tablename__ = "pool_grant"

    pool_id: Mapped[PoolId] = mapped_column(
        ForeignKey("pool.id", ondelete="CASCADE"), primary_key=True
    )
    account_id: Mapped[AccountId] = mapped_column(
        ForeignKey("account.id", ondelete="CASCADE"), primary_key=True, index=True
    )
    created_on: Mapped[datetime]


class ZoneAegisRow(Base):
    """Dedicated egress of a zone. An enabled zone without pool is impossible: that would leak."""

    __tablename__ = "zone_aegis"
    __table_args__ = (
        CheckConstraint("NOT enabled OR pool_id IS NOT NULL", name="enabled_has_pool"),
    )

    zone_id: Mapped[ZoneId] = mapped_column(
        ForeignKey("zone.id", ondelete="CASCADE"), primary_key=True
    )
    enabled: Mapped[bool]
    pool_id: Mapped[PoolId | None] = mapped_column(
        ForeignKey("pool.id", ondelete="RESTRICT"), index=True
    )
    modified_on: Mapped[datetime]


class ZoneSettingRow(Base):
    """Every other setting of a zone; what is absent has its default."""

    __tablename__ = "zone_setting"

    zone_id: Mapped[ZoneId] = mapped_column(
        ForeignKey("zone.id", ondelete="CASCADE"), primary_key=True
    )
    setting_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    value: Mapped[Any] = mapped_column(JSON)
    modified_on: Mapped[datetime]


class RegionalHostnameRow(Base):
    """A name of a zone, or a one-level wildcard, that is served in one region only."""

    __tablename__ = "regional_hostname"

    zone_id: Mapped[ZoneId] = mapped_column(
        ForeignKey("zone.id", ondelete="CASCADE"), primary_key=True
    )
    hostname: Mapped[str] = mapped_column(String(253), primary_key=True, index=True)
    region_key: Mapped[str] = mapped_column(String(32))
    routing: Mapped[str] = mapped_column(String(255))
    created_on: Mapped[datetime]


class ChangeRow(Base):
    """The journal. Its counter never goes back, not even when rows are removed."""

    __tablename__ = "change"
    __table_args__ = ({"sqlite_autoincrement": True},)

    revision: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True
    )
    kind: Mapped[str] = mapped_column(String(32))
    object_id: Mapped[str] = mapped_column(String(64))
    zone_id: Mapped[ZoneId | None] = mapped_column(_ID)
    actor: Mapped[str] = mapped_column(String(120))
    at: Mapped[datetime]
