"""Medians over rounds, and ratios to the reference target in the same round."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from statistics import median

from bench.result import Run, Sample

Value = Callable[[Sample], float]


@dataclass(frozen=True, slots=True)
class Ratio:
    """Ratios of single rounds: their median, the lowest and the highest."""

    middle: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Summary:
    """One target under one case. Ratios are `None` where the reference was not measured.

    A ratio is the median of the rounds' ratios, not the ratio of the medians: both sides of each
    were taken within seconds of each other.
    """

    case: str
    target: str
    rounds: int
    requests_per_second: float
    p50_us: float
    p99_us: float
    cpu_us: float
    cpu_user_us: float
    origin_connections: int
    failed: int
    other_cpu_ratio: float
    rate_ratio: Ratio | None
    cpu_ratio: Ratio | None
    p99_ratio: Ratio | None


def summarize(run: Run, reference: str) -> list[Summary]:
    """One summary per case and target, in the order of their first samples."""
    groups: dict[tuple[str, str], list[Sample]] = {}
    for sample in run.samples:
        groups.setdefault((sample.case, sample.target), []).append(sample)
    return [
        _summary(samples, _by_round(groups.get((case, reference), [])))
        for (case, _), samples in groups.items()
    ]


def _by_round(samples: Iterable[Sample]) -> dict[int, Sample]:
    return {sample.round: sample for sample in samples}


def _summary(samples: list[Sample], reference: dict[int, Sample]) -> Summary:
    def middle(value: Value) -> float:
        return median(map(value, samples))

    def ratio(value: Value) -> Ratio | None:
        ratios = [
            value(sample) / value(reference[sample.round])
            for sample in samples
            if sample.round in reference and value(reference[sample.round]) > 0
        ]
        return Ratio(median(ratios), min(ratios), max(ratios)) if ratios else None

    return Summary(
        case=samples[0].case,
        target=samples[0].target,
        rounds=len(samples),
        requests_per_second=middle(lambda sample: sample.requests_per_second),
        p50_us=middle(lambda sample: sample.p50_us),
        p99_us=middle(lambda sample: sample.p99_us),
        cpu_us=middle(lambda sample: sample.cpu_us),
        cpu_user_us=middle(lambda sample: sample.cpu_user_us),
        origin_connections=max(sample.origin_connections for sample in samples),
        failed=sum(sample.failed for sample in samples),
        other_cpu_ratio=max(sample.other_cpu_ratio for sample in samples),
        rate_ratio=ratio(lambda sample: sample.requests_per_second),
        cpu_ratio=ratio(lambda sample: sample.cpu_us),
        p99_ratio=ratio(lambda sample: sample.p99_us),
    )
