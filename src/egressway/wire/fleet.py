"""Desired state of the whole fleet, the same for every server (between CONFIG 3 and CONFIG 4).

A change is one message on the bus however many servers there are: what differs from server to
server (own slices, the ladder of a pool, own listeners) is derived on each of them from this and its
own name. Python stands at both ends, so there is no twin.

A message is an envelope around a body: a reader looks at the layout and the checksum before it
looks inside. What makes a snapshot acceptable is in `fleet_consistency`.
"""

from __future__ import annotations

import hashlib
from typing import Final, Literal, TypeAlias

import msgspec

from egressway.wire.capability import WIRE
from egressway.wire.snapshot import Settings, Zone

__all__ = [
    "SHARED_POOL",
    "Corrupted",
    "FleetAddress",
    "FleetLocation",
    "FleetMessageError",
    "FleetMove",
    "FleetPool",
    "FleetServer",
    "FleetSlice",
    "FleetSnapshot",
    "NewerLayout",
    "ServerState",
    "Topology",
    "decode",
    "encode",
]

SHARED_POOL: Final = "shared"
"""Id of the pool that zones without one leave from; each server has its own addresses in it.

Ids of other pools are 32 hexadecimal digits, so it is never one of them.
"""

ServerState: TypeAlias = Literal["active", "draining", "revoked"]


class FleetMessageError(ValueError):
    """A message that is not looked at further; what runs goes on."""


class NewerLayout(FleetMessageError):
    """A newer version wrote it. Repeating does not help; upgrade the reader."""


class Corrupted(FleetMessageError):
    """Its bytes are not those that were sent. Fetching it again is safe."""


class FleetSlice(msgspec.Struct, frozen=True, forbid_unknown_fields=True, array_like=True):
    """A port range of an IPv4 address, and the server that opens connections from it."""

    low: int
    high: int
    server: str


class FleetAddress(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An IPv4 address with its slices, or an IPv6 network of which each server has one address.

    The server with number n has the n-th address of the network, where there is one, with all ports.
    """

    ip: str
    """`192.0.2.1`; `2001:db8:1::/64`, or a single IPv6 address."""
    slices: tuple[FleetSlice, ...] = ()
    draining: bool = False


class FleetPool(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A pool with all its addresses, whoever holds them."""

    id: str
    addresses: tuple[FleetAddress, ...]
    overflow: bool = False


class FleetServer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One server and where it stands."""

    name: str
    number: int
    """One server's at a time, and free again once that is deleted; chooses the server's IPv6 addresses."""
    data_center: str
    location: str
    link: str | None = None
    """`ip:port` (IPv6 in brackets) that other servers forward to; None: nothing is forwarded to it."""
    state: ServerState = "active"
    epoch: int = 0
    """Counts how often a server of this name has joined: of two, the older one is to stop."""


class FleetLocation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A metro; its coordinates decide which other one is closest."""

    name: str
    latitude: float
    longitude: float
    regions: tuple[str, ...] = ()


class FleetMove(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A port range on its way: the slices name `target` already, `source` has connections left."""

    id: str
    ip: str
    low: int
    high: int
    source: str
    target: str
    deadline: int
    """Unix seconds; what the source still has open then, it closes."""


class Topology(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything that is neither a pool nor a zone; sent whole whenever a part of it changes."""

    settings: Settings
    """Limits of every server; each puts its own `server_name` in."""
    first_port: int = 20_000
    last_port: int = 59_999
    connection_cap: int = 40_000
    """Connections of one address to one origin ip:port, over all servers."""
    locations: tuple[FleetLocation, ...] = ()
    regions: tuple[str, ...] = ()
    """Keys of the regions that hostnames are confined to, whether a location lies in them or not."""
    servers: tuple[FleetServer, ...] = ()
    moves: tuple[FleetMove, ...] = ()
    """Those whose source may still hold connections; of a revoked one nothing is waited for."""


class FleetSnapshot(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The whole of it, or with a `base_revision` the difference to any state from that revision on.

    In a difference, pools and zones are those that changed since, as they are now; no topology: it is
    the one before.
    """

    wire: int = WIRE
    revision: int
    base_revision: int | None = None
    topology: Topology | None = None
    pools: tuple[FleetPool, ...] = ()
    removed_pools: tuple[str, ...] = ()
    zones: tuple[Zone, ...] = ()
    removed_zones: tuple[str, ...] = ()
    confined: dict[str, tuple[str, ...]] = {}
    """Certificates, by id, whose key may only go to servers in all of these regions. Empty in what is
    sent: there they are left out, see `region_class`.
    """


class _Envelope(msgspec.Struct, frozen=True):
    """Readable by every version: newer ones may add fields, and only add."""

    wire: int
    revision: int
    base_revision: int | None
    checksum: bytes
    body: bytes


_encoder = msgspec.msgpack.Encoder()
_envelopes = msgspec.msgpack.Decoder(_Envelope)
_bodies = msgspec.msgpack.Decoder(FleetSnapshot)


def encode(snapshot: FleetSnapshot) -> bytes:
    """An envelope with the snapshot in it."""
    body = _encoder.encode(snapshot)
    return _encoder.encode(
        _Envelope(snapshot.wire, snapshot.revision, snapshot.base_revision, _checksum(body), body)
    )


def decode(message: bytes) -> FleetSnapshot:
    """The inverse of `encode`; raises `NewerLayout` or `Corrupted`."""
    try:
        envelope = _envelopes.decode(message)
        if envelope.wire > WIRE:
            raise NewerLayout(
                f"revision {envelope.revision} is of wire layout {envelope.wire}, and {WIRE} is the "
                "newest this version reads; upgrade this server"
            )
        if _checksum(envelope.body) != envelope.checksum:
            raise Corrupted(
                f"revision {envelope.revision} does not have the checksum it was sent with"
            )
        snapshot = _bodies.decode(envelope.body)
    except msgspec.MsgspecError as defect:
        raise Corrupted(f"this is not a fleet snapshot: {defect}") from defect
    told = (envelope.wire, envelope.revision, envelope.base_revision)
    if told != (snapshot.wire, snapshot.revision, snapshot.base_revision):
        raise Corrupted(f"revision {snapshot.revision} stands in the envelope of another")
    return snapshot


def _checksum(body: bytes) -> bytes:
    return hashlib.sha256(body).digest()
