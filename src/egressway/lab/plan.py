"""From a topology to addresses, cables and neighbours: the whole network as values, before any is made.

::

    client  origin       a location's router is on the backbone ring and knows its data centers,
        \\   /            origins and its client
    -- location -- ...
           |
      data center        its router bridges its servers
        |     |
     server server

Inside addresses are 10.x and fd00:x: the second number is the kind of network (1 hall, 2 uplink, 3
backbone, 4 client, 5 core), the third counts. Routers speak BGP, each with a private AS number of its own.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from egressway.lab.namespaces import Namespace, Wire
from egressway.lab.topology import Origin, Topology

__all__ = ["BRIDGE", "Host", "Neighbour", "Plan", "Router", "ServerHost", "make_plan"]

BRIDGE = "hall"
_LOCATION_AS, _HALL_AS, _SERVER_AS = 4_200_000_000, 4_200_001_000, 4_200_002_000
_HOST_NUMBER = 10
CLIENT_ADDRESSES = 8
"""A client may come from several addresses, since a server limits connections per client."""


@dataclass(frozen=True, slots=True)
class Neighbour:
    """Whom a router speaks BGP with, in both families."""

    name: str
    asn: int
    address: IPv4Address
    address6: IPv6Address


@dataclass(frozen=True, slots=True)
class Router:
    """A namespace with BIRD in it.

    A data center's has a bridge for its servers; `nodes` are these, which announce addresses to it.
    """

    name: str
    namespace: Namespace
    asn: int
    router_id: IPv4Address
    neighbours: tuple[Neighbour, ...]
    nodes: tuple[Neighbour, ...] = ()
    bridge: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Host:
    """A namespace with one interface and a default route."""

    name: str
    namespace: Namespace
    address: IPv4Address
    address6: IPv6Address
    gateway: IPv4Address
    gateway6: IPv6Address


@dataclass(frozen=True, slots=True)
class ServerHost:
    """A server, and whom it announces its addresses to."""

    host: Host
    asn: int
    router: Neighbour
    port: str
    """The interface of its data center's router that it is plugged into."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that is to be."""

    routers: tuple[Router, ...]
    servers: dict[str, ServerHost]
    clients: dict[str, Host]
    origins: dict[str, Host]
    core: Host
    cables: tuple[tuple[Wire, Wire], ...]

    def router(self, name: str) -> Router:
        """The router of a location or data center."""
        return next(each for each in self.routers if each.name == name)

    def hosts(self) -> Iterator[Host]:
        """All that are no routers."""
        yield from (each.host for each in self.servers.values())
        yield from (*self.clients.values(), *self.origins.values(), self.core)

    def namespaces(self) -> list[Namespace]:
        """All of them."""
        return [
            *(router.namespace for router in self.routers),
            *(host.namespace for host in self.hosts()),
        ]


def make_plan(topology: Topology, prefix: str) -> Plan:
    """Deterministic: the same topology has the same addresses each time."""
    return _Planner(topology, prefix).plan()


@dataclass(frozen=True, slots=True)
class _Net:
    """A small network: IPv4 `10.<kind>.<number>.` and IPv6 `fd00:<kind>:<number>::`, or an origin's."""

    base: IPv4Address
    length: int
    base6: IPv6Address
    length6: int

    def host(self, number: int) -> tuple[IPv4Address, IPv6Address]:
        return self.base + number, self.base6 + number

    def written(self, number: int) -> tuple[str, str]:
        address, address6 = self.host(number)
        return f"{address}/{self.length}", f"{address6}/{self.length6}"


def _inside(kind: int, number: int, length: int = 24) -> _Net:
    base6 = IPv6Address(f"fd00:{kind}:{number}::")
    return _Net(IPv4Address(f"10.{kind}.{number}.0"), length, base6, 64 if length == 24 else 127)


