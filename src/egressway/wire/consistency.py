"""What every receiver of a snapshot refuses (the contract of the wire, beyond its types).

`distribution` asks before it sends, so that a defect is found where it was made; the in-memory data
plane asks because the native one refuses the same. Rules look only at the snapshot itself. One is
not here: that a certificate fits its key is proved by the store when it comes in, and by the native
data plane.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Final

from egressway.wire.capability import WIRE
from egressway.wire.snapshot import (
    EgressAddress,
    Fleet,
    Listener,
    Origin,
    Peer,
    Pool,
    Snapshot,
    Zone,
)

__all__ = ["inconsistencies", "zone_at_fault"]

_LABEL: Final = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)\Z")
_ZONE: Final = re.compile(r"zone ([^\s:,]+)")
_LONGEST_NAME: Final = 253


def inconsistencies(snapshot: Snapshot, *, are_pools_known: bool = False) -> Iterator[str]:
    """One sentence per defect; none means that every receiver of this `WIRE` takes it.

    A sender that knows that these pools are good need not have them looked through again.
    """
    if snapshot.wire > WIRE:
        yield f"wire layout {snapshot.wire} is newer than {WIRE}, the newest understood"
        return
    yield from _settings(snapshot)
    yield from _listeners(snapshot.listeners)
    yield from _fleet(snapshot.fleet)
    if not are_pools_known:
        yield from _pools(snapshot)
        yield from _ladders(snapshot)
    yield from _zones(snapshot)


def zone_at_fault(defect: str) -> str | None:
    """Id of the zone that a defect is about; every receiver's texts about zones begin with it."""
    found = _ZONE.match(defect)
    return found[1] if found else None


def _settings(snapshot: Snapshot) -> Iterator[str]:
    settings = snapshot.settings
    for key in ("denied_origins", "allowed_origins", "trusted_clients"):
        yield from _networks(f"settings.{key}", getattr(settings, key))


def _listeners(listeners: Iterable[Listener]) -> Iterator[str]:
    seen: set[tuple[str, int]] = set()
    for listener in listeners:
        place = f"listener {listener.address} port {listener.port}"
        yield from _address(place, listener.address)
        yield from _networks(place, listener.proxy_protocol_from or ())
        if listener.port and (listener.address, listener.port) in seen:
            yield f"{place} is given twice"
        seen.add((listener.address, listener.port))


# Pools.


def _pools(snapshot: Snapshot) -> Iterator[str]:
    yield from _twice("pool", (pool.id for pool in snapshot.pools))
    for pool in snapshot.pools:
        yield from _twice(f"pool {pool.id}: address", (each.ip for each in pool.addresses))
        for address in pool.addresses:
            yield from _egress_address(f"pool {pool.id}: address {address.ip}", address)
    yield from _owners(snapshot.pools)
    if all(pool.id != snapshot.shared_pool for pool in snapshot.pools):
        yield f"the shared pool `{snapshot.shared_pool}` is not among the pools"


def _egress_address(place: str, address: EgressAddress) -> Iterator[str]:
    yield from _address(place, address.ip)
    if not _can_be_sent_from(address.ip):
        yield f"{place}: nothing can be sent from it"
    below = 0
    for low, high in address.slices:
        if not below < low <= high <= 65_535:
            yield f"{place}: slice {low}-{high} is empty, out of range or not above the one before"
        below = high
    ports = sum(high - low + 1 for low, high in address.slices)
    if not 1 <= address.cap <= ports:
        yield f"{place}: cap {address.cap} is not within 1 to {ports}, the ports of its slices"


def _can_be_sent_from(text: str) -> bool:
    if not _parses(ip_address, text):
        return True  # told already
    ip = ip_address(text)
    is_mapped = isinstance(ip, IPv6Address) and ip.ipv4_mapped is not None
    return not (ip.is_unspecified or ip.is_multicast or is_mapped)


def _owners(pools: Iterable[Pool]) -> Iterator[str]:
    """An address is in one pool only: its connections to an origin, and their cap, are that pool's."""
    owners: dict[str, str] = {}
    for pool in pools:
        for address in pool.addresses:
            owner = owners.setdefault(address.ip, pool.id)
            if owner != pool.id:
                yield f"{address.ip} is in pool {owner} and in pool {pool.id}"


# The fleet around the receiver.

_LADDER: Final = ("data_center", "location", "closest")


def _fleet(fleet: Fleet) -> Iterator[str]:
    if not fleet.server and (fleet.link or fleet.peers):
        yield "fleet: there are peers or a link, but the receiving server has no name"
    if fleet.link:
        yield from _address("fleet: link", fleet.link.address)
        if not 0 <= fleet.link.port <= 65_535:
            yield f"fleet: link port {fleet.link.port} is not within 0 to 65535"
    names = (fleet.server, *(peer.server for peer in fleet.peers))
    yield from _twice("fleet: server", (name.lower() for name in names))
    for peer in fleet.peers:
        yield from _peer(f"fleet: peer {peer.server}", peer)
    yield from _twice("fleet: region", (region.key for region in fleet.regions))
    for region in fleet.regions:
        for name in sorted({*region.servers} - {*names}):
            yield f"fleet: region {region.key}: server {name} is neither the receiver nor a peer"


