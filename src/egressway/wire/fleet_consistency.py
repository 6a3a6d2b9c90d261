"""What every reader of a fleet's state refuses (the contract of the wire, beyond its types).

`distribution` asks before it publishes and each node before it applies: a state that contradicts
itself is refused as a whole. Rules of zones by themselves are those of `consistency`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from ipaddress import IPv4Address, IPv6Network, ip_address, ip_network
from itertools import pairwise
from typing import Final

from egressway.model.region import REGION_KEYS
from egressway.wire.consistency import inconsistencies
from egressway.wire.fleet import (
    SHARED_POOL,
    FleetAddress,
    FleetMove,
    FleetPool,
    FleetServer,
    FleetSnapshot,
    Topology,
)
from egressway.wire.fleet_state import FleetState
from egressway.wire.snapshot import Fleet, Pool, Region, Snapshot, Zone

__all__ = ["MOST_LOCATIONS", "fleet_inconsistencies", "parse_link"]

MOST_LOCATIONS: Final = 4
"""An IPv4 address is split over so many locations, and no more."""


def fleet_inconsistencies(state: FleetState, change: FleetSnapshot | None = None) -> Iterator[str]:
    """One sentence per defect of `state`; with the change that led there, only what it touched."""
    if change is None or change.base_revision is None:
        change = state.whole()
    if change.topology is not None:
        yield from _topology(state.topology)
    servers = {server.name: server for server in state.topology.servers}
    for pool in change.pools if change.topology is None else state.pools.values():
        yield from _pool(pool, state, servers)
    yield from _left_behind(state, change.removed_pools)
    yield from _zones(state, change.zones, change.removed_zones)


# Where things are.


def _topology(topology: Topology) -> Iterator[str]:
    if not 1 <= topology.first_port <= topology.last_port <= 65_535:
        yield f"ports {topology.first_port}-{topology.last_port} are no range"
    if topology.connection_cap < 1:
        yield f"cap {topology.connection_cap} would let no connection through"
    locations = {location.name for location in topology.locations}
    yield from _twice("location", (location.name for location in topology.locations))
    yield from _twice("server", (server.name.lower() for server in topology.servers))
    yield from _twice("server number", (str(server.number) for server in topology.servers))
    location_of: dict[str, str] = {}
    for server in topology.servers:
        yield from _server(server, locations)
        if location_of.setdefault(server.data_center, server.location) != server.location:
            yield f"data center {server.data_center} stands in two locations"
    names = {server.name for server in topology.servers}
    for move in topology.moves:
        yield from _move(move, names)


def _server(server: FleetServer, locations: set[str]) -> Iterator[str]:
    if server.number < 0:
        yield f"server {server.name}: number {server.number} is negative"
    if server.location not in locations:
        yield f"server {server.name}: there is no location {server.location}"
    if server.link is not None and parse_link(server.link) is None:
        yield f"server {server.name}: `{server.link}` is not an address and port"


def _move(move: FleetMove, servers: set[str]) -> Iterator[str]:
    if not 1 <= move.low <= move.high <= 65_535:
        yield f"move {move.id}: {move.low}-{move.high} is no port range"
    for name in {move.source, move.target} - servers:
        yield f"move {move.id}: there is no server {name}"


def parse_link(text: str) -> tuple[str, int] | None:
    """`192.0.2.1:8644` or `[2001:db8::1]:8644` in two parts."""
    host, colon, port = text.rpartition(":")
    try:
        ip = ip_address(host.removeprefix("[").removesuffix("]"))
    except ValueError:
        return None
    is_port = colon and port.isascii() and port.isdigit() and 1 <= int(port) <= 65_535
    is_written_well = host.startswith("[") == (ip.version == 6)
    return (str(ip), int(port)) if is_port and is_written_well else None


# Pools.


def _pool(pool: FleetPool, state: FleetState, servers: Mapping[str, FleetServer]) -> Iterator[str]:
    if pool.id == SHARED_POOL:
        yield f"the pool `{SHARED_POOL}` is each server's own, and was sent"
    yield from _twice(f"pool {pool.id}: address", (address.ip for address in pool.addresses))
    for address in pool.addresses:
        place = f"pool {pool.id}: address {address.ip}"
        owner = state.pool_of_ip(address.ip)
        if owner != pool.id:
            yield f"{address.ip} is in pool {owner} and in pool {pool.id}"
        yield from _address(place, address, state.topology, servers)


def _address(
    place: str, address: FleetAddress, topology: Topology, servers: Mapping[str, FleetServer]
) -> Iterator[str]:
    parsed = _parse(address.ip)
    if parsed is None:
        yield f"{place} is neither an IPv4 address nor an IPv6 network"
    elif isinstance(parsed, IPv6Network):
        if address.slices:
            yield f"{place}: every server has its own address of it, so it has no slices"
    else:
        yield from _slices(place, address, topology, servers)


def _slices(
    place: str, address: FleetAddress, topology: Topology, servers: Mapping[str, FleetServer]
) -> Iterator[str]:
    for each in address.slices:
        if not topology.first_port <= each.low <= each.high <= topology.last_port:
            yield f"{place}: slice {each.low}-{each.high} is empty or out of range"
        server = servers.get(each.server)
        if server is None:
            yield f"{place}: there is no server {each.server}"
        elif server.state == "revoked":
            yield f"{place}: server {each.server} is revoked and has a slice"
    for before, after in pairwise(sorted(address.slices, key=lambda each: (each.low, each.high))):
        if after.low <= before.high:
            yield (
                f"{place}: {before.low}-{before.high} of {before.server} and "
                f"{after.low}-{after.high} of {after.server} overlap"
            )
    places = {servers[each.server].location for each in address.slices if each.server in servers}
    if len(places) > MOST_LOCATIONS:
        yield f"{place} is in {len(places)} locations, and {MOST_LOCATIONS} are the most"


def _parse(text: str) -> IPv4Address | IPv6Network | None:
    try:
        if ":" in text:
            network = ip_network(text)
            return network if isinstance(network, IPv6Network) else None
        return IPv4Address(text)
    except ValueError:
        return None


def _left_behind(state: FleetState, removed: Iterable[str]) -> Iterator[str]:
    for pool_id in removed:
        zones = state.zones_of_pool(pool_id)
        if zones and pool_id not in state.pools:
            yield f"pool {pool_id} is removed, and {zones} zones leave from it"


def _twice(what: str, names: Iterable[str]) -> Iterator[str]:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            yield f"{what} {name} is given twice"
        seen.add(name)


# Zones.


def _zones(state: FleetState, zones: tuple[Zone, ...], removed: tuple[str, ...]) -> Iterator[str]:
    """By the rules of a data plane's snapshot: this is one with nothing but zones in it."""
    named = {zone.pool for zone in zones if zone.pool and zone.pool in state.pools}
    regions = REGION_KEYS.union(state.topology.regions)
    return inconsistencies(
        Snapshot(
            revision=state.revision,
            settings=state.topology.settings,
            listeners=(),
            pools=tuple(Pool(pool_id, ()) for pool_id in {*named, SHARED_POOL}),
            shared_pool=SHARED_POOL,
            zones=zones,
            removed_zones=removed,
            fleet=Fleet(regions=tuple(Region(key, ()) for key in regions)),
        ),
        are_pools_known=True,
    )
