"""The ledger tells the newest levels, the peak of the last minute, and counts that only grow."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from egressway.analytics.usage import FORGET_SECONDS, PEAK_SECONDS, SILENT_SECONDS, UsageLedger
from egressway.model.usage import Reporter, UsageRow

IP = ip_address("192.0.2.1")
OTHER = ip_address("2001:db8::1")


class Clock:
    def __init__(self):
        self.now = 1_000.0

    def __call__(self):
        return self.now


def row(ip=IP, origin="198.51.100.1:80", **counts) -> UsageRow:
    zero = {"current": 0, "peak": 0, "capacity": 100, "opened": 0, "refused": 0, "reused": 0}
    return UsageRow(egress_ip=ip, origin=origin, **{**zero, **counts})


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ledger(clock) -> UsageLedger:
    return UsageLedger(clock)


def test_levels_are_the_newest_and_counts_add_up(ledger):
    ledger.record([row(current=5, peak=9, opened=9, refused=1, reused=2)])
    ledger.record([row(current=7, peak=7, opened=2, refused=0, reused=3)])
    (told,) = ledger.rows([IP])
    assert (told.current, told.capacity, told.utilization) == (7, 100, 0.07)
    assert (told.opened, told.refused, told.reused) == (11, 1, 5)


def test_peak_is_the_highest_of_the_last_minute(ledger, clock):
    ledger.record([row(peak=50)])
    clock.now += PEAK_SECONDS - 1
    ledger.record([row(peak=20)])
    assert ledger.rows([IP])[0].peak == 50
    clock.now += 2
    assert ledger.rows([IP])[0].peak == 20
    clock.now += PEAK_SECONDS
    ledger.record([])
    assert ledger.rows([IP])[0].peak == 0


def test_peak_is_never_below_what_is_open(ledger, clock):
    ledger.record([row(current=4, peak=4)])
    clock.now += PEAK_SECONDS + 1
    ledger.record([row(current=4)])
    assert ledger.rows([IP])[0].peak == 4


def test_pair_that_is_not_reported_holds_no_connection(ledger):
    ledger.record([row(current=4, peak=4, opened=4)])
    ledger.record([])
    (told,) = ledger.rows([IP])
    assert (told.current, told.opened) == (0, 4)


def test_only_the_asked_addresses_are_told_in_order(ledger):
    ledger.record([row(OTHER), row(origin="b:1"), row(origin="a:1"), row(ip_address("192.0.2.9"))])
    told = [(each.egress_ip, each.origin) for each in ledger.rows([OTHER, IP])]
    assert told == [(IP, "a:1"), (IP, "b:1"), (OTHER, "198.51.100.1:80")]


def test_idle_pair_is_forgotten_after_a_day(ledger, clock):
    ledger.record([row(opened=1), row(OTHER, current=1)])
    clock.now += FORGET_SECONDS + 1
    ledger.record([row(OTHER, current=1)])
    assert ledger.rows([IP]) == []
    assert len(ledger.rows([OTHER])) == 1


# Several servers.

LISBON = Reporter("s1", pop="lis1")
LISBON_TOO = Reporter("s2", pop="lis1")
PORTO = Reporter("s3", pop="opo1")


def test_servers_that_share_an_address_add_up(ledger):
    ledger.record([row(current=5, peak=6, opened=9)], LISBON)
    ledger.record([row(current=7, peak=7, opened=7)], PORTO)
    (told,) = ledger.rows([IP])
    assert (told.current, told.capacity, told.opened, told.pop) == (12, 200, 16, None)
    ledger.record([row(current=1, opened=1)], LISBON)
    (told,) = ledger.rows([IP])
    assert (told.current, told.peak, told.opened) == (8, 12, 17)


def test_pops_are_told_apart(ledger):
    ledger.record([row(current=1)], LISBON)
    ledger.record([row(current=2)], LISBON_TOO)
    ledger.record([row(current=4)], PORTO)
    told = {each.pop: (each.current, each.capacity) for each in ledger.rows_by_pop([IP])}
    assert told == {"lis1": (3, 200), "opo1": (4, 100)}


def test_report_says_nothing_of_other_servers(ledger):
    ledger.record([row(current=4)], LISBON)
    ledger.record([], PORTO)
    assert ledger.rows([IP])[0].current == 4


def test_silent_server_holds_nothing_and_its_counts_stay(ledger, clock):
    ledger.record([row(current=5, peak=5, opened=5)], LISBON)
    ledger.record([row(current=1)], PORTO)
    clock.now += SILENT_SECONDS - 1
    ledger.record([row(current=1)], PORTO)
    assert ledger.rows([IP])[0].current == 6
    clock.now += 2
    (told,) = ledger.rows([IP])
    assert (told.current, told.capacity, told.opened, told.peak) == (1, 100, 5, 6)


def test_two_processes_of_one_server_add_up(ledger):
    ledger.record([row(current=3)], Reporter("s1", "older", "lis1"))
    ledger.record([row(current=2)], Reporter("s1", "newer", "lis1"))
    assert ledger.rows([IP])[0].current == 5
    ledger.record([], Reporter("s1", "older", "lis1"))
    assert ledger.rows([IP])[0].current == 2
