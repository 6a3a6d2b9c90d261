"""Request cases: a case's targets all run at once and are loaded in turn, shuffled per round."""

from __future__ import annotations

import os
import random
import resource
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from bench import origin
from bench.cases import ZONE, Case
from bench.load import LoadError, LoadGenerator
from bench.process import TICKS_PER_SECOND, CpuTime, ProcessError, ProcessTree
from bench.result import Sample
from bench.serve_egressway import DRAIN_SECONDS, Health
from bench.targets.target import Place, Target
from bench.verify import WrongAnswerError, verify

WARM_UP_SECONDS = 1.0
_COUNT_CONNECTIONS_AT = 0.7
"""Share of a run after which open origin connections are counted."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How often, how long and in which shuffled order."""

    rounds: int
    seconds: float
    seed: int


@dataclass(slots=True)
class Measured:
    """Samples so far, and what could not be measured and why."""

    samples: list[Sample] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def add(self, sample: Sample) -> None:
        """Keep a sample; failed requests are told with the proxy's own reasons."""
        self.samples.append(sample)
        if sample.failed:
            reasons = ", ".join(f"`{code}` {count:,}" for code, count in sample.errors.items())
            self.failures.append(
                f"{sample.case}, {sample.target}, round {sample.round}: {sample.failed:,} of "
                f"{sample.requests:,} requests failed ({reasons or 'no reason given'})"
            )


@dataclass(frozen=True, slots=True)
class Running:
    """A target that has passed verification."""

    target: Target
    tree: ProcessTree | None
    work: Path

    def health(self) -> Health:
        """What the target says about itself; all zeros when it says nothing."""
        try:
            content = (self.work / f"{self.target.name}.health.json").read_bytes()
        except FileNotFoundError:
            return Health()
        return msgspec.json.decode(content, type=Health)

    def health_after_drain(self) -> Health:
        """The same, after it has had time to notice what has just ended."""
        if (self.work / f"{self.target.name}.health.json").exists():
            time.sleep(3 * DRAIN_SECONDS)
        return self.health()

    def empty_logs(self) -> None:
        for name in self.target.log_files:
            with suppress(FileNotFoundError):
                os.truncate(self.work / name, 0)


