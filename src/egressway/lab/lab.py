"""A lab: built from a topology, found again by its run directory, and taken away without a trace."""

from __future__ import annotations

from collections.abc import Callable
from typing import Self

from egressway.lab.clock import build_clock
from egressway.lab.core import Core
from egressway.lab.errors import LabError
from egressway.lab.fleet import FleetApi
from egressway.lab.namespaces import existing
from egressway.lab.network import build_network, remove_network
from egressway.lab.nodes import Node, nodes_of
from egressway.lab.origins import OriginHost
from egressway.lab.plan import make_plan
from egressway.lab.process import wait_until
from egressway.lab.routers import routers_are_settled, start_routers
from egressway.lab.run_directory import DEFAULT, PREFIX, RunDirectory
from egressway.lab.scenario.script import Given
from egressway.lab.topology import Topology

__all__ = ["Lab", "remove_lab"]

Tell = Callable[[str], None]


class Lab:
    """All handles of one lab; making it starts nothing."""

    def __init__(self, topology: Topology, directory: RunDirectory = DEFAULT) -> None:
        self.topology = topology
        self.directory = directory
        self.plan = make_plan(topology, PREFIX)
        self.core = Core(self.plan, directory)
        self.api = FleetApi(self.core, self.plan, topology)
        self.nodes: dict[str, Node] = nodes_of(self.plan, directory)
        self.origins = {
            each.name: OriginHost(each, self.plan.origins[each.name], topology, directory)
            for each in topology.origins
        }

    @classmethod
    def running(cls, directory: RunDirectory = DEFAULT) -> Self:
        """The one that is up."""
        return cls(directory.topology(), directory)

    def up(self, given: Given, tell: Tell) -> None:
        """Build and start everything; what a former, broken lab has left goes first."""
        if self.directory.is_ready:
            raise LabError("a lab is up already. Take it away first with `egressway lab down`.")
        if self.directory.path.exists() or existing(PREFIX):
            tell("taking away what a former lab has left")
            remove_lab(self.directory)
        self.directory.create(self.topology)
        tell(
            f"network of {len(self.plan.namespaces())} namespaces, {len(self.plan.routers)} routers"
        )
        build_clock(self.directory.path)
        build_network(self.plan)
        start_routers(self.plan, self.directory)
        for origin in self.origins.values():
            origin.start()
        tell("PostgreSQL, NATS and control")
        self.core.start()
        tell(f"{len(self.nodes)} servers")
        self._start_nodes()
        self.api.configure(given)
        self._wait_settled()
        self.directory.ready_file.touch()

    def _start_nodes(self) -> None:
        self.api.make_places()
        for name, node in self.nodes.items():
            node.join(self.core.enrolment_url, self.api.join_token(name))
        for node in self.nodes.values():
            node.wait_ready()

    def _wait_settled(self) -> None:
        for origin in self.origins.values():
            origin.wait_ready()
        wait_until(
            lambda: routers_are_settled(self.plan, self.directory),
            30,
            "all routers found each other",
        )


def remove_lab(directory: RunDirectory = DEFAULT) -> None:
    """End every process and remove every namespace, file system and file; fine when there is none."""
    remove_network(PREFIX)
    directory.remove()
