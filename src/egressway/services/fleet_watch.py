"""What a replica of the control plane hears of its fleet: answers and usage reports of servers.

Every replica hears all of it, and keeps it in memory only: a replica that starts has heard of every
server again within seconds.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Final

import msgspec
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from egressway.aggregation.receive import receive
from egressway.analytics.usage import UsageLedger
from egressway.api.rest.fleet import Acknowledged, FleetSource
from egressway.bus.bus import Bus
from egressway.distribution.publish import Publisher
from egressway.model.errors import StoreError
from egressway.store import Store
from egressway.wire import usage_report
from egressway.wire.acknowledgement import Acknowledgement

__all__ = ["FleetMetrics", "FleetWatch"]

_PLACES_SECONDS: Final = 5.0
_log = logging.getLogger(__name__)


class FleetWatch:
    """A `FleetSource` of the API; its registry is what `/metrics` of a replica tells."""

    def __init__(self, bus: Bus, store: Store, ledger: UsageLedger, publisher: Publisher) -> None:
        self._bus = bus
        self._ledger = ledger
        self._publisher = publisher
        self._places = _Places(store)
        self._lock = threading.Lock()
        self._heard: dict[str, Acknowledged] = {}
        self._watching = ExitStack()
        self.registry = CollectorRegistry()
        self.registry.register(FleetMetrics(self))

    def start(self) -> None:
        """Listen from now on."""
        self._watching.callback(self._bus.acknowledgements(self._acknowledged))
        self._watching.callback(self._bus.reports(self._reported))

    def stop(self) -> None:
        """Listen no more."""
        self._watching.close()

    def acknowledged(self) -> Mapping[str, Acknowledged]:
        """See `FleetSource`."""
        with self._lock:
            return dict(self._heard)

    def is_connected(self) -> bool:
        """See `FleetSource`."""
        return self._bus.is_connected

    def failure(self) -> str | None:
        """See `FleetSource`."""
        return self._publisher.failure

    def withheld(self) -> Mapping[str, str]:
        """See `FleetSource`."""
        found: dict[str, str] = {}
        for heard in self.acknowledged().values():
            found.update(heard.withheld)
        for zone_id, reason in self._publisher.withheld.items():
            found[zone_id] = reason
        return found

    def _acknowledged(self, told: Acknowledgement) -> None:
        heard = Acknowledged(
            datetime.now(UTC), told.revision, told.epoch, told.reason, told.withheld
        )
        with self._lock:
            known = self._heard.get(told.server)
            # A node that has to give way to a newer one may go on telling for a moment.
            if known is None or known.epoch <= heard.epoch:
                self._heard[told.server] = heard

    def _reported(self, server: str, content: bytes) -> None:
        try:
            report = usage_report.decode(content)
        except msgspec.MsgspecError as defect:
            _log.warning("a report of %s cannot be read: %s", server, defect)
            return
        receive(report, self._ledger, self._places.pop_of(server))


class FleetMetrics(Collector):
    """Gauges of a fleet, as one replica hears of it."""

    def __init__(self, fleet: FleetSource) -> None:
        self._fleet = fleet

    def collect(self) -> Iterator[Metric]:
        """Whether the bus is there, and how every server stands."""
        connected = "Whether the bus carries messages now."
        yield GaugeMetricFamily(
            "egressway_bus_connected", connected, value=self._fleet.is_connected()
        )
        revision = GaugeMetricFamily(
            "egressway_server_revision", "Revision a server has told last.", labels=["server"]
        )
        at = GaugeMetricFamily(
            "egressway_server_acknowledged_timestamp_seconds",
            "When a server has told last what it runs.",
            labels=["server"],
        )
        refuses = GaugeMetricFamily(
            "egressway_server_refuses", "Whether it refused what it was sent.", labels=["server"]
        )
        for server, heard in self._fleet.acknowledged().items():
            revision.add_metric([server], heard.revision)
            at.add_metric([server], heard.at.timestamp())
            refuses.add_metric([server], heard.reason is not None)
        yield from (revision, at, refuses)


class _Places:
    """Where servers stand; asked for every report, read from the store now and then."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._pops: dict[str, str] = {}
        self._read_at = datetime.min.replace(tzinfo=UTC)

    def pop_of(self, server: str) -> str:
        """The server's data center; its own name for one that is not there any more."""
        now = datetime.now(UTC)
        if abs((now - self._read_at).total_seconds()) >= _PLACES_SECONDS:
            self._read_at = now
            self._read()
        return self._pops.get(server, server)

    def _read(self) -> None:
        try:
            with self._store.read() as read:
                fleet = read.fleet_for_snapshot(())
        except StoreError as failure:
            _log.warning("where servers stand cannot be read: %s", failure)
            return
        self._pops = {server.name: server.data_center for server in fleet.servers}
