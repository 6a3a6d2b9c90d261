"""A replica tells what it hears of every server."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address

import pytest
from prometheus_client import generate_latest

from egressway.analytics.usage import UsageLedger
from egressway.bus.in_process import InProcessBus
from egressway.distribution.publish import Publisher
from egressway.model.server import ServerDraft, ServerName
from egressway.services.configuration import Configuration
from egressway.services.fleet_watch import FleetWatch
from egressway.services.store_start import open_store
from egressway.wire.acknowledgement import Acknowledgement
from egressway.wire.snapshot import Settings
from egressway.wire.usage_report import EgressUsage, UsageReport, encode
from tests.support.waiting import eventually

IP = ip_address("192.0.2.1")


@dataclass
class Replica:
    bus: InProcessBus
    watch: FleetWatch
    ledger: UsageLedger


@pytest.fixture
def replica(tmp_path) -> Iterator[Replica]:
    bus, ledger = InProcessBus(), UsageLedger()
    with open_store(Configuration(data=tmp_path)) as store:
        with store.write("test") as write:
            write.servers.create(ServerDraft(ServerName("s1"), "local"))
        watch = FleetWatch(bus, store, ledger, Publisher(store, bus, Settings()))
        watch.start()
        yield Replica(bus, watch, ledger)
        watch.stop()
        bus.close()


def report(server: str) -> bytes:
    usage = EgressUsage(str(IP), "198.51.100.1:80", "tcp", current=2, peak=3, capacity=10)
    return encode(UsageReport(server, datetime.now(UTC), (usage,)))


def test_newest_answer_of_a_server_is_told(replica):
    replica.bus.acknowledge(Acknowledgement(7, server="s1", epoch=1))
    replica.bus.acknowledge(
        Acknowledgement(8, "no", server="s1", epoch=1, withheld={"zone": "too long"})
    )
    told = eventually(
        lambda: (heard := replica.watch.acknowledged()) and heard["s1"].reason and heard
    )
    assert (told["s1"].revision, told["s1"].epoch, told["s1"].reason) == (8, 1, "no")
    assert replica.watch.withheld() == {"zone": "too long"}


def test_node_that_has_to_give_way_is_not_listened_to(replica):
    replica.bus.acknowledge(Acknowledgement(9, server="s1", epoch=2))
    replica.bus.acknowledge(Acknowledgement(3, server="s1", epoch=1))
    replica.bus.acknowledge(Acknowledgement(1, server="s2"))
    told = eventually(
        lambda: (heard := replica.watch.acknowledged()).keys() == {"s1", "s2"} and heard
    )
    assert told["s1"].revision == 9


def test_report_is_counted_where_its_server_stands(replica):
    replica.bus.report("s1", b"not a report")
    replica.bus.report("s1", report("s1"))
    (row,) = eventually(lambda: replica.ledger.rows_by_pop([IP]))
    assert (row.pop, row.current, row.peak) == ("local", 2, 3)


def test_server_that_is_removed_counts_under_its_own_name(replica):
    replica.bus.report("gone", report("gone"))
    (row,) = eventually(lambda: replica.ledger.rows_by_pop([IP]))
    assert row.pop == "gone"


def test_metrics_tell_of_every_server(replica):
    replica.bus.acknowledge(Acknowledgement(8, "no", server="s1"))
    eventually(replica.watch.acknowledged)
    told = generate_latest(replica.watch.registry).decode()
    assert "egressway_bus_connected 1.0" in told
    assert 'egressway_server_revision{server="s1"} 8.0' in told
    assert 'egressway_server_refuses{server="s1"} 1.0' in told
