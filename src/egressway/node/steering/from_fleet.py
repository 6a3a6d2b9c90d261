"""The situation of one server, out of the fleet's state (beside CONFIG 4). Pure.

While ports are on their way from one server to another, the open connections of the source have to be
known before packets of those ports may go to the target, or the target would answer them with a reset.
So until the source has told, its ports stay with it; then ports and pinned connections change in one
step. A source that is known to be gone, or whose time is over, is not waited for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Network, ip_network

from egressway.model.slice_move import CLOSING_SECONDS
from egressway.node.steering.desired import Owner, Pinned, PortRange, Server, Situation
from egressway.wire.fleet import FleetAddress, FleetMove, FleetPool, FleetServer, Topology
from egressway.wire.fleet_consistency import parse_link
from egressway.wire.held import HeldPorts, HeldTuples

__all__ = ["keeping", "move_sources", "owned", "situation"]


def move_sources(topology: Topology) -> frozenset[str]:
    """Servers whose held tuples every other one has to follow."""
    return frozenset(move.source for move in topology.moves)


def situation(
    topology: Topology,
    pools: Mapping[str, FleetPool],
    server: str,
    *,
    told: Mapping[str, HeldTuples],
    own_held: Iterable[HeldPorts],
    now: float,
) -> Situation | None:
    """None: the fleet knows no server of this name.

    `told` is what other servers say that they hold; of this server `own_held` counts, the live
    connections outside its present slices.
    """
    if all(each.name != server for each in topology.servers):
        return None
    addresses = [address for pool in pools.values() for address in pool.addresses]
    known = {name: each for name, each in told.items() if name != server}
    late = [move for move in topology.moves if _must_wait(move, topology, server, known, now)]
    pinned = (*_pinned_elsewhere(topology, known, now), *_pinned(own_held, server))
    networks = [ip_network(each.ip) for each in addresses if ":" in each.ip]
    number = next(each.number for each in topology.servers if each.name == server)
    ipv6 = tuple(
        network[number]
        for network in networks
        if isinstance(network, IPv6Network) and number < network.num_addresses
    )
    return Situation(
        own=server,
        servers=tuple(_server(each) for each in topology.servers if each.state != "revoked"),
        owners=_in_order(_owners(addresses, late)),
        pinned=tuple(pinned),
        ipv6=ipv6,
        keep=_kept(topology, server),
        reserved=((topology.first_port, topology.last_port),) if ipv6 else (),
    )


def _kept(topology: Topology, server: str) -> frozenset[IPv4Address]:
    """Also what a neighbour gives up: routers bring packets here until they have heard of it."""
    halls = {each.name: each.data_center for each in topology.servers}
    return frozenset(
        IPv4Address(move.ip)
        for move in topology.moves
        if move.source in halls and halls[move.source] == halls[server]
    )


def owned(situation: Situation) -> tuple[Owner, ...]:
    """This server's own slices."""
    return tuple(each for each in situation.owners if each.server == situation.own)


def keeping(wanted: Situation, kept: Sequence[Owner]) -> Situation:
    """As `wanted`, but what is `kept` is still this server's, whoever else has it by then."""
    cut = [
        Owner(each.ip, low, high, each.server)
        for each in wanted.owners
        for low, high in _outside((each.low, each.high), [k for k in kept if k.ip == each.ip])
    ]
    return replace(wanted, owners=_in_order((*cut, *kept)))


def _in_order(owners: Iterable[Owner]) -> tuple[Owner, ...]:
    """The same owners are the same situation, in whatever order they were found."""
    return tuple(sorted(owners, key=lambda each: (each.ip, each.low)))


def _outside(ports: PortRange, taken: Iterable[Owner]) -> list[PortRange]:
    left = [ports]
    for each in taken:
        left = [
            (first, last)
            for low, high in left
            for first, last in ((low, min(high, each.low - 1)), (max(low, each.high + 1), high))
            if first <= last
        ]
    return left


def _must_wait(
    move: FleetMove,
    topology: Topology,
    server: str,
    told: Mapping[str, HeldTuples],
    now: float,
) -> bool:
    """The source itself knows what it holds; everybody else has to be told."""
    if move.source == server or _is_over(move, now):
        return False
    if move.source not in {each.name for each in topology.servers if each.state != "revoked"}:
        return False
    return move.source not in told or move.id not in told[move.source].moves


def _is_over(move: FleetMove, now: float) -> bool:
    """What the source still had has been closed, or it is gone."""
    return move.deadline + CLOSING_SECONDS <= now


def _pinned_elsewhere(
    topology: Topology, told: Mapping[str, HeldTuples], now: float
) -> Iterator[Pinned]:
    for source, each in told.items():
        ranges = [
            (move.ip, move.low, move.high)
            for move in topology.moves
            if move.source == source and not _is_over(move, now)
        ]
        if ranges:
            yield from (pin for pin in _pinned(each.held, source) if _is_within(pin, ranges))


def _is_within(pin: Pinned, ranges: Sequence[tuple[str, int, int]]) -> bool:
    ip = str(pin.ip)
    return any(each == ip and low <= pin.port <= high for each, low, high in ranges)


def _pinned(held: Iterable[HeldPorts], server: str) -> Iterator[Pinned]:
    for each in held:
        origin = parse_link(each.origin)
        if ":" in each.egress_ip or origin is None:
            continue
        ip, origin_ip = IPv4Address(each.egress_ip), IPv4Address(origin[0])
        yield from (Pinned(ip, port, origin_ip, origin[1], server) for port in each.ports)


def _server(server: FleetServer) -> Server:
    parsed = parse_link(server.link) if server.link else None
    underlay = IPv4Address(parsed[0]) if parsed and ":" not in parsed[0] else None
    return Server(server.name, server.number, server.data_center, underlay)


def _owners(addresses: Iterable[FleetAddress], late: Sequence[FleetMove]) -> Iterator[Owner]:
    for address in addresses:
        if ":" in address.ip:
            continue
        ip = IPv4Address(address.ip)
        # Of ports that have moved twice, whoever had them first still has them.
        moves = [move for move in late if move.ip == address.ip]
        for each in address.slices:
            for (low, high), server in _split((each.low, each.high), each.server, moves):
                yield Owner(ip, low, high, server)


def _split(
    ports: PortRange, server: str, moves: Sequence[FleetMove]
) -> Iterator[tuple[PortRange, str]]:
    """Parts of a slice that are still their source's, and the rest of it."""
    low, high = ports
    for number, move in enumerate(moves):
        first, last = max(low, move.low), min(high, move.high)
        if first > last:
            continue
        yield (first, last), move.source
        rest = moves[number + 1 :]
        if low < first:
            yield from _split((low, first - 1), server, rest)
        if last < high:
            yield from _split((last + 1, high), server, rest)
        return
    yield ports, server
