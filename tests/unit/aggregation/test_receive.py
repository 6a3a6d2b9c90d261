"""A usage report becomes rows of the ledger."""

from __future__ import annotations

from datetime import UTC, datetime
from ipaddress import ip_address

from egressway.aggregation.receive import receive
from egressway.analytics.usage import UsageLedger
from egressway.wire.usage_report import EgressUsage, UsageReport


def usage(protocol: str, **more) -> EgressUsage:
    counts = {"current": 1, "peak": 2, "capacity": 10, "opened": 3, "refused": 4, "reused": 5}
    return EgressUsage("2001:db8::1", "[2001:db8::9]:443", protocol, **{**counts, **more})


def report(*egress: EgressUsage) -> UsageReport:
    return UsageReport("server-1", datetime.now(UTC), egress)


def test_report_is_written_under_its_address():
    ledger = UsageLedger()
    receive(report(usage("tcp")), ledger)
    (row,) = ledger.rows([ip_address("2001:db8:0:0::1")])
    assert (row.origin, row.current, row.peak) == ("[2001:db8::9]:443", 1, 2)
    assert (row.capacity, row.opened, row.refused, row.reused) == (10, 3, 4, 5)


def test_protocols_of_one_pair_are_one_row():
    ledger = UsageLedger()
    receive(report(usage("tcp"), usage("udp", current=9)), ledger)
    (row,) = ledger.rows([ip_address("2001:db8::1")])
    assert (row.current, row.capacity, row.opened) == (10, 20, 6)


def test_report_is_counted_where_its_server_stands():
    ledger = UsageLedger()
    receive(report(usage("tcp")), ledger, "lis1")
    (row,) = ledger.rows_by_pop([ip_address("2001:db8::1")])
    assert row.pop == "lis1"
