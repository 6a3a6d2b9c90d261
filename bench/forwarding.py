"""What one more proxy on the way costs: each chain against the same proxy alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.cases import CASES
from bench.summary import Summary
from bench.targets import TARGETS

ALONE = "forward-alone"
TOGETHER = "forward"
assert {ALONE, TOGETHER} <= {case.name for case in CASES}


@dataclass(frozen=True, slots=True)
class Forwarding:
    """One chain. `added_p50_us` is with one client; the others with many. None: not measured."""

    title: str
    single: str
    added_p50_us: float | None
    rate_ratio: float | None
    added_cpu_us: float | None


def forwarding(summaries: Sequence[Summary]) -> list[Forwarding]:
    """Every chain that was measured, in the order of the tables."""
    by_key = {(each.case, each.target): each for each in summaries}
    found = []
    for target in TARGETS:
        if target.single is None:
            continue
        alone = _pair(by_key, ALONE, target.name, target.single)
        together = _pair(by_key, TOGETHER, target.name, target.single)
        if alone is None and together is None:
            continue
        found.append(
            Forwarding(
                title=target.title,
                single=target.single,
                added_p50_us=alone[0].p50_us - alone[1].p50_us if alone else None,
                rate_ratio=_rate_ratio(*together) if together else None,
                added_cpu_us=together[0].cpu_us - together[1].cpu_us if together else None,
            )
        )
    return found


def _pair(
    by_key: dict[tuple[str, str], Summary], case: str, chain: str, single: str
) -> tuple[Summary, Summary] | None:
    both = by_key.get((case, chain)), by_key.get((case, single))
    return None if both[0] is None or both[1] is None else (both[0], both[1])


def _rate_ratio(chain: Summary, single: Summary) -> float:
    return chain.requests_per_second / single.requests_per_second
