"""Small situations: two servers in data center `a`, one in `b`, one that nobody can reach."""

from __future__ import annotations

from ipaddress import IPv4Address

from egressway.node.steering.desired import Owner, Pinned, Server, Situation

IP, OTHER = IPv4Address("192.0.2.1"), IPv4Address("192.0.2.2")
ORIGIN = IPv4Address("198.51.100.1")
SERVERS = (
    Server("one", 1, "a", IPv4Address("10.1.0.1")),
    Server("two", 2, "a", IPv4Address("10.1.0.2")),
    Server("three", 3, "b", IPv4Address("10.2.0.1")),
    Server("lost", 4, "b"),
)


def owner(low: int, high: int, server: str, ip: IPv4Address = IP) -> Owner:
    return Owner(ip, low, high, server)


def pin(port: int, server: str, ip: IPv4Address = IP) -> Pinned:
    return Pinned(ip, port, ORIGIN, 443, server)


def of_one(*owners: Owner, pinned: tuple[Pinned, ...] = (), **more: object) -> Situation:
    return Situation("one", SERVERS, owners, pinned, **more)  # type: ignore[arg-type]
