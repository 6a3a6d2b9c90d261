"""Does what a step says, in the lab that is up. A step returns when what it asks for is so."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from typing import Any, assert_never

from egressway.lab.errors import LabError
from egressway.lab.lab import Lab
from egressway.lab.process import wait_until
from egressway.lab.scenario import faults, steps
from egressway.lab.scenario.clients import ClientProcess, Clients
from egressway.lab.scenario.logs import AccessLogs
from egressway.lab.scenario.record import Event, Record
from egressway.lab.scenario.routes import routes_of
from egressway.lab.scenario.script import Given

__all__ = ["Performer"]

_TRANSFER_PATHS = {"download": "stream", "websocket": "websocket"}
_SETTLE_SECONDS = 30.0
_AWAIT_PAUSE = 0.05


class Performer:
    """One scenario's."""

    def __init__(self, lab: Lab, clients: Clients, record: Record) -> None:
        self._lab = lab
        self._clients = clients
        self._record = record
        self._cut_off: set[str] = set()
        """Data centers that control may not hear of."""

    def perform(self, step: steps.Step, text: str) -> None:
        """Any step; `text` is how it is written."""
        if _may_disturb(step):
            # As it stands in a table: without the blanks that line it up.
            self._record.events.append(Event(" ".join(text.split()), time.monotonic()))
        self._do(step)

    def _do(self, step: steps.Step) -> None:  # noqa: PLR0912 - one line for each verb
        match step:
            case steps.Request():
                self._request(step)
            case steps.Hold():
                self._hold(step)
            case steps.Release():
                self._release()
            case steps.Leave():
                for client in self._clients.running():
                    client.ask("leave")
            case steps.Transfer():
                self._transfer(step)
            case steps.Finish():
                self._finish()
            case steps.Load():
                self._load(step)
            case steps.EndLoad():
                for client in self._clients.running():
                    self._record.answers(client.ask("end_load"))
            case steps.Await():
                self._await(step)
            case steps.Machine():
                self._machine(step)
            case steps.Upgrade():
                for server in step.servers:
                    self._upgrade(server)
            case steps.Service():
                self._service(step)
            case steps.Cut():
                faults.cut(step, self._lab)
                self._cut_off |= {step.source} if not step.target else set()
            case steps.Heal():
                faults.heal(self._lab)
                self._cut_off.clear()
            case steps.Bgp():
                faults.set_session(step, self._lab)
            case steps.Place():
                self._lab.api.place(step.ip, step.shares)
                self.settle()
            case steps.Move():
                self._lab.api.move(step.ip, step.ports, step.source, step.target)
                self.settle()
            case steps.Drain():
                self._lab.api.drain(step.verb, step.kind, step.name)
                self.settle()
            case steps.Disk():
                node = self._lab.nodes[step.server]
                (faults.fill_disk if step.is_full else faults.free_disk)(node)
            case steps.Clock():
                self._lab.nodes[step.server].set_clock(step.by)
            case _:
                assert_never(step)

    def settle(self) -> None:
        """Every server that runs and can be reached runs the newest configuration."""
        seen: dict[str, str] = {}

        def is_settled() -> bool:
            behind = self._lab.api.behind()
            seen.clear()
            seen.update({name: why for name, why in behind.items() if self._is_there(name)})
            return not seen

        try:
            wait_until(
                is_settled, _SETTLE_SECONDS, "all servers run the newest revision", _AWAIT_PAUSE
            )
        except LabError as late:
            told = ", ".join(f"`{name}` {why}" for name, why in seen.items())
            raise LabError(f"{late} Behind: {told}.") from late

    def settle_routes(self, given: Given) -> None:
        """Every address is announced by all servers of the data centers that hold ports of it."""
        topology = self._lab.topology
        wanted = {
            (str(address.ip), hall, " ".join(sorted(topology.servers_in(hall))))
            for address in given.addresses
            for hall in {topology.data_center_of(server) for server, _ in address.shares}
        }

        missing = set(wanted)

        def is_announced() -> bool:
            missing.clear()
            missing.update(
                wanted - {(each.address, each.at, each.via) for each in routes_of(self._lab)}
            )
            return not missing

        try:
            wait_until(is_announced, _SETTLE_SECONDS, "all addresses are announced", _AWAIT_PAUSE)
        except LabError as late:
            raise LabError(f"{late} Missing: {sorted(missing)}.") from late

    def _is_there(self, server: str) -> bool:
        hall = self._lab.topology.data_center_of(server)
        return hall not in self._cut_off and self._lab.nodes[server].process.pid is not None

    def _request(self, step: steps.Request) -> None:
        for client, target, path, n in self._divided(step.traffic, "echo", step.n):
            told = client.ask("request", target=target, path=path, n=n, at_once=step.at_once)
            self._record.answers(told)

    def _hold(self, step: steps.Hold) -> None:
        for client, target, path, n in self._divided(step.traffic, "hold", step.n):
            client.ask("hold", name=step.name, target=target, path=path, n=n)
        self._record.held_by(step.name, step.traffic.client)

    def _release(self) -> None:
        def is_done() -> bool:
            # A connection is there before its request is: once more until nobody waits.
            return not sum(origin.release() for origin in self._lab.origins.values())

        wait_until(is_done, _SETTLE_SECONDS, "origins hold nothing any more", _AWAIT_PAUSE)

    def _transfer(self, step: steps.Transfer) -> None:
        kind = _TRANSFER_PATHS[step.kind]
        for client, target, path, n in self._divided(step.traffic, kind, step.n):
            client.ask("transfer", kind=step.kind, target=target, path=path, n=n)

    def _finish(self) -> None:
        self._release()
        for client in self._clients.running():
            self._record.transferred(client.ask("finish"))

    def _load(self, step: steps.Load) -> None:
        clients = max(1, step.clients // len(step.traffic.servers))
        for client, target, path, _ in self._divided(step.traffic, "echo", step.clients):
            client.ask("load", target=target, path=path, clients=clients, pause=step.pause)

    def _await(self, step: steps.Await) -> None:
        logs = AccessLogs(self._lab.nodes.values())
        numbers = itertools.count()

        def is_used() -> bool:
            for client, target, path, _ in self._divided(step.traffic, "echo", 1):
                client.ask("request", target=target, path=f"{path}-{next(numbers)}", n=1, at_once=1)
            logs.read()
            return any(line.egress_server == step.egress_server for line in logs.lines())

        wait_until(is_used, _SETTLE_SECONDS, f"`{step.egress_server}` is in use", _AWAIT_PAUSE)

    def _divided(
        self, traffic: steps.Traffic, kind: str, n: int
    ) -> Iterator[tuple[ClientProcess, dict[str, Any], str, int]]:
        """For each server its part of `n`: who asks, where, the path, how many."""
        client = self._clients.at(traffic.client)
        each, rest = divmod(n, len(traffic.servers))
        for position, server in enumerate(traffic.servers):
            asked = self._record.ask(traffic.client, server, traffic.host)
            target = self._clients.target(traffic, server)
            yield client, target, f"/{kind}/{asked.mark}", each + (position < rest)

    def _machine(self, step: steps.Machine) -> None:
        node = self._lab.nodes[step.server]
        if step.verb == "kill":
            node.process.kill()
        elif step.verb == "stop":
            node.process.stop()
        else:
            if step.verb == "restart":
                node.process.stop()
            node.start()
            node.wait_ready()
            if self._lab.core.control.pid is not None and self._lab.core.bus.pid is not None:
                self.settle()

    def _upgrade(self, server: str) -> None:
        """The newer process tells the older one to leave, which ends when nothing of it is open."""
        node = self._lab.nodes[server]
        node.upgrade()
        node.wait_ready()
        self.settle()

    def _service(self, step: steps.Service) -> None:
        core = self._lab.core
        if step.verb == "stop":
            # As a machine fails: nobody says goodbye.
            (core.control if step.service == "control" else core.bus).kill()
        elif step.service == "control":
            core.start_control()
        else:
            core.start_bus()


def _may_disturb(step: steps.Step) -> bool:
    match step:
        case steps.Machine() | steps.Service():
            return step.verb != "start"
        case steps.Bgp():
            return not step.is_on
        case steps.Drain():
            return step.verb == "drain"
        case steps.Disk():
            return step.is_full
        case steps.Upgrade() | steps.Cut() | steps.Place() | steps.Move() | steps.Clock():
            return True
        case _:
            return False
