"""Classes of servers that are told the same (between CONFIG 3 and CONFIG 4).

While no hostname is regional, all servers are one class. After that there is one class for each set of
regions, of those that hostnames are confined to, which a location lies in; and a class is not sent the keys
that its servers must not have. Both sides derive a server's class from the topology.
"""

from __future__ import annotations

from collections.abc import Set
from typing import Final

import msgspec

from egressway.wire.fleet import FleetServer, FleetSnapshot, Topology
from egressway.wire.snapshot import Zone

__all__ = ["EVERYWHERE", "class_of", "classes", "for_class", "may_read"]

EVERYWHERE: Final = "all"
"""The class of servers in no region, or of all of them."""

_BETWEEN: Final = "="  # may stand in a name on the bus, and in no key of a region


def classes(topology: Topology) -> tuple[str, ...]:
    """Every class that is published."""
    return tuple(sorted({class_of(each, topology) for each in topology.servers} | {EVERYWHERE}))


def class_of(server: FleetServer, topology: Topology) -> str:
    """The class that a server reads."""
    lying_in = next(
        (each.regions for each in topology.locations if each.name == server.location), ()
    )
    inside = set(lying_in).intersection(topology.regions)
    return _BETWEEN.join(sorted(inside)) or EVERYWHERE


def for_class(snapshot: FleetSnapshot, cls: str) -> FleetSnapshot:
    """What of it servers of this class are sent: all but the keys that they must not have."""
    if not snapshot.confined:
        return snapshot
    inside = _regions(cls)
    withheld = {
        certificate_id
        for certificate_id, regions in snapshot.confined.items()
        if not inside.issuperset(regions)
    }
    return msgspec.structs.replace(
        snapshot, zones=tuple(_without(zone, withheld) for zone in snapshot.zones), confined={}
    )


def may_read(own: str, cls: str) -> bool:
    """Whether a server of class `own` finds no key in `cls` that it must not have."""
    return _regions(cls) <= _regions(own)


def _regions(cls: str) -> frozenset[str]:
    return frozenset() if cls == EVERYWHERE else frozenset(cls.split(_BETWEEN))


def _without(zone: Zone, withheld: Set[str]) -> Zone:
    kept = tuple(each for each in zone.certificates if each.id not in withheld)
    if len(kept) == len(zone.certificates):
        return zone
    return msgspec.structs.replace(zone, certificates=kept)
