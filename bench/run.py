"""The benchmark's command: `python -m bench.run [--quick] [--cases ...] [--targets ...]`."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import TypeVar

from rich.console import Console

from bench import isolation, machine, origin, report
from bench.cases import CASES, TABLE_SIZE, ZONE, Case, zone_names
from bench.certificates import write_certificate
from bench.fill import fill_slices
from bench.memory import measure_memory
from bench.result import Run, Setup
from bench.sampling import Measured, Plan, Sampler
from bench.targets import TARGETS
from bench.targets.target import THREADS, Place, Target

ROOT = Path(__file__).resolve().parents[1]
EXTRAS = ("memory", "fill")
"""Measurements beside the request cases; selected by the same option."""

QUICK_TARGETS = ("egressway", "haproxy", "nginx")
DESCRIPTORS = 200_000
Named = TypeVar("Named", Case, Target)


@dataclass(frozen=True, slots=True)
class Options:
    """The command line, checked."""

    cases: list[Case]
    extras: list[str]
    targets: list[Target]
    plan: Plan
    quick: bool
    results: Path


def main(arguments: list[str]) -> int:
    """Run the benchmark; returns the exit status."""
    options = _options(arguments)
    # Without a terminal rich assumes 80 columns, in which the tables break.
    console = Console() if sys.stdout.isatty() else Console(width=140)
    try:
        status = isolation.enter("bench.run", arguments)
    except isolation.IsolationError as error:
        console.print(f"[red]{error}[/red]")
        return 1
    if status is not None:
        return status
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        run = _run(options, console)
    except KeyboardInterrupt:
        console.print("interrupted: nothing is written")
        return 130
    written = report.write(run, options.results)
    report.show(run, console)
    console.print("written: " + ", ".join(os.path.relpath(path) for path in written))
    return 1 if run.failures else 0


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _run(options: Options, console: Console) -> Run:
    names = zone_names()
    descriptors = isolation.raise_descriptor_limit(DESCRIPTORS)
    started_at = datetime.now(UTC)
    with (
        tempfile.TemporaryDirectory(prefix="egressway-bench-") as folder,
        console.status("starting") as status,
    ):
        place = _place(Path(folder), names)
        isolation.prepare([ZONE], place.work)
        measured = _measure_requests(options, place, status.update)
        memory = []
        if "memory" in options.extras:
            memory = measure_memory(options.targets, place, options.quick, status.update)
        fills = []
        if "fill" in options.extras:
            fills = fill_slices(options.targets, place, descriptors, status.update)
    return Run(
        setup=_setup(options, started_at),
        samples=measured.samples,
        memory=memory,
        fills=fills,
        failures=measured.failures,
    )


def _place(work: Path, names: list[str]) -> Place:
    certificate = work / "certificate.pem"
    write_certificate(certificate, ZONE)
    return Place(work, tuple(names), certificate)


def _measure_requests(options: Options, place: Place, say: report.Say) -> Measured:
    if not options.cases:
        return Measured()
    with origin.origin(place.work) as origin_tree:
        origin_tree.wait_until_listening([origin.PORT], host=origin.ADDRESS)
        return Sampler(place, origin_tree, options.plan, say).measure(
            options.cases, options.targets
        )


def _setup(options: Options, started_at: datetime) -> Setup:
    return Setup(
        rounds=options.plan.rounds,
        seconds=options.plan.seconds,
        seed=options.plan.seed,
        threads=THREADS,
        table_size=TABLE_SIZE,
        quick=options.quick,
        commit=machine.commit(ROOT),
        started_at=started_at.isoformat(timespec="seconds"),
        versions=machine.versions(),
        machine=machine.machine(),
    )


def _options(arguments: list[str]) -> Options:
    parser = argparse.ArgumentParser(prog="python -m bench.run", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one short round: under two minutes")
    parser.add_argument("--cases", type=_words, help="of " + ",".join(_known_cases()))
    parser.add_argument("--targets", type=_words, help="of " + ",".join(_names(TARGETS)))
    parser.add_argument("--rounds", type=int, help="interleaved rounds per case (default 4)")
    parser.add_argument("--seconds", type=int, help="length of one load (default 3)")
    parser.add_argument("--seed", type=int, default=1, help="of the shuffled order (default 1)")
    parser.add_argument("--results", type=Path, default=ROOT / "bench" / "results")
    given = parser.parse_args(arguments)
    chosen = given.cases or _known_cases()
    unknown = set(chosen) - set(_known_cases())
    if unknown:
        parser.error(f"unknown case `{min(unknown)}`; known: {', '.join(_known_cases())}")
    unknown = set(given.targets or ()) - set(_names(TARGETS))
    if unknown:
        parser.error(f"unknown target `{min(unknown)}`; known: {', '.join(_names(TARGETS))}")
    return Options(
        cases=[case for case in CASES if case.name in chosen],
        extras=[extra for extra in EXTRAS if extra in chosen],
        targets=_chosen_targets(given.targets, given.quick),
        plan=Plan(
            rounds=given.rounds or (1 if given.quick else 4),
            seconds=given.seconds or (1 if given.quick else 3),
            seed=given.seed,
        ),
        quick=given.quick,
        results=given.results,
    )


def _chosen_targets(names: list[str] | None, quick: bool) -> list[Target]:
    """All by default, the few of `QUICK_TARGETS` in a quick run."""
    wanted = names or (QUICK_TARGETS if quick else _names(TARGETS))
    return [target for target in TARGETS if target.name in wanted]


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _names(items: Sequence[Named]) -> list[str]:
    return [item.name for item in items]


def _known_cases() -> list[str]:
    return [*_names(CASES), *EXTRAS]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
