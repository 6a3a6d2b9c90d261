"""What a server announces, out of the fleet's state (beside CONFIG 4). Pure.

IPv4: every address that its data center holds ports of, whichever server there has them, for steering
brings packets to the right one. IPv6: its own address of each network. A server that is not `active`
announces nothing: others of its data center do, or other data centers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Network, IPv6Address, ip_network

from egressway.node.announce.desired import Prefix, Route
from egressway.wire.fleet import FleetAddress, FleetPool, FleetServer, Topology

__all__ = ["AnnouncementPolicy", "own_ipv6", "routes_of"]


@dataclass(frozen=True, slots=True)
class AnnouncementPolicy:
    """What routers are told with the prefixes; this server's own configuration.

    A `Route` here is an example: its attributes are used, for the prefixes inside its own prefix.
    """

    default: Route = field(default_factory=lambda: Route(ip_network("0.0.0.0/0")))
    special: tuple[Route, ...] = ()
    """For what lies within their prefixes; the longest one counts."""
    aggregates: tuple[Prefix, ...] = ()
    """Announced in place of the addresses inside, while there is one."""


def routes_of(
    topology: Topology,
    pools: Mapping[str, FleetPool],
    server: str,
    policy: AnnouncementPolicy | None = None,
) -> tuple[Route, ...]:
    """In order of prefixes."""
    policy = policy or AnnouncementPolicy()
    own = next((each for each in topology.servers if each.name == server), None)
    if own is None or own.state != "active":
        return ()
    neighbours = {
        each.name
        for each in topology.servers
        if each.data_center == own.data_center and each.state != "revoked"
    }
    addresses = [address for pool in pools.values() for address in pool.addresses]
    held: set[Prefix] = {
        IPv4Network(address.ip)
        for address in addresses
        if any(each.server in neighbours for each in address.slices)
    }
    held |= {ip_network(ip) for ip in own_ipv6(addresses, own)}
    wanted = {_aggregate(prefix, policy.aggregates) for prefix in held}
    return tuple(_route(prefix, policy) for prefix in sorted(wanted, key=_order))


def own_ipv6(addresses: Iterable[FleetAddress], server: FleetServer) -> Iterator[IPv6Address]:
    """The server's address of each IPv6 network that is large enough for its number."""
    for address in addresses:
        if ":" in address.ip:
            network = ip_network(address.ip)
            if server.number < network.num_addresses:
                found = network[server.number]
                assert isinstance(found, IPv6Address)
                yield found


def _aggregate(prefix: Prefix, aggregates: Iterable[Prefix]) -> Prefix:
    around = [each for each in aggregates if _is_within(prefix, each)]
    return min(around, key=lambda each: each.prefixlen, default=prefix)


def _route(prefix: Prefix, policy: AnnouncementPolicy) -> Route:
    around = [each for each in policy.special if _is_within(prefix, each.prefix)]
    example = max(around, key=lambda each: each.prefix.prefixlen, default=policy.default)
    return replace(example, prefix=prefix)


def _is_within(prefix: Prefix, other: Prefix) -> bool:
    if isinstance(prefix, IPv4Network):
        return isinstance(other, IPv4Network) and prefix.subnet_of(other)
    return not isinstance(other, IPv4Network) and prefix.subnet_of(other)


def _order(prefix: Prefix) -> tuple[int, int, int]:
    return prefix.version, int(prefix.network_address), prefix.prefixlen
