"""How this node hangs on its fleet, for metrics (beside CONFIG 4).

A bus that is away and a certificate that could not be renewed are told, and are no reason against
traffic: what runs goes on for as long as that lasts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

__all__ = ["Membership", "MembershipMetrics"]


@dataclass(frozen=True, slots=True)
class Membership:
    """As it is now."""

    epoch: int
    is_bus_connected: bool
    certificate_ends_at: float
    """Unix seconds."""


class MembershipMetrics(Collector):
    """Gauges of one node."""

    def __init__(self, look: Callable[[], Membership]) -> None:
        self._look = look

    def collect(self) -> Iterator[Metric]:
        """As it is now."""
        now = self._look()
        yield GaugeMetricFamily(
            "egressway_node_bus_connected",
            "Whether this server hears of changes now. What runs goes on without.",
            value=now.is_bus_connected,
        )
        yield GaugeMetricFamily(
            "egressway_node_certificate_end_timestamp_seconds",
            "When this server's certificate ends, unless it is renewed before.",
            value=now.certificate_ends_at,
        )
        yield GaugeMetricFamily(
            "egressway_node_epoch", "How often a node has joined as this server.", value=now.epoch
        )
