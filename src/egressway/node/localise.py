"""From the fleet's state to what this server's data plane runs (CONFIG 4 of 5).

Pure but for what it remembers: pools that have not changed are not derived again, so a change of one
zone costs the same with ten pools as with ten thousand. What is remembered never decides anything; it
may be forgotten at any time.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from ipaddress import IPv6Network, ip_network
from typing import Final

import msgspec

from egressway.model.address import IPAddress
from egressway.node.confine import confined, is_regional, regions_inside
from egressway.node.settings import NodeSettings
from egressway.node.surroundings import Surroundings, surroundings
from egressway.wire.fleet import (
    SHARED_POOL,
    FleetAddress,
    FleetMove,
    FleetPool,
    FleetSnapshot,
    Topology,
)
from egressway.wire.fleet_state import FleetState
from egressway.wire.snapshot import EgressAddress, Pool, Settings, Snapshot, Zone

__all__ = ["Localiser"]

Range = tuple[int, int]
_NOTHING: Final[frozenset[str]] = frozenset()


class Localiser:
    """For one server; remembers what it made of the topology and pools it has seen last."""

    def __init__(self, settings: NodeSettings) -> None:
        self._settings = settings
        self._topology: Topology | None = None
        self._around: Surroundings | None = None
        self._limits: Settings | None = None
        self._waiting: frozenset[str] = _NOTHING
        self._pools: dict[str, Pool] = {}
        self._made: tuple[Pool, ...] | None = None
        self._inside: frozenset[str] = _NOTHING

    def around(self, topology: Topology) -> Surroundings:
        """Where this server stands."""
        if self._around is None or self._topology is not topology:
            self.forget()
            self._topology = topology
            self._around = surroundings(topology, self._settings)
        return self._around

    def forget(self) -> None:
        """Derive everything anew the next time."""
        self._topology, self._around, self._limits, self._made = None, None, None, None
        self._pools.clear()

    def whole(
        self, state: FleetState, waiting: frozenset[str], without: Collection[str]
    ) -> Snapshot:
        """All that this server is to run, without the zones in `without`.

        Moves in `waiting` are not used yet: their ports are still another server's.
        """
        around = self.around(state.topology)
        self._inside = regions_inside(around.fleet)
        zones = (
            confined(zone, self._inside)
            for zone_id, zone in state.zones.items()
            if zone_id not in without
        )
        return Snapshot(
            revision=state.revision,
            settings=self._common(state.topology),
            listeners=self._settings.listeners,
            pools=self._all_pools(state, waiting),
            shared_pool=SHARED_POOL,
            zones=tuple(zones),
            fleet=around.fleet,
        )

    def difference(
        self,
        state: FleetState,
        change: FleetSnapshot,
        base_revision: int,
        waiting: frozenset[str],
        without: Collection[str],
    ) -> Snapshot:
        """What `change` has made of the data plane's state; `state` has it in it already."""
        if change.topology is None and self._waiting == waiting:
            self._renew(state, change)
        zones = self._changed(state, change)
        if without:
            zones = tuple(zone for zone in zones if zone.id not in without)
        return Snapshot(
            revision=state.revision,
            base_revision=base_revision,
            settings=self._common(state.topology),
            listeners=self._settings.listeners,
            pools=self._all_pools(state, waiting),
            shared_pool=SHARED_POOL,
            zones=zones,
            removed_zones=change.removed_zones,
            fleet=self.around(state.topology).fleet,
        )

    def _changed(self, state: FleetState, change: FleetSnapshot) -> tuple[Zone, ...]:
        """Zones as they are for this server: other ones too when it has come into a region or left it."""
        inside, before = regions_inside(self.around(state.topology).fleet), self._inside
        self._inside = inside
        zones = change.zones
        if inside != before:
            named = {zone.id for zone in zones}
            others = (zone for zone in state.zones.values() if is_regional(zone))
            zones = (*zones, *(zone for zone in others if zone.id not in named))
        return tuple(confined(zone, inside) for zone in zones)

    def _common(self, topology: Topology) -> Settings:
        self.around(topology)
        if self._limits is None:
            self._limits = msgspec.structs.replace(
                topology.settings, server_name=self._settings.server_name
            )
        return self._limits

    # Pools.

    def _renew(self, state: FleetState, change: FleetSnapshot) -> None:
        """Only what the change names has to be looked at."""
        around = self.around(state.topology)
        if self._made is None or not (change.pools or change.removed_pools):
            return
        for pool_id in change.removed_pools:
            self._pools.pop(pool_id, None)
        moves = _moving_in(around, state.topology.moves, self._waiting)
        for pool in change.pools:
            self._pools[pool.id] = _pool(pool, around, state.topology, moves)
        self._made = self._with_shared(state)

    def _all_pools(self, state: FleetState, waiting: frozenset[str]) -> tuple[Pool, ...]:
        around = self.around(state.topology)
        if self._made is not None and self._waiting == waiting:
            return self._made
        moves = _moving_in(around, state.topology.moves, waiting)
        self._waiting = waiting
        self._pools = {
            pool.id: _pool(pool, around, state.topology, moves) for pool in state.pools.values()
        }
        self._made = self._with_shared(state)
        return self._made

    def _with_shared(self, state: FleetState) -> tuple[Pool, ...]:
        return (
            _shared_pool(self._settings.shared_ips, state, self.around(state.topology)),
            *self._pools.values(),
        )


