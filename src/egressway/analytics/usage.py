"""The newest usage of every egress address towards every origin, in memory (MEASUREMENT 3 of 4).

`aggregation` writes it, the API reads it, from different threads. Levels are those of the last
report, the peak is the highest of the last minute, the other counts grow since the start of the
process. A pair that has been idle for a day is forgotten, so that a long life does not gather every
origin there ever was.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from time import monotonic
from typing import Final

from egressway.model.address import IPAddress
from egressway.model.usage import UsageRow

__all__ = ["FORGET_SECONDS", "PEAK_SECONDS", "UsageLedger"]

PEAK_SECONDS: Final = 60.0
FORGET_SECONDS: Final = 86_400.0

_Pair = tuple[IPAddress, str]


@dataclass(slots=True)
class _Entry:
    """One pair; `peaks` holds (moment, peak) with falling peaks, so the first is the highest."""

    latest: UsageRow
    last_used: float
    peaks: deque[tuple[float, int]] = field(default_factory=deque)

    def add(self, row: UsageRow, now: float) -> None:
        """Take in one report: levels replace, counts add up."""
        if row.current or row.peak or row.opened or row.refused or row.reused:
            self.last_used = now
        while self.peaks and self.peaks[-1][1] <= row.peak:
            self.peaks.pop()
        self.peaks.append((now, row.peak))
        self.latest = UsageRow(
            egress_ip=row.egress_ip,
            origin=row.origin,
            current=row.current,
            peak=row.peak,
            capacity=row.capacity,
            opened=self.latest.opened + row.opened,
            refused=self.latest.refused + row.refused,
            reused=self.latest.reused + row.reused,
        )

    def row(self, now: float) -> UsageRow:
        """As it is told."""
        while self.peaks and self.peaks[0][0] < now - PEAK_SECONDS:
            self.peaks.popleft()
        peak = max(self.latest.current, self.peaks[0][1] if self.peaks else 0)
        told = self.latest
        return UsageRow(
            egress_ip=told.egress_ip,
            origin=told.origin,
            current=told.current,
            peak=peak,
            capacity=told.capacity,
            opened=told.opened,
            refused=told.refused,
            reused=told.reused,
        )


class UsageLedger:
    """Thread-safe; every call takes a moment only."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._entries: dict[_Pair, _Entry] = {}

    def record(self, rows: Iterable[UsageRow]) -> None:
        """One report of all pairs in use: a pair that is not in it holds no connection."""
        with self._lock:
            now = self._clock()
            reported = set()
            for row in rows:
                reported.add((row.egress_ip, row.origin))
                self._entry(row).add(row, now)
            for pair, entry in self._entries.items():
                if pair not in reported and entry.latest.current:
                    entry.add(_idle(entry.latest), now)
            self._forget(now)

    def rows(self, ips: Collection[IPAddress]) -> list[UsageRow]:
        """All pairs of these addresses, by address and origin."""
        wanted = frozenset(ips)
        with self._lock:
            now = self._clock()
            rows = [entry.row(now) for (ip, _), entry in self._entries.items() if ip in wanted]
        return sorted(rows, key=lambda row: (row.egress_ip.version, row.egress_ip, row.origin))

    def _entry(self, row: UsageRow) -> _Entry:
        pair = (row.egress_ip, row.origin)
        if pair not in self._entries:
            self._entries[pair] = _Entry(_idle(row), self._clock())
        return self._entries[pair]

    def _forget(self, now: float) -> None:
        before = now - FORGET_SECONDS
        idle = [pair for pair, entry in self._entries.items() if entry.last_used < before]
        for pair in idle:
            del self._entries[pair]


def _idle(row: UsageRow) -> UsageRow:
    return UsageRow(row.egress_ip, row.origin, 0, 0, row.capacity, 0, 0, 0)
