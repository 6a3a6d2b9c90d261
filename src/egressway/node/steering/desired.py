"""Who gets a return packet: the pure part of steering (beside CONFIG 4).

From who owns which ports of which address, a state of the kernel: which mark a packet gets, where a
mark leads to, what this server keeps. No clock, no kernel, no fleet messages (`from_fleet` reads
those); the same situation always gives the same state.

A packet to an egress address is kept by this server, sent on to the one server that owns it, or
dropped in silence. It is never answered by a server that does not own it: that would reset a
connection that somebody else has.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address
from itertools import pairwise
from typing import TypeAlias

from egressway.node.steering.names import MOST_SERVERS, OWN_MARK, mark_of

__all__ = [
    "Interval",
    "NextHop",
    "Owner",
    "Pinned",
    "PortRange",
    "Server",
    "Situation",
    "SlicesOverlap",
    "SteeringState",
    "Tuple4",
    "steering_state",
]

PortRange: TypeAlias = tuple[int, int]
"""Both ends included."""

Tuple4: TypeAlias = tuple[IPv4Address, int, IPv4Address, int]
"""Egress address and port, origin address and port."""


class SlicesOverlap(ValueError):
    """Two slices claim one port: the data is wrong, and none of it is applied."""


@dataclass(frozen=True, slots=True)
class Server:
    """A server that packets may have to be brought to."""

    name: str
    number: int
    data_center: str
    underlay: IPv4Address | None = None
    """Where other servers reach it; without one, nothing can be brought to it."""


@dataclass(frozen=True, slots=True)
class Owner:
    """A slice: these ports of this address belong to that server."""

    ip: IPv4Address
    low: int
    high: int
    server: str


@dataclass(frozen=True, slots=True)
class Pinned:
    """An open connection that stays with `server`, whoever owns its port by now."""

    ip: IPv4Address
    port: int
    origin_ip: IPv4Address
    origin_port: int
    server: str


@dataclass(frozen=True, slots=True)
class Situation:
    """Everything that one server's steering depends on."""

    own: str
    servers: tuple[Server, ...]
    owners: tuple[Owner, ...] = ()
    pinned: tuple[Pinned, ...] = ()
    ipv6: tuple[IPv6Address, ...] = ()
    """This server's own IPv6 addresses; they need no steering, only a route."""
    keep: frozenset[IPv4Address] = frozenset()
    """Addresses that stay on this host although it owns no port of them any more: connections are
    still open, or routers still bring packets of theirs."""
    reserved: tuple[PortRange, ...] = ()
    """Ports that the host itself is not to choose, beyond those of the own slices."""


@dataclass(frozen=True, slots=True)
class Interval:
    """Ports of one address that get one mark."""

    low: int
    high: int
    mark: int


@dataclass(frozen=True, slots=True)
class NextHop:
    """Where the packets of one mark go."""

    server: str
    number: int
    underlay: IPv4Address
    through_tunnel: bool


@dataclass(frozen=True, slots=True)
class SteeringState:
    """What the kernel is to hold."""

    own_number: int
    own_underlay: IPv4Address | None
    local: frozenset[IPv4Address | IPv6Address] = frozenset()
    """Addresses that sockets of this host may have."""
    intervals: Mapping[IPv4Address, tuple[Interval, ...]] = field(default_factory=dict)
    """Every address whose packets may arrive here, also those of others alone."""
    pinned: Mapping[Tuple4, int] = field(default_factory=dict)
    next_hops: Mapping[int, NextHop] = field(default_factory=dict)
    """By mark."""
    far: frozenset[IPv4Address] = frozenset()
    """Addresses whose packets may come through a tunnel: their segments are to fit into it."""
    peers: frozenset[IPv4Address] = frozenset()
    """Who may send through a tunnel to here."""
    reserved_ports: tuple[PortRange, ...] = ()
    unreachable: tuple[str, ...] = ()
    """Servers that own something and cannot be reached; what is theirs is dropped."""