class _Planner:
    def __init__(self, topology: Topology, prefix: str) -> None:
        self._topology = topology
        self._prefix = prefix
        self._cables: list[tuple[Wire, Wire]] = []
        self._neighbours: dict[str, list[Neighbour]] = {}

    def plan(self) -> Plan:
        topology = self._topology
        self._backbone()
        servers = dict(self._servers())
        clients = {
            each.name: self._stub(
                f"client-{each.name}", each.name, _inside(4, number), CLIENT_ADDRESSES
            )
            for number, each in enumerate(topology.locations, 1)
        }
        origins = {
            each.name: self._stub(each.name, each.location, _origin_net(each))
            for each in topology.origins
        }
        core = self._stub("core", topology.locations[0].name, _inside(5, 1))
        return Plan(
            (*self._location_routers(), *self._hall_routers(servers)),
            servers,
            clients,
            origins,
            core,
            tuple(self._cables),
        )

    def _namespace(self, name: str) -> Namespace:
        return Namespace(f"{self._prefix}{name}")

    def _backbone(self) -> None:
        """A ring of locations, and an uplink for each data center."""
        names = [each.name for each in self._topology.locations]
        pairs = list(itertools.pairwise(names)) + (
            [(names[-1], names[0])] if len(names) > 2 else []
        )
        for number, (one, other) in enumerate(pairs, 1):
            self._peer(one, other, _inside(3, number, 31))
        for number, hall in enumerate(self._topology.data_centers, 1):
            self._peer(hall.location, hall.name, _inside(2, number, 31), lower="uplink")

    def _peer(self, upper: str, lower_name: str, net: _Net, lower: str = "") -> None:
        """A cable between two routers, which become neighbours."""
        ends = (
            Wire(self._namespace(upper), f"to-{lower_name}", net.written(0)),
            Wire(self._namespace(lower_name), lower or f"to-{upper}", net.written(1)),
        )
        self._cables.append(ends)
        for number, (name, other) in enumerate(((upper, lower_name), (lower_name, upper))):
            there = Neighbour(other, self._asn(other), *net.host(1 - number))
            self._neighbours.setdefault(name, []).append(there)

    def _asn(self, router: str) -> int:
        locations = [each.name for each in self._topology.locations]
        if router in locations:
            return _LOCATION_AS + 1 + locations.index(router)
        return _HALL_AS + 1 + [each.name for each in self._topology.data_centers].index(router)

    def _location_routers(self) -> Iterator[Router]:
        for number, location in enumerate(self._topology.locations, 1):
            name = location.name
            yield Router(
                name,
                self._namespace(name),
                self._asn(name),
                IPv4Address(f"10.4.{number}.1"),
                tuple(self._neighbours.get(name, ())),
            )

    def _hall_routers(self, servers: dict[str, ServerHost]) -> Iterator[Router]:
        for number, hall in enumerate(self._topology.data_centers, 1):
            nodes = tuple(
                Neighbour(
                    name, servers[name].asn, servers[name].host.address, servers[name].host.address6
                )
                for name in self._topology.servers_in(hall.name)
            )
            yield Router(
                hall.name,
                self._namespace(hall.name),
                self._asn(hall.name),
                IPv4Address(f"10.1.{number}.1"),
                tuple(self._neighbours.get(hall.name, ())),
                nodes,
                _inside(1, number).written(1),
            )

    def _servers(self) -> Iterator[tuple[str, ServerHost]]:
        numbers = itertools.count(1)
        for hall_number, hall in enumerate(self._topology.data_centers, 1):
            net = _inside(1, hall_number)
            router = Neighbour(hall.name, self._asn(hall.name), *net.host(1))
            for position, name in enumerate(self._topology.servers_in(hall.name)):
                number = next(numbers)
                port = f"srv{number}"
                at = _HOST_NUMBER + position
                host = self._host(name, net, at)
                self._cables.append(
                    (
                        Wire(self._namespace(hall.name), port, bridge=BRIDGE),
                        Wire(host.namespace, "eth0", net.written(at)),
                    )
                )
                yield name, ServerHost(host, _SERVER_AS + number, router, port)

    def _stub(self, name: str, location: str, net: _Net, addresses: int = 1) -> Host:
        """A host alone in a network on a location's router."""
        host = self._host(name, net, _HOST_NUMBER)
        port = "client" if name.startswith("client-") else name
        own = [
            address for number in range(addresses) for address in net.written(_HOST_NUMBER + number)
        ]
        self._cables.append(
            (
                Wire(
                    self._namespace(location),
                    port,
                    net.written(1),
                ),
                Wire(host.namespace, "eth0", own),
            )
        )
        return host

    def _host(self, name: str, net: _Net, number: int) -> Host:
        return Host(name, self._namespace(name), *net.host(number), *net.host(1))


def _origin_net(origin: Origin) -> _Net:
    four, six = origin.network, origin.network6
    return _Net(four.network_address, four.prefixlen, six.network_address, six.prefixlen)
