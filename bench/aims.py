"""What Egressway has set out to reach, compared with what was found."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bench.forwarding import forwarding
from bench.result import Run
from bench.summary import Ratio, Summary

PRODUCT = "egressway"
_CASES = {"keepalive": "HTTP/1.1 keep-alive", "chunked": "10 KB chunked bodies"}
_RATE_RATIO = 1.05
_DIAL_P99_US = 25.0
_ZONE_BYTES = 2_048
_ADDED_P50_US = 150.0


@dataclass(frozen=True, slots=True)
class Aim:
    """One aim; `is_met` is `None` when this run did not measure it."""

    text: str
    found: str
    is_met: bool | None

    @property
    def verdict(self) -> str:
        return {True: "met", False: "not met", None: "not measured"}[self.is_met]


def aims(run: Run, summaries: list[Summary]) -> list[Aim]:
    """Every aim, in a fixed order, measured or not."""
    return [
        *_request_aims(summaries),
        _dial_aim(run),
        *_memory_aims(run),
        _forwarding_aim(summaries),
        *_clean_aims(run),
    ]


def _request_aims(summaries: list[Summary]) -> Iterator[Aim]:
    found = {each.case: each for each in summaries if each.target == PRODUCT}
    for case, title in _CASES.items():
        summary = found.get(case)
        yield _ratio_aim(
            f"{title}: requests/s at least {_RATE_RATIO:.2f} x HAProxy HTTP",
            summary.rate_ratio if summary else None,
            at_least=_RATE_RATIO,
        )
        yield _ratio_aim(
            f"{title}: CPU per request no more than HAProxy HTTP",
            summary.cpu_ratio if summary else None,
            at_most=1.0,
        )
        yield _ratio_aim(
            f"{title}: p99 no worse than HAProxy HTTP",
            summary.p99_ratio if summary else None,
            at_most=1.0,
        )


def _ratio_aim(
    text: str, ratio: Ratio | None, *, at_least: float = 0.0, at_most: float = float("inf")
) -> Aim:
    if ratio is None:
        return Aim(text, "-", None)
    return Aim(text, f"{ratio.middle:.2f}", at_least <= ratio.middle <= at_most)


def _dial_aim(run: Run) -> Aim:
    text = f"dial p99 at 99.9 % full at most {_DIAL_P99_US:.0f} us"
    for fill in run.fills:
        if fill.target == PRODUCT and fill.full and fill.full.dial_p99_us is not None:
            micros = fill.full.dial_p99_us
            return Aim(text, f"{micros:.0f} us, {fill.ports:,} ports", micros <= _DIAL_P99_US)
    return Aim(text, "-", None)


def _memory_aims(run: Run) -> Iterator[Aim]:
    text = "memory per zone at most 2 KB"
    found = [
        each for each in run.memory if each.target == PRODUCT and each.bytes_per_zone is not None
    ]
    if not found:
        yield Aim(text, "-", None)
    for each in found:
        grown = each.bytes_per_zone or 0.0
        yield Aim(
            f"{text}: {each.title}, {each.zones:,} zones",
            f"{grown:,.0f} bytes",
            grown <= _ZONE_BYTES,
        )


def _forwarding_aim(summaries: list[Summary]) -> Aim:
    text = f"forwarding within a data center adds at most {_ADDED_P50_US:.0f} us to p50"
    for each in forwarding(summaries):
        if each.single == PRODUCT and each.added_p50_us is not None:
            added = each.added_p50_us
            return Aim(text, f"{added:.0f} us", added <= _ADDED_P50_US)
    return Aim(text, "-", None)


def _clean_aims(run: Run) -> Iterator[Aim]:
    own = [sample for sample in run.samples if sample.target == PRODUCT]
    for text, counts in (
        ("no failed request", [sample.failed for sample in own]),
        ("no access-log line dropped", [sample.dropped_log_lines for sample in own]),
        ("foreign egress 0", [sample.foreign_egress for sample in own]),
        ("no panic", [sample.panics for sample in own]),
    ):
        total = sum(counts)
        yield Aim(text, f"{total:,}" if own else "-", total == 0 if own else None)
