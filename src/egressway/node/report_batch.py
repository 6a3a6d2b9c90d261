"""Usage reports on their way over a network: one a second, whatever the pace of draining (MEASUREMENT
1 to 2).

Gauges are the newest, peaks the highest, counts add up, so that a merged report tells the same. While
the bus is away reports are merged on, and what was counted arrives when it is back.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

import msgspec

from egressway.wire.usage_report import EgressUsage, UsageReport

__all__ = ["ReportBatch", "merged"]

EVERY_SECONDS: Final = 1.0
_Key = tuple[str, str, str]


class ReportBatch:
    """For one thread. `deliver` answers whether the report got through."""

    def __init__(
        self,
        deliver: Callable[[UsageReport], bool],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._deliver = deliver
        self._clock = clock
        self._waiting: UsageReport | None = None
        self._next_at = 0.0

    def add(self, report: UsageReport) -> None:
        """Send it, or keep it for the next that is sent."""
        self._waiting = report if self._waiting is None else merged(self._waiting, report)
        if self._clock() >= self._next_at:
            self._next_at = self._clock() + EVERY_SECONDS
            self.flush()

    def flush(self) -> None:
        """Send what waits now."""
        if self._waiting is not None and self._deliver(self._waiting):
            self._waiting = None


def merged(earlier: UsageReport, later: UsageReport) -> UsageReport:
    """One report that tells what two have told."""
    pairs: dict[_Key, EgressUsage] = {_key(each): each for each in later.egress}
    for before in earlier.egress:
        after = pairs.get(_key(before))
        pairs[_key(before)] = _both(before, after) if after else _idle_since(before)
    return msgspec.structs.replace(
        later,
        egress=tuple(pairs.values()),
        requests=earlier.requests + later.requests,
        errors=earlier.errors + later.errors,
    )


def _key(usage: EgressUsage) -> _Key:
    return (usage.egress_ip, usage.origin, usage.protocol)


def _both(before: EgressUsage, after: EgressUsage) -> EgressUsage:
    return msgspec.structs.replace(
        after,
        peak=max(before.peak, after.peak),
        opened=before.opened + after.opened,
        refused=before.refused + after.refused,
        reused=before.reused + after.reused,
        handshakes=before.handshakes + after.handshakes,
        queued=before.queued + after.queued,
        sent=before.sent + after.sent,
        received=before.received + after.received,
    )


def _idle_since(before: EgressUsage) -> EgressUsage:
    return msgspec.structs.replace(before, current=0)
