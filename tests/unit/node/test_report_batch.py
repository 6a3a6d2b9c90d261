"""A merged report tells what its parts have told."""

from __future__ import annotations

from datetime import UTC, datetime

from egressway.node.report_batch import ReportBatch, merged
from egressway.wire.usage_report import EgressUsage, UsageReport, decode, encode

AT = datetime(2026, 1, 1, tzinfo=UTC)


def usage(origin: str = "198.51.100.1:80", **counts: int) -> EgressUsage:
    return EgressUsage(
        "192.0.2.1", origin, "tcp", **{"current": 0, "peak": 0, "capacity": 9, **counts}
    )


def report(*egress: EgressUsage) -> UsageReport:
    return UsageReport("s1", AT, egress, "process")


def test_gauges_are_the_newest_peaks_the_highest_counts_add_up():
    (told,) = merged(
        report(usage(current=5, peak=7, opened=7, sent=10)),
        report(usage(current=2, peak=5, opened=1, refused=1, sent=1)),
    ).egress
    assert (told.current, told.peak, told.opened, told.refused, told.sent) == (2, 7, 8, 1, 11)


def test_pair_that_is_told_no_more_holds_nothing_and_keeps_its_counts():
    told = {
        each.origin: (each.current, each.opened)
        for each in merged(report(usage("a:1", current=3, opened=3)), report(usage("b:1"))).egress
    }
    assert told == {"a:1": (0, 3), "b:1": (0, 0)}


def test_one_report_a_second_leaves_with_everything_in_it():
    now, sent = [0.0], []
    batch = ReportBatch(lambda one: sent.append(one) or True, lambda: now[0])
    for moment in (0.0, 0.25, 0.5, 0.75):
        now[0] = moment
        batch.add(report(usage(opened=1)))
    assert [each.egress[0].opened for each in sent] == [1]
    now[0] = 1.0
    batch.add(report(usage(opened=1)))
    assert [each.egress[0].opened for each in sent] == [1, 4]


def test_what_is_counted_while_the_bus_is_away_arrives_later():
    now, sent, is_there = [0.0], [], [False]
    batch = ReportBatch(lambda one: is_there[0] and (sent.append(one) or True), lambda: now[0])
    for moment in range(5):
        now[0] = float(moment)
        batch.add(report(usage(opened=2)))
    assert sent == []
    is_there[0] = True
    batch.flush()
    batch.flush()
    assert [each.egress[0].opened for each in sent] == [10]


def test_report_is_the_same_after_its_journey():
    one = report(usage(current=1, received=2))
    assert decode(encode(one)) == one
