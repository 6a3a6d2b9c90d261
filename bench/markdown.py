"""The page of one run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from bench.aims import Aim
from bench.cases import CASES
from bench.forwarding import forwarding
from bench.result import Churn, Run, SliceFill
from bench.summary import Ratio, Summary
from bench.targets import REFERENCE, TARGETS

_QUIET = 0.05
"""Above this share of the processors, other work makes a sample doubtful."""


def markdown(run: Run, summaries: list[Summary], aims: list[Aim], picture: str) -> str:
    """The whole page; `picture` is the plot's file name."""
    blocks = [
        *_head(run, picture),
        *_aim_section(aims),
        *_request_section(run, summaries),
        *_forwarding_section(summaries),
        *_fill_section(run.fills),
        *_memory_section(run),
        *_failure_section(run),
    ]
    return "\n\n".join(blocks) + "\n"


def _head(run: Run, picture: str) -> Iterator[str]:
    setup, machine = run.setup, run.setup.machine
    kind = "Quick benchmark" if setup.quick else "Benchmark"
    yield f"# {kind} of {setup.started_at[:10]}, commit `{setup.commit}`"
    yield "Rendered from the JSON file of the same name. `bench/README.md` says how it is measured."
    yield f"![ratios]({picture})"
    yield table(
        ["", ""],
        [
            ["started", setup.started_at],
            ["processor", f"{machine.processors} x {machine.processor} ({machine.virtualization})"],
            ["memory", f"{machine.memory_bytes / 2**30:.1f} GiB"],
            ["kernel", f"{machine.kernel}, {machine.operating_system}"],
            ["open descriptors per process", f"{machine.descriptor_limit:,}"],
            ["rounds", f"{setup.rounds} of {setup.seconds:g} s, shuffled with seed {setup.seed}"],
            ["threads per proxy", str(setup.threads)],
            ["zones in every table", f"{setup.table_size:,}"],
            *([name, version] for name, version in setup.versions.items()),
        ],
    )


def _aim_section(aims: Iterable[Aim]) -> Iterator[str]:
    yield "## Aims"
    yield table(["aim", "found", "verdict"], [[aim.text, aim.found, aim.verdict] for aim in aims])


def _request_section(run: Run, summaries: list[Summary]) -> Iterator[str]:
    if not summaries:
        return
    yield "## Requests"
    yield (
        "Load generator, origin and proxy share the machine. Medians of the rounds; a ratio is the "
        f"median of the rounds' ratios to {REFERENCE.title}. Egressway routes, counts and writes "
        "its access log in every case. Comparators without `with log` write no log and add no "
        "header, so they have less to do."
    )
    yield _noise(run)
    for case in CASES:
        found = {each.target: each for each in summaries if each.case == case.name}
        if found:
            yield f"### {case.title}"
            yield _case_table(found)


def _forwarding_section(summaries: list[Summary]) -> Iterator[str]:
    found = forwarding(summaries)
    if not found:
        return
    yield "## Forwarding"
    yield (
        "The same proxy twice, one behind the other over mutual TLS, against the same proxy alone. "
        "`added p50` is with one client that waits for each answer; the ratios are with 64. Both "
        "proxies of a chain share the machine, so that a request through two costs the throughput "
        "of one; in a fleet they run on two servers."
    )
    rows = [
        [
            each.title,
            f"{each.added_p50_us:+,.0f}" if each.added_p50_us is not None else "-",
            f"{each.rate_ratio:.2f}" if each.rate_ratio is not None else "-",
            f"{each.added_cpu_us:+,.1f}" if each.added_cpu_us is not None else "-",
        ]
        for each in found
    ]
    header = ["chain", "added p50, us", "requests/s to alone", "added CPU us"]
    yield table(header, rows, numbers_from=1)


def _noise(run: Run) -> str:
    shares = [sample.other_cpu_ratio for sample in run.samples]
    noisy = sum(share > _QUIET for share in shares)
    return (
        f"Other work on the machine took at most {max(shares):.0%} of its processors during a "
        f"sample; {noisy} of {len(shares)} samples had more than {_QUIET:.0%}."
    )


