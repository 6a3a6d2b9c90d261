"""What the in-memory data plane was told about traffic comes out of its counters by the native rules."""

from __future__ import annotations

from egressway.data_plane.fake import FakeDataPlane, FakeHost
from egressway.data_plane.handle import Unbindable
from egressway.wire.snapshot import Pool
from tests.support.snapshots import address, snapshot


def running(cap: int = 3, **host) -> FakeDataPlane:
    fake = FakeDataPlane(FakeHost(**host))
    fake.apply(snapshot(pools=(Pool("shared", (address(cap=cap),)),)))
    return fake


def test_connections_above_the_cap_are_refused_and_counted():
    fake = running(cap=3)
    fake.connect("127.0.0.1", "192.0.2.1:80", 5)
    (egress,) = fake.drain_counters().egress
    assert (egress.current, egress.capacity, egress.opened, egress.refused) == (3, 3, 3, 2)


def test_peak_starts_again_from_what_is_open():
    fake = running()
    fake.connect("127.0.0.1", "192.0.2.1:80", 3)
    fake.disconnect("127.0.0.1", "192.0.2.1:80", 2)
    peaks = [fake.drain_counters().egress[0].peak for _ in range(2)]
    assert peaks == [3, 1]


def test_counts_are_told_once():
    fake = running()
    fake.answer("status:2xx", b'{"status":200}\n')
    first, second = fake.drain_counters(), fake.drain_counters()
    assert (first.requests, first.log) == ({"status:2xx": 1}, b'{"status":200}\n')
    assert (second.requests, second.log, second.totals.requests) == ({}, b"", 0)


def test_unbindable_address_is_told_with_its_reason():
    fake = running(unbindable={"127.0.0.1": "not on this machine"})
    assert fake.status().unbindable == (Unbindable("127.0.0.1", "not on this machine"),)
