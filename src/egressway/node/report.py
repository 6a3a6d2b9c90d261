"""Drains the data plane four times a second, oftener under load, and tells it (MEASUREMENT 1).

Lines go to the access log, counts to the metrics and, as a usage report, to whoever receives them.
A writer that fails costs its own part only: it is logged, and the next second is tried again.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final

from egressway.data_plane.handle import DataPlaneHandle, Drained, DrainedEgress
from egressway.model.errors import PROXY_ERRORS
from egressway.node.access_log import AccessLogWriter
from egressway.node.apply import NodeState
from egressway.node.metrics import Metrics
from egressway.wire.usage_report import EgressUsage, UsageReport

__all__ = ["Reporter", "usage_report"]

EVERY_SECONDS: Final = 0.25
WHEN_BUSY_SECONDS: Final = 0.1
BUSY_BYTES: Final = 1024 * 1024
_OWN_ERRORS: Final = tuple(
    error.code for error in PROXY_ERRORS if error.source in ("egress", "internal")
)
"""Errors that are neither the client's doing nor the origin's."""

_log = logging.getLogger(__name__)


def usage_report(server: str, at: datetime, drained: Drained) -> UsageReport:
    """What of one drain leaves the server."""
    return UsageReport(
        server,
        at,
        tuple(_usage(each) for each in drained.egress),
        requests=_count(drained.requests, "status"),
        errors=sum(drained.requests.get(f"error:{code}", 0) for code in _OWN_ERRORS),
    )


def _count(requests: Mapping[str, int], kind: str) -> int:
    return sum(count for key, count in requests.items() if key.startswith(f"{kind}:"))


def _usage(egress: DrainedEgress) -> EgressUsage:
    return EgressUsage(
        egress_ip=egress.egress_ip,
        origin=egress.origin,
        protocol=egress.protocol,
        current=egress.current,
        peak=egress.peak,
        capacity=egress.capacity,
        opened=egress.opened,
        refused=egress.refused,
        reused=egress.reused,
        handshakes=egress.handshakes,
        queued=egress.queued,
        sent=egress.sent,
        received=egress.received,
    )


class Reporter:
    """A thread of its own between `start` and `stop`; `report_once` is what it repeats."""

    def __init__(
        self,
        *,
        server: str,
        data_plane: DataPlaneHandle,
        state: Callable[[], NodeState],
        access_log: AccessLogWriter,
        send: Callable[[UsageReport], None],
        metrics: Metrics,
    ) -> None:
        self._server = server
        self._data_plane = data_plane
        self._state = state
        self._access_log = access_log
        self._send = send
        self._metrics = metrics
        self._stopping = threading.Event()
        self._one_at_a_time = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="report", daemon=True)

    def start(self) -> None:
        """Report again and again from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Report what is left and end; call it after the data plane has stopped."""
        self._stopping.set()
        self._thread.join()
        self.report_once()
        self._access_log.close()

    def report_once(self) -> int:
        """One drain to all its readers; the bytes of log lines it brought."""
        with self._one_at_a_time:
            drained = self._data_plane.drain_counters()
            self._metrics.add(drained, self._data_plane.status(), self._state())
            self._write_log(drained.log)
            self._send(usage_report(self._server, datetime.now(UTC), drained))
            return len(drained.log)

    def _write_log(self, lines: bytes) -> None:
        try:
            self._access_log.write(lines)
        except OSError as failure:
            _log.error("access log lines are lost: %s", failure)

    def _run(self) -> None:
        pause = EVERY_SECONDS
        while not self._stopping.wait(pause):
            try:
                lines = self.report_once()
            except Exception:
                # The thread is the only reader of the counters: it must outlive any one defect.
                _log.exception("a report has failed")
                lines = 0
            # Lines wait in a bounded buffer: with many of them it is emptied before it is full.
            pause = WHEN_BUSY_SECONDS if lines > BUSY_BYTES else EVERY_SECONDS