def _case_table(found: dict[str, Summary]) -> str:
    header = [
        *("target", "requests/s", "ratio", "p50 us", "p99 us", "p99 ratio"),
        *("CPU us (user)", "CPU ratio", "origin connections", "failed"),
    ]
    rows = []
    for target in TARGETS:
        if each := found.get(target.name):
            is_proxy = target.source is not None
            rows.append(
                [
                    target.title,
                    f"{each.requests_per_second:,.0f}",
                    _ratio(each.rate_ratio),
                    f"{each.p50_us:,.0f}",
                    f"{each.p99_us:,.0f}",
                    _ratio(each.p99_ratio),
                    f"{each.cpu_us:.1f} ({each.cpu_user_us:.1f})" if is_proxy else "-",
                    _ratio(each.cpu_ratio) if is_proxy else "-",
                    f"{each.origin_connections:,}" if is_proxy else "-",
                    f"{each.failed:,}",
                ]
            )
    return table(header, rows, numbers_from=1)


def _fill_section(fills: list[SliceFill]) -> Iterator[str]:
    if not fills:
        return
    yield "## Filling a slice"
    yield (
        "Slow requests hold one address's whole slice towards one origin ip:port; the kernel's own "
        "port range is the same slice. `alone` is the latency of one request after another, each "
        "with a new origin connection, before anything is held and with 99.9 % of the ports held; "
        "`dial` is the part of it that Egressway logs as `dial_us`: wall time from taking a port to "
        "an established connection."
    )
    header = [
        *("target", "ports", "held", "seconds to 50 / 90 / 99 / 99.9 %", "CPU us per connection"),
        *("alone, empty: p50 / p99 us", "alone, full: p50 / p99 us", "dial, full: p50 / p99 us"),
    ]
    rows = []
    for fill in fills:
        totals = [sum(fill.step_seconds[: end + 1]) for end in range(len(fill.step_seconds))]
        rows.append(
            [
                fill.title,
                f"{fill.ports:,}",
                f"{fill.opened:,}",
                " / ".join(f"{total:.2f}" for total in totals) or fill.note or "-",
                f"{fill.cpu_us_per_connection:.0f}" if fill.cpu_us_per_connection else "-",
                _alone(fill.empty),
                _alone(fill.full),
                _dial(fill.full),
            ]
        )
    yield table(header, rows, numbers_from=1)


def _alone(churn: Churn | None) -> str:
    if churn is None:
        return "-"
    failed = f", {churn.failed:,} failed" if churn.failed else ""
    return f"{churn.p50_us:,.0f} / {churn.p99_us:,.0f}{failed}"


def _dial(churn: Churn | None) -> str:
    if churn is None or churn.dial_p50_us is None or churn.dial_p99_us is None:
        return "-"
    return f"{churn.dial_p50_us:,.0f} / {churn.dial_p99_us:,.0f}"


def _memory_section(run: Run) -> Iterator[str]:
    if not run.memory:
        return
    yield "## Memory per zone"
    yield (
        "Growth of the process tree's proportional set size from a table of one zone. Every zone "
        "has a source address of its own, unless the line says otherwise. `start` is until it "
        "listens. `bench/README.md` says what the leaner designs with a map give up."
    )
    header = ["target", "zones", "bytes per zone", "of it in tables", "start, seconds", "note"]
    rows = [
        [
            each.title,
            f"{each.zones:,}",
            _number(each.bytes_per_zone),
            _number(each.table_bytes_per_zone),
            f"{each.start_seconds:.1f}" if each.start_seconds is not None else "-",
            each.note or "",
        ]
        for each in run.memory
    ]
    yield table(header, rows, numbers_from=1)


def _failure_section(run: Run) -> Iterator[str]:
    if run.failures:
        yield "## Failed"
        yield "\n".join(f"- {failure}" for failure in run.failures)


def _ratio(value: Ratio | None) -> str:
    return f"{value.middle:.2f}" if value is not None else "-"


def _number(value: float | None) -> str:
    return f"{value:,.0f}" if value is not None else "-"


def table(
    header: Sequence[str], rows: Iterable[Sequence[str]], *, numbers_from: int | None = None
) -> str:
    """A Markdown table; columns from `numbers_from` on are flush right."""
    first_number = len(header) if numbers_from is None else numbers_from
    rule = ["---" if column < first_number else "---:" for column in range(len(header))]
    lines = [header, rule, *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
