"""The API's objects as frozen values, under the API's own field names.

Fields the client does not know are ignored, fields a server does not send are None: either side may
be the newer one.
"""

from datetime import datetime
from typing import Any

from msgspec import Struct

__all__ = [
    "Account",
    "AccountRef",
    "AegisValue",
    "Certificate",
    "ChangedServers",
    "DataCenter",
    "Deleted",
    "Grant",
    "IssuedToken",
    "JoinToken",
    "LeasedIp",
    "Listener",
    "Location",
    "Move",
    "NodeStatus",
    "NotReady",
    "PermissionGroup",
    "Placement",
    "Pool",
    "Record",
    "RecordSettings",
    "RegionOfList",
    "RegionalHostname",
    "Rollout",
    "RolloutStage",
    "Server",
    "Setting",
    "SharedRanges",
    "Slice",
    "Status",
    "Token",
    "TokenPolicy",
    "TokenStatus",
    "UsageRow",
    "Zone",
]


class Account(Struct, frozen=True, kw_only=True):
    """Who owns zones and leases."""

    id: str
    name: str
    type: str | None = None
    created_on: datetime | None = None


class AccountRef(Struct, frozen=True, kw_only=True):
    """The account as a zone names it."""

    id: str
    name: str | None = None


class Zone(Struct, frozen=True, kw_only=True):
    """A domain and its settings."""

    id: str
    name: str
    account: AccountRef
    status: str | None = None
    paused: bool | None = None
    type: str | None = None
    created_on: datetime | None = None
    modified_on: datetime | None = None


class RegionOfList(Struct, frozen=True, kw_only=True):
    """A region that hostnames can be confined to."""

    key: str
    label: str


class RegionalHostname(Struct, frozen=True, kw_only=True):
    """A name that is served in one region only; it has no other id."""

    hostname: str
    region_key: str
    routing: str | None = None
    created_on: datetime | None = None


class RecordSettings(Struct, frozen=True, kw_only=True):
    """How the record's origin is spoken to; None follows the zone's `ssl` setting."""

    origin_port: int | None = None
    origin_scheme: str | None = None
    origin_sni: str | None = None
    origin_host: str | None = None
    origin_http2: bool | None = None
    origin_verify: str | None = None
    ipv4_only: bool | None = None
    ipv6_only: bool | None = None


class Record(Struct, frozen=True, kw_only=True):
    """A DNS record; a proxied A or AAAA names an origin."""

    id: str
    name: str
    type: str
    content: str | None = None
    proxied: bool | None = None
    ttl: int | None = None
    comment: str | None = None
    settings: RecordSettings | None = None
    created_on: datetime | None = None
    modified_on: datetime | None = None


class AegisValue(Struct, frozen=True, kw_only=True):
    """Value of the setting `aegis`: whether the zone leaves from a pool, and from which."""

    enabled: bool | None = None
    pool_id: str | None = None


class Setting(Struct, frozen=True, kw_only=True):
    """One setting of a zone; what `value` is depends on the setting."""

    id: str
    value: Any = None
    editable: bool | None = None
    modified_on: datetime | None = None


class Certificate(Struct, frozen=True, kw_only=True):
    """A certificate that a zone's clients are answered with."""

    id: str
    zone_id: str
    hosts: list[str] = []
    issuer: str | None = None
    signature: str | None = None
    status: str | None = None
    expires_on: datetime | None = None
    uploaded_on: datetime | None = None
    modified_on: datetime | None = None


class LeasedIp(Struct, frozen=True, kw_only=True):
    """One address lent to an account."""

    id: str
    ip: str
    account_id: str
    created_on: datetime | None = None
    modified_on: datetime | None = None


class Pool(Struct, frozen=True, kw_only=True):
    """Egress addresses from one kind of source."""

    id: str
    name: str
    source: str
    ips: list[str] = []
    overflow: bool | None = None
    account_id: str = ""
    created_on: datetime | None = None
    modified_on: datetime | None = None


class Grant(Struct, frozen=True, kw_only=True):
    """Leave for another account's zones to use a pool."""

    account_id: str
    pool_id: str | None = None
    created_on: datetime | None = None


class Location(Struct, frozen=True, kw_only=True):
    """A metro of data centers."""

    name: str
    latitude: float
    longitude: float
    regions: list[str] = []
    created_on: datetime | None = None
    modified_on: datetime | None = None


class DataCenter(Struct, frozen=True, kw_only=True):
    """A hall of servers."""

    name: str
    location: str
    created_on: datetime | None = None
    modified_on: datetime | None = None


class ChangedServers(Struct, frozen=True, kw_only=True):
    """The servers of a data center that are in another state now."""

    data_center: str
    servers: list[str] = []


