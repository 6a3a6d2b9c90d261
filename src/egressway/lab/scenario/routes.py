"""How routers reach the egress addresses: what BIRD has put into the kernel of each."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_network

from egressway.lab.lab import Lab
from egressway.lab.namespaces import run

__all__ = ["Route", "routes_of"]


@dataclass(frozen=True, slots=True)
class Route:
    """`via` names the servers or routers that packets are handed to, in order of their names."""

    address: str
    at: str
    via: str


def routes_of(lab: Lab) -> Iterator[Route]:
    """All routers, IPv4."""
    names = dict(_addresses(lab))
    for router in lab.plan.routers:
        listed = run("ip", "-n", router.namespace.name, "-json", "route", "show", "proto", "bird")
        for route in json.loads(listed):
            if ip_network(route["dst"]).overlaps(lab.topology.egress):
                hops = route.get("nexthops", [route])
                via = sorted(names[hop["gateway"]] for hop in hops)
                yield Route(route["dst"], router.name, " ".join(via))


def _addresses(lab: Lab) -> Iterator[tuple[str, str]]:
    """Who has an address, of those that a route can lead through."""
    for name, server in lab.plan.servers.items():
        yield str(server.host.address), name
    for router in lab.plan.routers:
        for neighbour in router.neighbours:
            yield str(neighbour.address), neighbour.name
