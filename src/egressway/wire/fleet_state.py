"""The fleet at one revision, changed by differences (between CONFIG 3 and CONFIG 4).

A difference costs what it changes, however many zones there are, and can be undone at the same
price: a receiver applies it, asks its data plane, and takes it back when that refuses. `difference`
leads from any state to any other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from egressway.wire.fleet import FleetPool, FleetSnapshot, Topology
from egressway.wire.snapshot import Zone

__all__ = ["BaseMismatch", "FleetState", "Undo", "difference"]

T = TypeVar("T")


class BaseMismatch(ValueError):
    """The difference does not lead on from here. Nothing was changed; take the whole."""


@dataclass(frozen=True, slots=True)
class Undo:
    """How to take one difference back."""

    revision: int
    topology: Topology
    pools: Mapping[str, FleetPool | None]
    """As they were; None: there was none."""
    zones: Mapping[str, Zone | None]


@dataclass(slots=True)
class _Objects(Generic[T]):
    """By id, in the order in which they came."""

    by_id: dict[str, T] = field(default_factory=dict)

    def put(self, object_id: str, value: T | None) -> T | None:
        """What was there before."""
        if value is None:
            return self.by_id.pop(object_id, None)
        before = self.by_id.get(object_id)
        self.by_id[object_id] = value
        return before


class FleetState:
    """Everything the fleet is told, and two indexes over it that never have to be looked up in full.

    For one thread at a time.
    """

    def __init__(self, whole: FleetSnapshot) -> None:
        if whole.base_revision is not None or whole.topology is None:
            raise BaseMismatch(f"revision {whole.revision} is a difference, not the whole")
        self.revision = whole.revision
        self.topology = whole.topology
        self._pools: _Objects[FleetPool] = _Objects()
        self._zones: _Objects[Zone] = _Objects()
        self._pool_of_ip: dict[str, str] = {}
        self._zones_of_pool: Counter[str] = Counter()
        for pool in whole.pools:
            self._put_pool(pool.id, pool)
        for zone in whole.zones:
            self._put_zone(zone.id, zone)

    # What there is.

    @property
    def pools(self) -> Mapping[str, FleetPool]:
        """By id."""
        return self._pools.by_id

    @property
    def zones(self) -> Mapping[str, Zone]:
        """By id."""
        return self._zones.by_id

    def pool_of_ip(self, ip: str) -> str | None:
        """Id of the pool that has this address (of IPv6: this network) in it."""
        return self._pool_of_ip.get(ip)

    @property
    def ips(self) -> Iterable[str]:
        """Every address and network of every pool."""
        return self._pool_of_ip.keys()

    def zones_of_pool(self, pool_id: str) -> int:
        """How many zones leave from it."""
        return self._zones_of_pool[pool_id]

    def whole(self) -> FleetSnapshot:
        """All of it as one message."""
        return FleetSnapshot(
            revision=self.revision,
            topology=self.topology,
            pools=tuple(self.pools.values()),
            zones=tuple(self.zones.values()),
        )

    def copy(self) -> FleetState:
        """One that changes independently. Costs a pass over everything, but no copy of the objects."""
        return FleetState(self.whole())

    # Changes.

    def apply(self, delta: FleetSnapshot) -> Undo:
        """Become what `delta` leads to; raises `BaseMismatch` when it starts later or ends earlier.

        What a difference brings is as it was at its revision, so it may start earlier than this.
        """
        base = delta.base_revision
        if base is None or not base <= self.revision <= delta.revision:
            raise BaseMismatch(
                f"revision {delta.revision} builds on {base}, and this is {self.revision}"
            )
        revision, topology = self.revision, self.topology
        self.revision = delta.revision
        self.topology = delta.topology or topology
        return Undo(
            revision,
            topology,
            {pool_id: self._put_pool(pool_id, pool) for pool_id, pool in _changed_pools(delta)},
            {zone_id: self._put_zone(zone_id, zone) for zone_id, zone in _changed_zones(delta)},
        )

    def take_back(self, undo: Undo) -> None:
        """Undo the difference that was applied last."""
        self.revision, self.topology = undo.revision, undo.topology
        for pool_id, pool in undo.pools.items():
            self._put_pool(pool_id, pool)
        for zone_id, zone in undo.zones.items():
            self._put_zone(zone_id, zone)

    def _put_pool(self, pool_id: str, pool: FleetPool | None) -> FleetPool | None:
        before = self._pools.put(pool_id, pool)
        for address in before.addresses if before else ():
            if self._pool_of_ip.get(address.ip) == pool_id:
                del self._pool_of_ip[address.ip]
        self._pool_of_ip.update(
            (address.ip, pool_id) for address in (pool.addresses if pool else ())
        )
        return before

    def _put_zone(self, zone_id: str, zone: Zone | None) -> Zone | None:
        before = self._zones.put(zone_id, zone)
        if before and before.pool is not None:
            self._zones_of_pool[before.pool] -= 1
        if zone and zone.pool is not None:
            self._zones_of_pool[zone.pool] += 1
        return before


def _changed_pools(delta: FleetSnapshot) -> Iterator[tuple[str, FleetPool | None]]:
    """Removed ones first: an address may go from a pool that ends to another."""
    yield from ((pool_id, None) for pool_id in delta.removed_pools)
    yield from ((pool.id, pool) for pool in delta.pools)


def _changed_zones(delta: FleetSnapshot) -> Iterator[tuple[str, Zone | None]]:
    yield from ((zone_id, None) for zone_id in delta.removed_zones)
    yield from ((zone.id, zone) for zone in delta.zones)


def difference(before: FleetState, after: FleetState) -> FleetSnapshot:
    """What leads from one to the other; a pass over both, quick where they share objects."""
    return FleetSnapshot(
        revision=after.revision,
        base_revision=before.revision,
        topology=None if before.topology == after.topology else after.topology,
        pools=_new(before.pools, after.pools),
        removed_pools=_gone(before.pools, after.pools),
        zones=_new(before.zones, after.zones),
        removed_zones=_gone(before.zones, after.zones),
    )


def _new(before: Mapping[str, T], after: Mapping[str, T]) -> tuple[T, ...]:
    return tuple(
        each
        for object_id, each in after.items()
        if (old := before.get(object_id)) is not each and old != each
    )


def _gone(before: Mapping[str, T], after: Mapping[str, T]) -> tuple[str, ...]:
    return tuple(object_id for object_id in before if object_id not in after)
