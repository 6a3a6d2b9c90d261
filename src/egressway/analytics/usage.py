"""The newest usage of every egress address towards every origin, in memory (MEASUREMENT 3 of 4).

`aggregation` writes it, the API reads it, from different threads. Servers share an address, so a row
adds up what each of them has told last. Levels are those of the last reports, the peak is the highest
of the last minute (where servers peaked at different moments, at most a report's length too high),
the other counts grow since the start of the process. A server that has been silent for a while is
taken to hold nothing; a pair that has been idle for a day is forgotten.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from time import monotonic
from typing import Final

from egressway.model.address import IPAddress
from egressway.model.usage import Reporter, UsageRow

__all__ = ["FORGET_SECONDS", "PEAK_SECONDS", "SILENT_SECONDS", "UsageLedger"]

PEAK_SECONDS: Final = 60.0
SILENT_SECONDS: Final = 15.0
FORGET_SECONDS: Final = 86_400.0
_SWEEP_SECONDS: Final = 5.0

_Pair = tuple[IPAddress, str]
_LOCAL: Final = Reporter("local")


@dataclass(slots=True)
class _Level:
    """What one reporter has told last of a pair."""

    current: int = 0
    capacity: int = 0


@dataclass(slots=True)
class _Group:
    """A pair, over some servers; `peaks` holds (moment, peak) with falling peaks: the first is highest."""

    last_used: float
    levels: dict[Reporter, _Level] = field(default_factory=dict)
    current: int = 0
    capacity: int = 0
    opened: int = 0
    refused: int = 0
    reused: int = 0
    peaks: deque[tuple[float, int]] = field(default_factory=deque)

    def add(self, reporter: Reporter, row: UsageRow, now: float) -> None:
        """Take in one report: levels replace, counts add up."""
        level = self.levels.setdefault(reporter, _Level())
        peak = self.current - level.current + max(row.peak, row.current)
        self._set(level, row.current, row.capacity)
        self.opened += row.opened
        self.refused += row.refused
        self.reused += row.reused
        if row.current or row.peak or row.opened or row.refused or row.reused:
            self.last_used = now
        self._note_peak(peak, now)

    def leave_idle(self, reporter: Reporter, now: float) -> None:
        """The reporter's newest report does not tell of this pair."""
        level = self.levels[reporter]
        self._note_peak(self.current, now)
        self._set(level, 0, level.capacity)

    def forget(self, reporter: Reporter, now: float) -> None:
        """The reporter is gone."""
        level = self.levels.pop(reporter, _Level())
        self._note_peak(self.current, now)
        self._set(level, 0, 0)

    def row(self, pair: _Pair, pop: str | None, now: float) -> UsageRow:
        """As it is told."""
        while self.peaks and self.peaks[0][0] < now - PEAK_SECONDS:
            self.peaks.popleft()
        return UsageRow(
            egress_ip=pair[0],
            origin=pair[1],
            current=self.current,
            peak=max(self.current, self.peaks[0][1] if self.peaks else 0),
            capacity=self.capacity,
            opened=self.opened,
            refused=self.refused,
            reused=self.reused,
            pop=pop,
        )

    def _set(self, level: _Level, current: int, capacity: int) -> None:
        self.current += current - level.current
        self.capacity += capacity - level.capacity
        level.current, level.capacity = current, capacity

    def _note_peak(self, peak: int, now: float) -> None:
        while self.peaks and self.peaks[-1][1] <= peak:
            self.peaks.pop()
        self.peaks.append((now, peak))


@dataclass(slots=True)
class _Heard:
    """What is known of a reporter."""

    last_at: float
    pairs: set[_Pair] = field(default_factory=set)
    """All it has told of."""
    busy: set[_Pair] = field(default_factory=set)
    """Those with connections in its newest report."""


class UsageLedger:
    """Thread-safe; every call takes a moment only, however many servers there are."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._groups: dict[str | None, dict[_Pair, _Group]] = {None: {}}
        self._reporters: dict[Reporter, _Heard] = {}
        self._swept_at = clock()

    def record(self, rows: Iterable[UsageRow], reporter: Reporter = _LOCAL) -> None:
        """One report of all pairs in use: a pair that is not in it holds no connection."""
        with self._lock:
            now = self._clock()
            heard = self._reporters.setdefault(reporter, _Heard(now))
            heard.last_at = now
            busy: set[_Pair] = set()
            reported: set[_Pair] = set()
            for row in rows:
                pair = (row.egress_ip, row.origin)
                reported.add(pair)
                if row.current:
                    busy.add(pair)
                for group in self._groups_of(pair, reporter, now):
                    group.add(reporter, row, now)
            for pair in heard.busy - reported:
                for group in self._groups_of(pair, reporter, now):
                    group.leave_idle(reporter, now)
            heard.busy = busy
            heard.pairs |= reported
            if now - self._swept_at >= _SWEEP_SECONDS:
                self._sweep(now)

    def rows(self, ips: Collection[IPAddress]) -> list[UsageRow]:
        """All pairs of these addresses over all servers, by address and origin."""
        return self._rows(ips, [None])

    def rows_by_pop(self, ips: Collection[IPAddress]) -> list[UsageRow]:
        """The same for each PoP by itself."""
        with self._lock:
            pops = sorted(pop for pop in self._groups if pop is not None)
        return self._rows(ips, pops)

    def _rows(self, ips: Collection[IPAddress], pops: Collection[str | None]) -> list[UsageRow]:
        wanted = frozenset(ips)
        with self._lock:
            now = self._clock()
            self._sweep(now)
            rows = [
                group.row(pair, pop, now)
                for pop in pops
                for pair, group in self._groups.get(pop, {}).items()
                if pair[0] in wanted
            ]
        return sorted(
            rows, key=lambda row: (row.egress_ip.version, row.egress_ip, row.origin, row.pop or "")
        )

    def _groups_of(self, pair: _Pair, reporter: Reporter, now: float) -> list[_Group]:
        of_pop = self._groups.setdefault(reporter.pop, {})
        return [groups.setdefault(pair, _Group(now)) for groups in (self._groups[None], of_pop)]

    def _sweep(self, now: float) -> None:
        self._swept_at = now
        silent = [
            reporter
            for reporter, heard in self._reporters.items()
            if heard.last_at < now - SILENT_SECONDS
        ]
        for reporter in silent:
            for pair in self._reporters.pop(reporter).pairs:
                for pop in (None, reporter.pop):
                    if group := self._groups[pop].get(pair):
                        group.forget(reporter, now)
        for groups in self._groups.values():
            idle = [
                pair for pair, group in groups.items() if group.last_used < now - FORGET_SECONDS
            ]
            for pair in idle:
                del groups[pair]
