"""Desired state of one server's data plane, as bytes (between CONFIG 3 and CONFIG 5).

Twin of `data-plane/snapshot/src/wire.rs`, field by field; the golden files in `testdata/snapshots/`
hold both to the same bytes. Addresses and networks are text here because they are text on the wire:
`distribution` writes them from parsed values and the data plane parses them once.

Never decides anything: what makes a snapshot acceptable is in `consistency`.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from egressway.model import address as model_address
from egressway.wire.capability import WIRE

__all__ = [
    "DENIED_ORIGINS",
    "Certificate",
    "Distance",
    "EgressAddress",
    "Fleet",
    "Host",
    "Link",
    "Listener",
    "Origin",
    "Peer",
    "Pool",
    "Region",
    "Rung",
    "Scheme",
    "Settings",
    "Snapshot",
    "Verify",
    "Zone",
    "decode",
    "encode",
]

Scheme: TypeAlias = Literal["http", "https", "h2c"]
Verify: TypeAlias = Literal["off", "full", "strict"]
Distance: TypeAlias = Literal["data_center", "location", "closest"]
"""How far another server is, nearest first."""

DENIED_ORIGINS: tuple[str, ...] = tuple(str(network) for network in model_address.DENIED_ORIGINS)
"""Networks of a fleet's inside: an account's records must not lead there."""


class Origin(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where requests of a host go: one address and how to speak to it."""

    address: str
    port: int
    scheme: Scheme
    verify: Verify = "strict"
    sni: str | None = None
    """TLS server name; None is the request's host."""
    host: str | None = None
    """Host header towards the origin; None is the request's host."""
    http2: bool = True
    """HTTP/2 may be offered by ALPN."""
    h2_max_streams: int = 100


class Host(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One hostname, or a one-level wildcard such as `*.example.com`."""

    name: str
    origins: tuple[Origin, ...]
    region: str | None = None
    """Key of the region that requests are served in; None is everywhere."""


class Certificate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What clients are shown; `repr` is kept free of the key."""

    id: str
    hosts: tuple[str, ...]
    chain: tuple[bytes, ...]
    """DER, leaf first."""
    key: bytes
    """PKCS#8 DER."""

    def __repr__(self) -> str:
        return f"Certificate(id={self.id!r}, hosts={self.hosts!r})"


class Zone(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A customer's domain: its names, and the pool its requests leave from."""

    id: str
    account: str
    name: str
    pool: str | None = None
    """Id of the dedicated pool; None is the shared pool."""
    tls_to_clients: bool = True
    hosts: tuple[Host, ...] = ()
    certificates: tuple[Certificate, ...] = ()


class EgressAddress(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One address with the port slices this server owns of it."""

    ip: str
    slices: tuple[tuple[int, int], ...]
    """Inclusive port ranges, ascending, not overlapping."""
    cap: int
    """Concurrent connections per origin ip:port and protocol."""
    draining: bool = False


class Rung(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Other servers at one distance that hold IPv4 slices of a pool."""

    rung: Distance
    location: str
    """The location these servers stand in."""
    servers: tuple[str, ...]


class Pool(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A set of egress addresses from one kind of source."""

    id: str
    addresses: tuple[EgressAddress, ...]
    """What this server owns of the pool."""
    overflow: bool = False
    """When the location is exhausted, requests may go on to the closest one that holds the pool."""
    elsewhere: tuple[Rung, ...] = ()
    """In the order of the forwarding ladder."""


class Listener(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An address and port clients connect to; port 0 lets the kernel choose."""

    address: str
    port: int
    tls: bool
    proxy_protocol_from: tuple[str, ...] | None = None
    """Networks whose connections must begin with a PROXY protocol header; None: no such header."""


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Limits and deadlines; durations are milliseconds. Explained in `reference/settings.md`."""

    server_name: str = "egressway"
    tls_handshake_ms: int = 10_000
    head_ms: int = 15_000
    idle_h1_ms: int = 60_000
    idle_h2_ms: int = 120_000
    body_ms: int = 30_000
    tunnel_idle_ms: int = 3_600_000
    dial_ms: int = 5_000
    origin_tls_ms: int = 5_000
    first_byte_ms: int = 60_000
    origin_idle_ms: int = 60_000
    origin_max_age_ms: int = 3_600_000
    queue_ms: int = 5_000
    queue_length: int = 10_000
    max_head_bytes: int = 32 * 1024
    max_headers: int = 100
    h2_max_streams: int = 128
    h2_max_resets: int = 100
    max_connections_per_client: int = 1_024
    max_requests_per_connection: int = 100_000
    port_quarantine_ms: int = 2_000
    denied_origins: tuple[str, ...] = DENIED_ORIGINS
    allowed_origins: tuple[str, ...] = ()
    extra_trust_roots: str = ""
    trusted_clients: tuple[str, ...] = ()
    link_dial_ms: int = 500
    link_ping_ms: int = 250
    link_dead_ms: int = 750


class Link(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a server takes connections of its peers; port 0 lets the kernel choose."""

    address: str
    port: int


class Peer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Another server: where it stands, and where its link listens."""

    server: str
    data_center: str
    location: str
    address: str
    port: int


class Region(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The servers that may serve regional hostnames of one region."""

    key: str
    servers: tuple[str, ...]
    """Nearest first; the receiving server is among them when it stands inside."""


class Fleet(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The receiving server among the others; all empty: it is alone, nothing is forwarded."""

    server: str = ""
    data_center: str = ""
    location: str = ""
    link: Link | None = None
    peers: tuple[Peer, ...] = ()
    """Every other server that requests may be forwarded to, or come from."""
    regions: tuple[Region, ...] = ()


class Snapshot(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The whole of it, or the difference to one exact revision.

    With a `base_revision`, `zones` and `removed_zones` are the difference to it; all other fields
    are whole all the same.
    """

    wire: int = WIRE
    revision: int
    base_revision: int | None = None
    settings: Settings
    listeners: tuple[Listener, ...]
    pools: tuple[Pool, ...]
    shared_pool: str
    zones: tuple[Zone, ...]
    removed_zones: tuple[str, ...] = ()
    fleet: Fleet = Fleet()


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Snapshot)


def encode(snapshot: Snapshot) -> bytes:
    """MessagePack, a map keyed by field name."""
    return _encoder.encode(snapshot)


def decode(content: bytes) -> Snapshot:
    """The inverse of `encode`; raises `msgspec.ValidationError` naming the wrong place."""
    return _decoder.decode(content)
