"""Prometheus metrics of one server (MEASUREMENT 1), made from the drained counters.

The one list of metrics: names end in `_total` exactly when they only grow. The egress labels are
the egress address and the origin; a pair without a connection for an hour is no longer told, so
that a long life does not gather every origin there ever was.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from egressway.data_plane.handle import Drained, DrainedEgress, Status
from egressway.node.apply import NodeState
from egressway.node.follow import FollowerState

__all__ = ["EGRESS_COUNTERS", "TOTALS", "Metrics"]

Pair = tuple[str, str]

TOTALS: dict[str, tuple[str, str]] = {
    "requests": ("egressway_proxied_requests", "Requests taken from clients."),
    "connections": ("egressway_client_connections", "Client connections accepted."),
    "foreign_egress": (
        "egressway_foreign_egress",
        "Connections that did not leave from the chosen address. Must stay 0.",
    ),
    "panics": ("egressway_panics", "Defects caught in the data plane. Must stay 0."),
    "log_dropped": ("egressway_access_log_dropped", "Access log lines that found no room."),
}
"""Field of the drained totals to metric and meaning."""

EGRESS_COUNTERS: dict[str, tuple[str, str]] = {
    "opened": ("egressway_egress_connections_opened", "Origin connections opened."),
    "refused": ("egressway_egress_connections_refused", "Origin connections not possible."),
    "reused": ("egressway_egress_connections_reused", "Requests on a connection already open."),
    "handshakes": ("egressway_egress_handshakes", "TLS handshakes with origins."),
    "queued": ("egressway_egress_queued", "Requests that waited for a connection."),
    "sent": ("egressway_egress_sent_bytes", "Bytes sent to origins."),
    "received": ("egressway_egress_received_bytes", "Bytes received from origins."),
}
"""Field of a drained pair to metric and meaning; labels `egress_ip` and `origin`."""

FORGET_SECONDS: Final = 3_600.0
_LABELS = ("egress_ip", "origin")


class Metrics(Collector):
    """Adds up drained counters; safe to read while it is written."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.registry = CollectorRegistry()
        """What `/metrics` tells."""
        self._clock = clock
        self._lock = threading.Lock()
        self._totals: Counter[str] = Counter()
        self._answers: Counter[str] = Counter()
        self._errors: Counter[str] = Counter()
        self._egress: dict[str, Counter[Pair]] = {name: Counter() for name in EGRESS_COUNTERS}
        self._gauges: dict[Pair, DrainedEgress] = {}
        self._status: Status | None = None
        self._state = NodeState()
        self._following: Callable[[], FollowerState] = FollowerState
        self._last_used: dict[Pair, float] = {}
        self.registry.register(self)

    def watch(self, following: Callable[[], FollowerState]) -> None:
        """Tell of the way here too."""
        self._following = following

    def add(self, drained: Drained, status: Status, state: NodeState) -> None:
        """Take in one drain and how the server is now."""
        with self._lock:
            self._status, self._state = status, state
            for name in TOTALS:
                self._totals[name] += getattr(drained.totals, name)
            for key, count in drained.requests.items():
                self._count_answer(key, count)
            self._gauges = {(each.egress_ip, each.origin): each for each in drained.egress}
            now = self._clock()
            for each in drained.egress:
                self._add_egress(each, now)
            self._forget_before(now - FORGET_SECONDS)

    def collect(self) -> Iterator[Metric]:
        """All metrics, as they are now."""
        with self._lock:
            yield from self._whole_server()
            yield from _of_following(self._following())
            yield from self._answered()
            yield from self._per_egress()
            yield from self._gauges_of(self._status)

    def _count_answer(self, key: str, count: int) -> None:
        kind, _, name = key.partition(":")
        if kind == "error":
            self._errors[name] += count
        elif kind == "status":
            self._answers[name] += count

    def _add_egress(self, egress: DrainedEgress, now: float) -> None:
        pair = (egress.egress_ip, egress.origin)
        added = {name: getattr(egress, name) for name in EGRESS_COUNTERS}
        for name, count in added.items():
            self._egress[name][pair] += count
        if egress.peak or any(added.values()):
            self._last_used[pair] = now
        else:
            self._last_used.setdefault(pair, now)

    def _forget_before(self, moment: float) -> None:
        idle = [pair for pair, used in self._last_used.items() if used < moment]
        for pair in idle:
            del self._last_used[pair]
            for counts in self._egress.values():
                del counts[pair]

    def _whole_server(self) -> Iterator[Metric]:
        for name, (metric, meaning) in TOTALS.items():
            yield CounterMetricFamily(metric, meaning, value=self._totals[name])
        yield GaugeMetricFamily(
            "egressway_desired_revision",
            "Revision this server should run.",
            value=self._state.desired_revision,
        )
        yield GaugeMetricFamily(
            "egressway_applied_revision",
            "Revision this server runs.",
            value=self._state.applied_revision,
        )
        yield CounterMetricFamily(
            "egressway_snapshots_refused",
            "Snapshots the data plane did not take.",
            value=self._state.refused_total,
        )

    def _answered(self) -> Iterator[Metric]:
        answers = CounterMetricFamily(
            "egressway_requests", "Answers by status class.", labels=("class",)
        )
        for name, count in sorted(self._answers.items()):
            answers.add_metric((name,), count)
        errors = CounterMetricFamily(
            "egressway_errors", "Answers the proxy gave by itself.", labels=("code",)
        )
        for name, count in sorted(self._errors.items()):
            errors.add_metric((name,), count)
        yield answers
        yield errors

    def _per_egress(self) -> Iterator[Metric]:
        for name, (metric, meaning) in EGRESS_COUNTERS.items():
            family = CounterMetricFamily(metric, meaning, labels=_LABELS)
            for pair, count in sorted(self._egress[name].items()):
                family.add_metric(pair, count)
            yield family
        yield self._gauge("egressway_egress_connections", "Open origin connections.", "current")
        yield self._gauge("egressway_egress_capacity", "Origin connections possible.", "capacity")

    def _gauge(self, metric: str, meaning: str, name: str) -> Metric:
        family = GaugeMetricFamily(metric, meaning, labels=_LABELS)
        for pair, egress in sorted(self._gauges.items()):
            if pair not in self._last_used:
                continue
            family.add_metric(pair, getattr(egress, name))
        return family

    def _gauges_of(self, status: Status | None) -> Iterable[Metric]:
        if status is None:
            return ()
        values = {
            "egressway_client_connections_open": ("Open client connections.", status.connections),
            "egressway_origin_connections_open": (
                "Open origin connections of all egress addresses.",
                status.origin_connections,
            ),
            "egressway_waiting_requests": (
                "Requests waiting for an origin connection.",
                status.waiting,
            ),
            "egressway_zones": ("Zones in the running table.", status.zones),
            "egressway_hosts": ("Hostnames in the running table.", status.hosts),
            "egressway_table_bytes": ("Memory of the running table.", status.memory_table_bytes),
            "egressway_unbindable_addresses": (
                "Egress addresses this server cannot use.",
                len(status.unbindable),
            ),
        }
        return [
            GaugeMetricFamily(metric, meaning, value=value)
            for metric, (meaning, value) in values.items()
        ]


def _of_following(state: FollowerState) -> Iterable[Metric]:
    values = {
        "egressway_config_alarm": (
            "1 while something that was published cannot be used.",
            state.alarm is not None,
        ),
        "egressway_withheld_zones": (
            "Zones not served as they were sent.",
            len(state.withheld),
        ),
        "egressway_waiting_changes": (
            "Changes that the rollout does not permit yet.",
            state.waiting,
        ),
        "egressway_last_good_failed": (
            "1 while what runs is not on disk.",
            state.not_kept is not None,
        ),
    }
    return [
        GaugeMetricFamily(metric, meaning, value=value)
        for metric, (meaning, value) in values.items()
    ]
