"""One drain reaches the access log, the metrics and the receiver, and none of them twice."""

from __future__ import annotations

import io

import pytest
from prometheus_client.exposition import generate_latest

from egressway.data_plane.fake import FakeDataPlane
from egressway.node.access_log import StreamAccessLog
from egressway.node.apply import Applier
from egressway.node.metrics import FORGET_SECONDS, Metrics
from egressway.node.report import (
    BUSY_BYTES,
    EVERY_SECONDS,
    WHEN_BUSY_SECONDS,
    Reporter,
)
from tests.support.snapshots import snapshot, zone
from tests.support.waiting import eventually

ORIGIN = "192.0.2.1:80"


class Node:
    """A reporter around a fake data plane, with everything it tells."""

    def __init__(self, log=None):
        self.now = 0.0
        self.plane = FakeDataPlane()
        self.applier = Applier(self.plane)
        self.applier.receive(snapshot(3, zone()))
        self.stream = io.BytesIO()
        self.reports = []
        self.metrics = Metrics(lambda: self.now)
        self.reporter = Reporter(
            server="server-1",
            data_plane=self.plane,
            state=lambda: self.applier.state,
            access_log=log or StreamAccessLog(self.stream),
            send=self.reports.append,
            metrics=self.metrics,
        )

    def metric(self, name: str) -> float | None:
        for line in generate_latest(self.metrics.registry).decode().splitlines():
            if line.rpartition(" ")[0] == name:
                return float(line.rpartition(" ")[2])
        return None


@pytest.fixture
def node() -> Node:
    return Node()


def test_drained_lines_are_in_the_access_log_once(node):
    node.plane.answer("status:2xx", b'{"status":200}\n')
    node.reporter.report_once()
    node.reporter.report_once()
    assert node.stream.getvalue() == b'{"status":200}\n'


def test_report_tells_levels_and_counts_of_each_pair(node):
    node.plane.connect("127.0.0.1", ORIGIN, 3)
    node.reporter.report_once()
    (egress,) = node.reports[0].egress
    assert (egress.egress_ip, egress.origin, egress.current, egress.opened) == (
        *("127.0.0.1", ORIGIN),
        *(3, 3),
    )
    assert node.reports[0].server == "server-1"


def test_counters_add_up_and_gauges_follow(node):
    labels = f'{{egress_ip="127.0.0.1",origin="{ORIGIN}"}}'
    for _ in range(2):
        node.plane.connect("127.0.0.1", ORIGIN, 2)
        node.plane.disconnect("127.0.0.1", ORIGIN)
        node.reporter.report_once()
    assert node.metric(f"egressway_egress_connections_opened_total{labels}") == 4
    assert node.metric(f"egressway_egress_connections{labels}") == 2
    assert node.metric(f"egressway_egress_capacity{labels}") == 40_000


def test_answers_and_errors_are_counted_apart(node):
    node.plane.answer("status:2xx")
    node.plane.answer("status:5xx")
    node.plane.answer("error:no_origin")
    node.reporter.report_once()
    assert node.metric('egressway_requests_total{class="2xx"}') == 1
    assert node.metric('egressway_requests_total{class="5xx"}') == 1
    assert node.metric('egressway_errors_total{code="no_origin"}') == 1


def test_what_must_stay_zero_is_told_before_anything_happened(node):
    node.reporter.report_once()
    for name in ("foreign_egress", "panics", "access_log_dropped"):
        assert node.metric(f"egressway_{name}_total") == 0
    assert node.metric("egressway_applied_revision") == 3


def test_pair_idle_for_an_hour_is_no_longer_told(node):
    labels = f'{{egress_ip="127.0.0.1",origin="{ORIGIN}"}}'
    node.plane.connect("127.0.0.1", ORIGIN)
    node.plane.disconnect("127.0.0.1", ORIGIN)
    node.reporter.report_once()
    assert node.metric(f"egressway_egress_connections_opened_total{labels}") == 1
    node.reporter.report_once()
    node.now += FORGET_SECONDS + 1
    node.reporter.report_once()
    assert node.metric(f"egressway_egress_connections_opened_total{labels}") is None


class FullDisk:
    def write(self, lines: bytes) -> None:
        raise OSError("no space left on device")

    def close(self) -> None:
        pass


def test_full_disk_costs_log_lines_only(caplog):
    node = Node(FullDisk())
    node.plane.answer("status:2xx", b"{}\n")
    node.reporter.report_once()
    assert node.metric('egressway_requests_total{class="2xx"}') == 1
    assert len(node.reports) == 1
    assert "no space left on device" in caplog.text


class Pauses:
    """Stands for the event that the thread waits on; remembers how long, ends after three times."""

    def __init__(self) -> None:
        self.taken: list[float] = []

    def wait(self, seconds: float) -> bool:
        self.taken.append(seconds)
        return len(self.taken) > 3

    def set(self) -> None:
        pass


def test_many_log_lines_are_drained_again_soon(node):
    pauses = node.reporter._stopping = Pauses()
    node.plane.answer("status:2xx", b"x" * (BUSY_BYTES + 1))
    node.reporter.start()
    node.reporter.stop()
    assert pauses.taken == [EVERY_SECONDS, WHEN_BUSY_SECONDS, EVERY_SECONDS, EVERY_SECONDS]


def test_thread_reports_by_itself_and_stopping_reports_what_is_left(node):
    node.reporter.start()
    eventually(lambda: node.reports)
    node.plane.answer("status:2xx", b"last\n")
    node.reporter.stop()
    assert node.stream.getvalue().endswith(b"last\n")
