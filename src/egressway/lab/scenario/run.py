"""One scenario from its beginning to its end: configure, do, look, and leave the lab as it was found.

At the end of every scenario, whatever its tables say: no server has opened a connection from an address
that was not chosen, a capture in front of each origin shows egress addresses alone, and what the origins
saw is what the access logs say.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress

from egressway.lab.errors import LabError
from egressway.lab.lab import Lab
from egressway.lab.process import wait_until
from egressway.lab.scenario import faults
from egressway.lab.scenario.capture import Capture, sources_in
from egressway.lab.scenario.clients import Clients
from egressway.lab.scenario.compare import Comparison, compare
from egressway.lab.scenario.observe import FROM_LOGS, Observer
from egressway.lab.scenario.perform import Performer
from egressway.lab.scenario.record import Record
from egressway.lab.scenario.report import Report
from egressway.lab.scenario.script import Expectation, Scenario, When
from egressway.lab.scenario.steps import Bgp
from egressway.model.address import IPAddress

__all__ = ["run_scenario"]

_LOGGED_SECONDS = 10.0
_PAUSE = 0.1
_MOST_REASONS = 5


def run_scenario(scenario: Scenario, lab: Lab, report: Report) -> bool:
    """Whether everything was as expected."""
    began = time.monotonic()
    report.title(scenario.title, scenario.prose)
    with ExitStack() as ending:
        run = _Run(scenario, lab, report, ending)
        holds = run.blocks()
        holds = run.end() and holds
    report.verdict(scenario.title, holds, time.monotonic() - began)
    return holds


class _Run:
    def __init__(self, scenario: Scenario, lab: Lab, report: Report, ending: ExitStack) -> None:
        self._scenario = scenario
        self._lab = lab
        self._report = report
        self._record = Record()
        self._clients = Clients(lab.plan, lab.directory)
        self._performer = Performer(lab, self._clients, self._record)
        ending.callback(self._restore)
        lab.api.clear()
        lab.api.configure(scenario.given)
        self._performer.settle()
        self._performer.settle_routes(scenario.given)
        for origin in lab.origins.values():
            origin.forget()
        self._observer = Observer(lab, self._clients, self._record)
        if any(each.view == "secrets" for each in self._expectations()):
            self._observer.watch_secrets()
        self._foreign_before = dict(self._foreign())
        self._refused_before = {name: each.refused() for name, each in lab.origins.items()}
        self._captures = {
            name: Capture(origin.host, lab.directory) for name, origin in lab.origins.items()
        }

    def blocks(self) -> bool:
        """Every block, also after one that did not hold: the next ones may say why."""
        holds = True
        for block in self._scenario.blocks:
            if isinstance(block, When):
                self._when(block)
            else:
                holds = self._then(block) and holds
        return holds

    def end(self) -> bool:
        """What holds after every scenario."""
        facts = list(self._facts())
        self._report.facts(facts)
        return all(holds for _, holds in facts)

    def _expectations(self) -> Iterator[Expectation]:
        return (each for each in self._scenario.blocks if isinstance(each, Expectation))

    def _when(self, block: When) -> None:
        self._record.new_block()
        for time_number in range(block.times):
            for step, text in block.steps:
                if time_number == 0:
                    self._report.step(text)
                self._performer.perform(step, text)

    def _then(self, block: Expectation) -> bool:
        if block.view == "requests" and FROM_LOGS & set(block.columns):
            # A line that never comes shows in the table.
            with suppress(LabError):
                wait_until(self._observer.is_logged, _LOGGED_SECONDS, "requests are logged", _PAUSE)
        end = time.monotonic() + block.within
        while not (comparison := self._look(block)).holds and time.monotonic() < end:
            time.sleep(_PAUSE)
        self._report.table(block.view, comparison)
        if block.view == "transfers":
            self._report.notes(sorted(set(self._record.reasons))[:_MOST_REASONS])
        return comparison.holds

    def _look(self, block: Expectation) -> Comparison:
        rows = self._observer.rows(block.view, block.columns)
        return compare(block.columns, block.rows, rows)

    def _facts(self) -> Iterator[tuple[str, bool]]:
        foreign = [
            f"{name}: {count:g}"
            for name, count in self._foreign()
            if count > self._foreign_before.get(name, 0)
        ]
        yield f"egressway_foreign_egress_total is 0 on all servers{_told(foreign)}", not foreign
        for name, capture in self._captures.items():
            sources = sources_in(capture.end())
            outside = [str(ip) for ip in sources if not self._is_egress(ip)]
            # Where an origin answered somebody, a capture of nothing has not looked.
            is_blind = not sources and self._has_answered(name)
            text = f"{name} saw {sources.total():,} connections, all from egress addresses"
            yield text + _told(outside), not outside and not is_blind
            refused = self._lab.origins[name].refused() - self._refused_before[name]
            yield f"{name} refused none{_told([str(refused)] if refused else [])}", refused == 0
        wrong = [each.path for each in self._observer.disagreements()]
        yield f"origins and access logs agree on address and port{_told(wrong[:5])}", not wrong

    def _foreign(self) -> Iterator[tuple[str, float]]:
        for name, node in self._lab.nodes.items():
            count = node.metric("egressway_foreign_egress_total")
            if count is not None:
                yield name, count

    def _has_answered(self, origin: str) -> bool:
        hosts = {zone.host for zone in self._scenario.given.zones if zone.origin == origin}
        return any(each.asked.host in hosts and each.seen_ip for each in self._record.all)

    def _is_egress(self, ip: IPAddress) -> bool:
        topology = self._lab.topology
        return ip in (topology.egress if ip.version == 4 else topology.egress6)

    def _restore(self) -> None:
        """Everything that a step can have changed is as before."""
        self._clients.end()
        faults.heal(self._lab)
        core = self._lab.core
        if core.bus.pid is None:
            core.start_bus()
        if core.control.pid is None:
            core.start_control()
        for name, node in self._lab.nodes.items():
            faults.free_disk(node)
            node.set_clock(0.0)
            if node.process.pid is None:
                node.start()
            faults.set_session(Bgp(is_on=True, server=name), self._lab)
        self._lab.api.activate_all()
        for node in self._lab.nodes.values():
            node.wait_ready()
        self._drop_connections()
        self._lab.api.clear()

    def _drop_connections(self) -> None:
        """Origins close them while everybody can still hear of it: the next scenario moves addresses."""

        def is_quiet() -> bool:
            # Again each time: a server may just have opened one.
            for origin in self._lab.origins.values():
                origin.drop()
            counts = (
                node.metric("egressway_origin_connections_open")
                for node in self._lab.nodes.values()
            )
            return not any(counts)

        wait_until(is_quiet, 30, "no server has a connection to an origin", _PAUSE)


def _told(what: list[str]) -> str:
    return f" ({', '.join(what)})" if what else ""