class Sampler:
    """Measures cases one after another. `origin_tree` must be running."""

    def __init__(
        self, place: Place, origin_tree: ProcessTree, plan: Plan, say: Callable[[str], None]
    ) -> None:
        self._place = place
        self._origin = origin_tree
        self._plan = plan
        self._say = say
        self._order = random.Random(plan.seed)

    def measure(self, cases: Sequence[Case], targets: Sequence[Target]) -> Measured:
        """All cases on all targets that take them."""
        measured = Measured()
        for case in cases:
            self._measure_case(case, [each for each in targets if each.takes(case)], measured)
        return measured

    def _measure_case(self, case: Case, targets: list[Target], measured: Measured) -> None:
        with self._running(case, targets, measured) as fleet:
            for one in fleet:
                self._warm_up(case, one, measured)
            for number in range(1, self._plan.rounds + 1):
                for one in self._order.sample(fleet, len(fleet)):
                    self._say(f"{case.name}: round {number}: {one.target.name}")
                    try:
                        measured.add(self._sample(case, one, number, fleet))
                    except (LoadError, ProcessError) as error:
                        measured.failures.append(f"{case.name}, {one.target.name}: {error}")

    @contextmanager
    def _running(
        self, case: Case, targets: list[Target], measured: Measured
    ) -> Iterator[list[Running]]:
        with ExitStack() as stack:
            fleet = []
            for target in targets:
                try:
                    fleet.append(self._start(case, target, stack))
                except (ProcessError, WrongAnswerError, OSError) as error:
                    measured.failures.append(f"{case.name}, {target.name}: {error}")
            yield fleet

    def _start(self, case: Case, target: Target, stack: ExitStack) -> Running:
        self._say(f"{case.name}: start {target.name}")
        (self._place.work / f"{target.name}.health.json").unlink(missing_ok=True)
        command = target.configure(target, self._place)
        tree = None
        if command:
            tree = stack.enter_context(ProcessTree(target.name, command, self._place.work))
            own = [target.ports.of(case.protocol), target.ports.plain]
            tree.wait_until_listening([*target.inner_ports, *own])
        verify(target, case)
        return Running(target, tree, self._place.work)

    def _warm_up(self, case: Case, one: Running, measured: Measured) -> None:
        """Open origin connections and fill caches."""
        self._say(f"{case.name}: warm up {one.target.name}")
        try:
            self._load(case, one, WARM_UP_SECONDS).finish()
        except LoadError as error:
            measured.failures.append(f"{case.name}, {one.target.name}, warm-up: {error}")
        one.empty_logs()

    def _load(self, case: Case, one: Running, seconds: float) -> LoadGenerator:
        host = ZONE if one.tree is not None else origin.ADDRESS
        port = one.target.ports.of(case.protocol)
        return LoadGenerator(case, host, port, seconds, self._place.work)

    def _sample(self, case: Case, one: Running, number: int, fleet: list[Running]) -> Sample:
        health = one.health()
        cpu = one.tree.cpu() if one.tree else CpuTime()
        machine = _MachineCpu.now(self._origin, fleet)
        generator = self._load(case, one, self._plan.seconds)
        try:
            time.sleep(self._plan.seconds * _COUNT_CONNECTIONS_AT)
            connections = origin_connections(one.target.source)
        except BaseException:
            generator.kill()
            raise
        load = generator.finish()
        used = (one.tree.cpu() if one.tree else CpuTime()) - cpu
        others = _MachineCpu.now(self._origin, fleet).others_since(machine)
        if one.tree is not None:
            one.tree.check_alive()
        after = one.health_after_drain()
        one.empty_logs()
        if load.requests == 0:
            raise LoadError("no request was answered")
        return Sample(
            case=case.name,
            target=one.target.name,
            round=number,
            requests=load.requests,
            requests_per_second=load.requests / load.seconds,
            p50_us=load.p50_us,
            p99_us=load.p99_us,
            cpu_user_us=used.user * 1e6 / load.requests,
            cpu_system_us=used.system * 1e6 / load.requests,
            origin_connections=connections,
            failed=load.failed,
            other_cpu_ratio=others,
            dropped_log_lines=after.log_dropped - health.log_dropped,
            foreign_egress=after.foreign_egress - health.foreign_egress,
            panics=after.panics - health.panics,
            errors=_grown(health.errors, after.errors),
        )


def _grown(before: dict[str, int], after: dict[str, int]) -> dict[str, int]:
    grown = {code: count - before.get(code, 0) for code, count in after.items()}
    return {code: count for code, count in grown.items() if count > 0}


def origin_connections(source: str | None, port: int = origin.PORT) -> int:
    """Established sockets from `source` to the origin, as the kernel lists them."""
    if source is None:
        return 0
    outcome = subprocess.run(
        [*("ss", "-Htn", "state", "established"), "src", source, "dst", f"{origin.ADDRESS}:{port}"],
        capture_output=True,
        text=True,
        check=True,
    )
    return len(outcome.stdout.splitlines())


@dataclass(frozen=True, slots=True)
class _MachineCpu:
    """CPU seconds so far: all processors, all work on them, the benchmark itself."""

    elapsed: float
    busy: float
    own: float

    @classmethod
    def now(cls, origin_tree: ProcessTree, fleet: list[Running]) -> _MachineCpu:
        names = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")
        line = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
        ticks = dict(zip(names, map(int, line), strict=True))
        elapsed = sum(ticks.values())
        own = origin_tree.cpu() + _self_and_reaped_children()
        for one in fleet:
            own += one.tree.cpu() if one.tree else CpuTime()
        return cls(
            elapsed=elapsed / TICKS_PER_SECOND,
            busy=(elapsed - ticks["idle"] - ticks["iowait"]) / TICKS_PER_SECOND,
            own=own.total,
        )

    def others_since(self, before: _MachineCpu) -> float:
        """Share of all processors since `before` that something else took (0..1)."""
        foreign = (self.busy - before.busy) - (self.own - before.own)
        return max(0.0, foreign / max(self.elapsed - before.elapsed, 1e-9))


def _self_and_reaped_children() -> CpuTime:
    total = CpuTime()
    for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
        usage = resource.getrusage(who)
        total += CpuTime(usage.ru_utime, usage.ru_stime)
    return total