class Server(Struct, frozen=True, kw_only=True):
    """One machine of the fleet."""

    name: str
    number: int
    data_center: str
    link: str | None = None
    state: str = "active"
    epoch: int = 0
    created_on: datetime | None = None
    modified_on: datetime | None = None


class FleetServer(Struct, frozen=True, kw_only=True):
    """One machine as it should be, and as it has told last that it is."""

    name: str
    data_center: str
    state: str
    epoch: int = 0
    revision: int | None = None
    acknowledged_on: datetime | None = None
    reason: str | None = None


class Fleet(Struct, frozen=True, kw_only=True):
    """What every server runs, and whether they are reached."""

    revision: int
    servers: tuple[FleetServer, ...] = ()
    is_bus_connected: bool = True
    failure: str | None = None
    withheld: dict[str, str] = {}


class JoinToken(Struct, frozen=True, kw_only=True):
    """An invitation of a server's node, at the one moment it is shown."""

    server: str
    token: str  # the secret
    expires_on: datetime | None = None

    def __repr__(self) -> str:
        return f"JoinToken(server={self.server!r})"


class Slice(Struct, frozen=True, kw_only=True):
    """Ports of an address on one server."""

    ports: str
    server: str
    data_center: str
    location: str


class Placement(Struct, frozen=True, kw_only=True):
    """Which servers may open connections from an address."""

    ip: str
    account_id: str
    ports: int = 0
    slices: list[Slice] = []
    is_default: bool = False
    is_draining: bool = False


class Move(Struct, frozen=True, kw_only=True):
    """Ports whose former owner keeps established connections for a while."""

    id: str
    ip: str
    ports: str
    source: str
    target: str
    deadline: datetime | None = None
    created_on: datetime | None = None


class PermissionGroup(Struct, frozen=True, kw_only=True):
    """A named set of rights that a token can be given."""

    id: str
    name: str | None = None


class TokenPolicy(Struct, frozen=True, kw_only=True):
    """Rights over resources, allowed or denied."""

    effect: str
    permission_groups: list[PermissionGroup] = []
    resources: dict[str, Any] = {}


class Token(Struct, frozen=True, kw_only=True):
    """An API token without its secret."""

    id: str
    name: str | None = None
    status: str | None = None
    policies: list[TokenPolicy] = []
    not_before: datetime | None = None
    expires_on: datetime | None = None
    issued_on: datetime | None = None
    modified_on: datetime | None = None
    last_used_on: datetime | None = None


class IssuedToken(Token, frozen=True, kw_only=True):
    """A token at the one moment its secret is shown."""

    value: str  # the secret

    def __repr__(self) -> str:
        return f"IssuedToken(id={self.id!r}, name={self.name!r})"


class TokenStatus(Struct, frozen=True, kw_only=True):
    """What the API says of the token that asks."""

    id: str
    status: str
    not_before: datetime | None = None
    expires_on: datetime | None = None


class UsageRow(Struct, frozen=True, kw_only=True):
    """Connections from one egress address to one origin; `utilization` in percent."""

    account_id: str = ""
    egress_ip: str
    origin: str
    current: int
    peak: int
    capacity: int
    utilization: float
    opened: int = 0
    refused: int = 0
    reused: int = 0


class SharedRanges(Struct, frozen=True, kw_only=True):
    """The shared pool: where zones without a pool of their own leave from."""

    ipv4_cidrs: list[str] = []
    ipv6_cidrs: list[str] = []
    etag: str | None = None


class NotReady(Struct, frozen=True, kw_only=True):
    """One reason against sending traffic to a machine."""

    code: str
    message: str
    subject: str | None = None


class Listener(Struct, frozen=True, kw_only=True):
    """Where the data plane takes requests."""

    address: str
    port: int
    tls: bool


class NodeStatus(Struct, frozen=True, kw_only=True):
    """The data plane's own numbers."""

    revision: int
    zones: int
    hosts: int
    workers: int
    connections: int
    origin_connections: int
    waiting: int
    panics: int
    foreign_egress: int
    log_dropped: int
    is_draining: bool
    listeners: list[Listener] = []


class Status(Struct, frozen=True, kw_only=True):
    """Whether one Egressway is ready, and why it is not; `node` only for operators."""

    url: str
    is_ready: bool
    reasons: list[NotReady] = []
    node: NodeStatus | None = None


class RolloutStage(Struct, frozen=True, kw_only=True):
    """Who may be at which revision."""

    revision: int
    servers: list[str] = []
    data_centers: list[str] = []
    all: bool = False


class Rollout(Struct, frozen=True, kw_only=True):
    """How far a change goes by itself."""

    mode: str
    state: str
    stable: int
    stages: list[RolloutStage] = []
    reason: str | None = None


class Deleted(Struct, frozen=True, kw_only=True):
    """The answer to a delete."""

    id: str | None = None