def _peer(place: str, peer: Peer) -> Iterator[str]:
    if not _is_hostname(peer.server):
        yield f"{place}: a server's name stands in its certificate, and this is no hostname"
    yield from _address(place, peer.address)
    if _parses(ip_address, peer.address) and ip_address(peer.address).is_unspecified:
        yield f"{place}: nothing can be connected to at {peer.address}"
    if not 1 <= peer.port <= 65_535:
        yield f"{place}: port {peer.port} is not within 1 to 65535"


def _ladders(snapshot: Snapshot) -> Iterator[str]:
    peers = {peer.server: peer for peer in snapshot.fleet.peers}
    for pool in snapshot.pools:
        if pool.elsewhere:
            yield from _ladder(f"pool {pool.id}: elsewhere", pool, snapshot.fleet, peers)


def _ladder(place: str, pool: Pool, fleet: Fleet, peers: Mapping[str, Peer]) -> Iterator[str]:
    """Each rung holds peers that stand where it says, so that none leads further than it says."""
    order = [_LADDER.index(rung.rung) for rung in pool.elsewhere]
    near = [each for each in order if each < _LADDER.index("closest")]
    if order != sorted(order) or len(near) != len({*near}):
        yield f"{place}: the rungs are not in the order of the ladder, nearest first"
    yield from _twice(f"{place}: server", (s for rung in pool.elsewhere for s in rung.servers))
    for rung in pool.elsewhere:
        for name in rung.servers:
            if name not in peers:
                yield f"{place}: server {name} is not a peer"
            elif rung.rung != _distance(fleet, peers[name]):
                yield f"{place}: server {name} does not stand on rung `{rung.rung}`"
            elif peers[name].location != rung.location:
                yield f"{place}: server {name} does not stand in location {rung.location}"


def _distance(fleet: Fleet, peer: Peer) -> str:
    if peer.location != fleet.location:
        return "closest"
    return "data_center" if peer.data_center == fleet.data_center else "location"


# Zones.


def _zones(snapshot: Snapshot) -> Iterator[str]:
    pools = {pool.id for pool in snapshot.pools}
    regions = {region.key for region in snapshot.fleet.regions}
    yield from _twice("zone", (zone.id for zone in snapshot.zones))
    yield from _twice("removed zone", snapshot.removed_zones)
    yield from _twice("hostname", (h.name.lower() for zone in snapshot.zones for h in zone.hosts))
    removed = set(snapshot.removed_zones)
    for zone in snapshot.zones:
        if zone.id in removed:
            yield f"zone {zone.id} is both sent and removed"
        if zone.pool is not None and zone.pool not in pools:
            yield f"zone {zone.id} names the pool `{zone.pool}`, which is not among the pools"
        yield from _zone(zone, regions)


def _zone(zone: Zone, regions: Set[str]) -> Iterator[str]:
    for host in zone.hosts:
        if host.region is not None and host.region not in regions:
            yield f"zone {zone.id}: {host.name} is of the region `{host.region}`, which is not sent"
        if not _is_hostname(host.name.removeprefix("*.")):
            yield f"zone {zone.id}: `{host.name}` is not a hostname"
        for origin in host.origins:
            yield from _origin(f"zone {zone.id}: origin of {host.name}", origin)
    for certificate in zone.certificates:
        place = f"zone {zone.id}: certificate {certificate.id}"
        if not certificate.chain or not certificate.key:
            yield f"{place} has no chain or no key"
        for name in certificate.hosts:
            if not _is_hostname(name.removeprefix("*.")):
                yield f"{place}: `{name}` is not a hostname"


def _origin(place: str, origin: Origin) -> Iterator[str]:
    yield from _address(place, origin.address)
    if not 1 <= origin.port <= 65_535:
        yield f"{place}: port {origin.port} is not within 1 to 65535"
    if origin.h2_max_streams < 1:
        yield f"{place}: {origin.h2_max_streams} streams would let no request through"
    if origin.sni is not None and not _is_name_or_address(origin.sni):
        yield f"{place}: `{origin.sni}` is not a TLS server name"
    if origin.host is not None and not _is_authority(origin.host):
        yield f"{place}: `{origin.host}` cannot stand in a Host field"


# Words.


def _is_hostname(text: str) -> bool:
    name = text.removesuffix(".")
    return len(name) <= _LONGEST_NAME and all(_LABEL.match(label) for label in name.split("."))


def _is_name_or_address(text: str) -> bool:
    return _parses(ip_address, text) or _is_hostname(text)


def _is_authority(text: str) -> bool:
    if text.startswith("["):
        address, closed, port = text[1:].partition("]")
        is_host = bool(closed) and _parses(IPv6Address, address)
        return is_host and (not port or (port[0] == ":" and _is_port(port[1:])))
    host, colon, port = text.partition(":")
    return _is_hostname(host) and (not colon or _is_port(port))


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdigit() and 1 <= int(text) <= 65_535


def _twice(what: str, names: Iterable[str]) -> Iterator[str]:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            yield f"{what} {name} is given twice"
        seen.add(name)


def _address(place: str, text: str) -> Iterator[str]:
    if not _parses(ip_address, text):
        yield f"{place}: `{text}` is not an IP address"


def _networks(place: str, texts: Iterable[str]) -> Iterator[str]:
    for text in texts:
        if not _parses(_network, text):
            yield f"{place}: `{text}` is not a network"


def _network(text: str) -> object:
    prefix = text.partition("/")[2]
    if prefix and not prefix.isdigit():
        raise ValueError(text)  # a netmask, which only some readers know
    return ip_network(text, strict=False)


def _parses(parse: Callable[[str], object], text: str) -> bool:
    try:
        parse(text)
    except ValueError:
        return False
    return True
