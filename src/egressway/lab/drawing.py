"""The map of a lab, for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from egressway.lab.plan import Plan
from egressway.lab.topology import DataCenter, Location, Topology

__all__ = ["draw_map"]


def draw_map(topology: Topology, plan: Plan) -> list[str]:
    """A line for each thing, in the order of the backbone.

    ::

        backbone
         ||
         ||==[ lisbon ]   eu   router AS 4200000001
         ||    |
         ||    |-- client          10.4.1.10
         ||    |-- lisbon-1        router AS 4200001001
         ||    |     |-- lisbon-1a   10.1.1.10
         ||    |     `-- lisbon-1b   10.1.1.11
    """
    lines = ["  backbone (a ring of BGP routers)", "   ||"]
    for location in topology.locations:
        lines += [f"   ||{line}" for line in _location(location, topology, plan)]
        lines.append("   ||")
    core = plan.core
    lines.append(
        f"   ||--  core: PostgreSQL, NATS, `egressway control` on {core.address}"
        f" (at {topology.locations[0].name})"
    )
    lines.append("")
    lines.append(f"  egress addresses: {topology.egress} and {topology.egress6}")
    return lines


def _location(location: Location, topology: Topology, plan: Plan) -> Iterator[str]:
    regions = f"region {', '.join(location.regions)}, " if location.regions else ""
    yield f"==[ {location.name} ]  {regions}AS {plan.router(location.name).asn}"
    halls = [each for each in topology.data_centers if each.location == location.name]
    origins = [each for each in topology.origins if each.location == location.name]
    branches = [[f"client{'':12}{plan.clients[location.name].address}"]]
    branches += [list(_hall(hall, topology, plan)) for hall in halls]
    branches += [
        [f"origin {each.name:<11}{plan.origins[each.name].address}, ports {_ports(each.ports)}"]
        for each in origins
    ]
    yield "    |"
    for line in _tree(branches):
        yield f"    {line}"


def _hall(hall: DataCenter, topology: Topology, plan: Plan) -> Iterator[str]:
    yield f"{hall.name:<18}AS {plan.router(hall.name).asn}"
    servers = [
        [f"{name:<12}{plan.servers[name].host.address}"] for name in topology.servers_in(hall.name)
    ]
    yield from _tree(servers)


def _tree(branches: Sequence[Sequence[str]]) -> Iterator[str]:
    for number, (first, *rest) in enumerate(branches):
        is_last = number == len(branches) - 1
        yield f"{'`' if is_last else '|'}-- {first}"
        for line in rest:
            yield f"{' ' if is_last else '|'}   {line}"


def _ports(ports: Sequence[int]) -> str:
    return str(ports[0]) if len(ports) == 1 else f"{ports[0]}-{ports[-1]}"
