"""Snapshots in a few words, as the product's own types."""

from __future__ import annotations

from typing import Any

from egressway.wire.snapshot import (
    EgressAddress,
    Host,
    Listener,
    Origin,
    Pool,
    Settings,
    Snapshot,
    Zone,
)

SHARED = "shared"


def address(ip: str = "127.0.0.1", **more: Any) -> EgressAddress:
    """An egress address with the default slice and cap."""
    return EgressAddress(**{"ip": ip, "slices": ((20_000, 59_999),), "cap": 40_000, **more})


def pool(name: str = SHARED, *ips: str) -> Pool:
    """A pool of such addresses."""
    return Pool(name, tuple(address(ip) for ip in ips or ("127.0.0.1",)))


def zone(name: str = "example.com", **more: Any) -> Zone:
    """A zone with one hostname and one origin on this machine."""
    home = Origin("127.0.0.1", 9, "http", "off")
    hosts = (Host(name, (home,)),)
    return Zone(**{"id": f"zone-{name}", "account": "a", "name": name, "hosts": hosts, **more})


def snapshot(revision: int = 1, *zones: Zone, **more: Any) -> Snapshot:
    """A whole snapshot with one plain listener whose port the kernel chooses."""
    whole = {
        "revision": revision,
        "settings": Settings(allowed_origins=("127.0.0.0/8", "::1/128")),
        "listeners": (Listener("127.0.0.1", 0, tls=False),),
        "pools": (pool(),),
        "shared_pool": SHARED,
        "zones": zones,
    }
    return Snapshot(**{**whole, **more})
