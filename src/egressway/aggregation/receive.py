"""Takes usage reports and writes the ledger (MEASUREMENT 2 of 4). The edge: text becomes addresses
here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from ipaddress import ip_address

from egressway.analytics.usage import UsageLedger
from egressway.model.usage import Reporter, UsageRow
from egressway.wire.usage_report import EgressUsage, UsageReport

__all__ = ["receive"]


def receive(report: UsageReport, ledger: UsageLedger, pop: str = "local") -> None:
    """Write the report of one server, which stands in `pop`."""
    ledger.record(_rows(report), Reporter(report.server, report.process, pop))


def _rows(report: UsageReport) -> Iterator[UsageRow]:
    by_pair: defaultdict[tuple[str, str], list[EgressUsage]] = defaultdict(list)
    for each in report.egress:
        by_pair[each.egress_ip, each.origin].append(each)
    for (ip, origin), usages in by_pair.items():
        # Protocols have port tables of their own, so their capacities add up.
        yield UsageRow(
            egress_ip=ip_address(ip),
            origin=origin,
            current=sum(each.current for each in usages),
            peak=sum(each.peak for each in usages),
            capacity=sum(each.capacity for each in usages),
            opened=sum(each.opened for each in usages),
            refused=sum(each.refused for each in usages),
            reused=sum(each.reused for each in usages),
        )