def steering_state(situation: Situation, not_on_link: Iterable[str] = ()) -> SteeringState:
    """The state for `situation`.

    `not_on_link` names servers of the own data center that are not neighbours on a wire, so that they
    too are reached through the tunnel.
    """
    servers = {server.name: server for server in situation.servers}
    own = servers[situation.own]
    held = _by_address(situation.owners)
    here = _arriving_here(situation, servers, held)
    needed = _names(held, here, situation) - {own.name}
    tunnelled = frozenset(not_on_link)
    next_hops = {
        mark_of(servers[name].number): _next_hop(own, servers[name], name in tunnelled)
        for name in sorted(needed)
        if _is_reachable(servers.get(name))
    }
    marks = {hop.server: mark for mark, hop in next_hops.items()} | {own.name: OWN_MARK}
    return SteeringState(
        own_number=own.number,
        own_underlay=own.underlay,
        local=frozenset((*_kept(situation, own.name), *situation.ipv6)),
        intervals={ip: _intervals(held.get(ip, ()), marks) for ip in sorted(here)},
        pinned=_pinned(situation, here, marks),
        next_hops=next_hops,
        far=frozenset(ip for ip in here if _is_far(held.get(ip, ()), servers)),
        peers=frozenset(each.underlay for each in situation.servers if each.underlay)
        - {own.underlay},
        reserved_ports=merged(
            (*situation.reserved, *_ports_of(situation.owners, own.name)),
        ),
        unreachable=tuple(name for name in sorted(needed) if name not in marks),
    )


def merged(ranges: Iterable[PortRange]) -> tuple[PortRange, ...]:
    """The same ports in as few ranges as possible."""
    result: list[PortRange] = []
    for low, high in sorted(ranges):
        if result and low <= result[-1][1] + 1:
            result[-1] = (result[-1][0], max(result[-1][1], high))
        else:
            result.append((low, high))
    return tuple(result)


def _by_address(owners: Iterable[Owner]) -> dict[IPv4Address, tuple[Owner, ...]]:
    held: defaultdict[IPv4Address, list[Owner]] = defaultdict(list)
    for owner in owners:
        held[owner.ip].append(owner)
    return {ip: _in_order(each) for ip, each in held.items()}


def _in_order(owners: list[Owner]) -> tuple[Owner, ...]:
    owners.sort(key=lambda owner: owner.low)
    for before, after in pairwise(owners):
        if after.low <= before.high:
            raise SlicesOverlap(
                f"{after.ip}: {before.low}-{before.high} of {before.server} and "
                f"{after.low}-{after.high} of {after.server} overlap"
            )
    return tuple(owners)


def _kept(situation: Situation, own: str) -> frozenset[IPv4Address]:
    """Addresses that this server itself uses."""
    return (
        situation.keep
        | {owner.ip for owner in situation.owners if owner.server == own}
        | {each.ip for each in situation.pinned if each.server == own}
    )


def _arriving_here(
    situation: Situation,
    servers: Mapping[str, Server],
    held: Mapping[IPv4Address, tuple[Owner, ...]],
) -> frozenset[IPv4Address]:
    """Addresses that routers bring to this data center, or other servers to this one."""
    data_center = servers[situation.own].data_center
    announced = {
        ip
        for ip, owners in held.items()
        if any(_stands_in(servers.get(owner.server), data_center) for owner in owners)
    }
    return _kept(situation, situation.own) | announced


def _stands_in(server: Server | None, data_center: str) -> bool:
    return server is not None and server.data_center == data_center


def _names(
    held: Mapping[IPv4Address, tuple[Owner, ...]],
    here: frozenset[IPv4Address],
    situation: Situation,
) -> frozenset[str]:
    owners = {owner.server for ip in here for owner in held.get(ip, ())}
    return frozenset(owners | {each.server for each in situation.pinned if each.ip in here})


def _is_reachable(server: Server | None) -> bool:
    return server is not None and server.underlay is not None and server.number < MOST_SERVERS


def _next_hop(own: Server, server: Server, is_tunnelled: bool) -> NextHop:
    assert server.underlay is not None
    is_near = server.data_center == own.data_center and not is_tunnelled
    return NextHop(server.name, server.number, server.underlay, through_tunnel=not is_near)


def _intervals(owners: Iterable[Owner], marks: Mapping[str, int]) -> tuple[Interval, ...]:
    """Neighbouring slices of one server are one interval."""
    result: list[Interval] = []
    for owner in owners:
        if owner.server not in marks:
            continue
        mark = marks[owner.server]
        if result and result[-1].mark == mark and result[-1].high + 1 == owner.low:
            result[-1] = Interval(result[-1].low, owner.high, mark)
        else:
            result.append(Interval(owner.low, owner.high, mark))
    return tuple(result)


def _pinned(
    situation: Situation, here: frozenset[IPv4Address], marks: Mapping[str, int]
) -> dict[Tuple4, int]:
    return {
        (each.ip, each.port, each.origin_ip, each.origin_port): marks[each.server]
        for each in situation.pinned
        if each.ip in here and each.server in marks
    }


def _is_far(owners: Iterable[Owner], servers: Mapping[str, Server]) -> bool:
    places = {servers[owner.server].data_center for owner in owners if owner.server in servers}
    return len(places) > 1


def _ports_of(owners: Iterable[Owner], own: str) -> Iterator[PortRange]:
    return ((owner.low, owner.high) for owner in owners if owner.server == own)