def _moving_in(
    around: Surroundings, moves: Iterable[FleetMove], waiting: Collection[str]
) -> dict[str, list[Range]]:
    """Ports by address that are this server's, but not yet to be used."""
    found: dict[str, list[Range]] = {}
    if around.own is None or not waiting:
        return found
    for move in moves:
        if move.id in waiting and move.target == around.own.name:
            found.setdefault(move.ip, []).append((move.low, move.high))
    return found


def _pool(
    pool: FleetPool,
    around: Surroundings,
    topology: Topology,
    moving_in: Mapping[str, list[Range]],
) -> Pool:
    addresses = (
        _own_address(address, around, topology, moving_in.get(address.ip, []))
        for address in pool.addresses
    )
    holders = (
        each.server for address in pool.addresses if not address.draining for each in address.slices
    )
    return Pool(
        id=pool.id,
        addresses=tuple(address for address in addresses if address is not None),
        overflow=pool.overflow,
        elsewhere=around.ladder(holders),
    )


def _own_address(
    address: FleetAddress, around: Surroundings, topology: Topology, moving_in: list[Range]
) -> EgressAddress | None:
    """What this server has of an address."""
    own = around.own
    if own is None or own.state == "revoked":
        return None
    is_draining = address.draining or not around.may_open
    if ":" in address.ip:
        return _own_address6(address.ip, own.number, topology, is_draining=is_draining)
    owned = [(each.low, each.high) for each in address.slices if each.server == own.name]
    slices = tuple(sorted(_without(owned, moving_in)))
    if not slices:
        return None
    placed = sum(each.high - each.low + 1 for each in address.slices)
    cap = _cap(_ports(slices), placed, topology.connection_cap)
    return EgressAddress(address.ip, slices, cap, is_draining)


def _own_address6(
    network: str, number: int, topology: Topology, *, is_draining: bool
) -> EgressAddress | None:
    parsed = ip_network(network)
    if number >= parsed.num_addresses:
        return None
    return _whole_range(str(parsed[number]), topology, is_draining=is_draining)


def _whole_range(ip: str, topology: Topology, *, is_draining: bool) -> EgressAddress:
    """All ports there are, for an address that no other server has."""
    slices = ((topology.first_port, topology.last_port),)
    ports = _ports(slices)
    return EgressAddress(ip, slices, _cap(ports, ports, topology.connection_cap), is_draining)


def _cap(own: int, placed: int, cap: int) -> int:
    """The server's part of the address's cap; over all servers it never adds up to more."""
    return own if placed <= cap else max(1, cap * own // placed)


def _ports(slices: Iterable[Range]) -> int:
    return sum(high - low + 1 for low, high in slices)


def _without(owned: Iterable[Range], taken: Iterable[Range]) -> list[Range]:
    left = list(owned)
    for low, high in taken:
        left = [
            part
            for first, last in left
            for part in ((first, min(last, low - 1)), (max(first, high + 1), last))
            if part[0] <= part[1]
        ]
    return left


def _shared_pool(ips: Iterable[IPAddress], state: FleetState, around: Surroundings) -> Pool:
    """For zones without dedicated addresses; what is dedicated to somebody is never shared."""
    is_fenced = around.standing == "fenced"
    networks = [ip_network(text) for text in state.ips if "/" in text]
    return Pool(
        SHARED_POOL,
        tuple(
            _whole_range(str(ip), state.topology, is_draining=is_fenced)
            for ip in ips
            if not _is_dedicated(ip, state, networks)
        ),
    )


def _is_dedicated(ip: IPAddress, state: FleetState, networks: Iterable[object]) -> bool:
    if state.pool_of_ip(str(ip)) is not None:
        return True
    return any(isinstance(each, IPv6Network) and ip in each for each in networks)
