"""States of a whole fleet in a few words, as the product's own types."""

from __future__ import annotations

from typing import Any

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
from tests.support.snapshots import zone

__all__ = [
    "LOCATIONS",
    "SETTINGS",
    "address",
    "delta",
    "fleet",
    "move",
    "pool",
    "server",
    "topology",
    "zone",
]

SETTINGS = Settings(allowed_origins=("127.0.0.0/8", "::1/128"))
LOCATIONS = (
    FleetLocation("ams", 52.4, 4.9, ("eu",)),
    FleetLocation("fra", 50.1, 8.7, ("eu",)),
    FleetLocation("sjc", 37.4, -121.9, ("us",)),
)


def server(name: str, **more: Any) -> FleetServer:
    """`ams-1-2` is the second server of the data center `ams-1` in `ams`."""
    data_center, _, position = name.rpartition("-")
    location, _, hall = data_center.partition("-")
    number = 100 * sum(map(ord, location)) + 10 * int(hall) + int(position)
    standard = {
        "number": number,
        "data_center": data_center,
        "location": location,
        "link": f"192.0.2.{number % 200 + 1}:8644",
    }
    return FleetServer(name, **{**standard, **more})


def address(ip: str, *servers: str, **more: Any) -> FleetAddress:
    """Divided evenly, in this order; an IPv6 network has no servers."""
    each = 40_000 // max(1, len(servers))
    slices = tuple(
        FleetSlice(20_000 + each * position, 20_000 + each * (position + 1) - 1, name)
        for position, name in enumerate(servers)
    )
    return FleetAddress(ip, slices, **more)


def pool(pool_id: str, *addresses: FleetAddress, **more: Any) -> FleetPool:
    return FleetPool(pool_id, addresses, **more)


def move(source: str, target: str, low: int, high: int, **more: Any) -> FleetMove:
    standard = {"id": f"{source}-to-{target}", "ip": "192.0.2.1", "deadline": 1 << 40}
    return FleetMove(low=low, high=high, source=source, target=target, **{**standard, **more})


def topology(*servers: FleetServer | str, **more: Any) -> Topology:
    """Servers by name or as they are, in the locations there are."""
    made = tuple(server(each) if isinstance(each, str) else each for each in servers)
    return Topology(**{"settings": SETTINGS, "locations": LOCATIONS, "servers": made, **more})


def fleet(revision: int = 1, **more: Any) -> FleetSnapshot:
    """A whole with the server `ams-1-1`, or with what is said."""
    return FleetSnapshot(**{"revision": revision, "topology": topology("ams-1-1"), **more})


def delta(base: int, revision: int | None = None, **more: Any) -> FleetSnapshot:
    """The difference to the revision before, or to `base`."""
    newer = base + 1 if revision is None else revision
    return FleetSnapshot(revision=newer, base_revision=base, **more)
