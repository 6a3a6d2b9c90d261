"""Announcements follow readiness, and silence is not readiness."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from ipaddress import IPv4Address, ip_address, ip_network

import pytest

from egressway.node.announce import AnnounceWhileReady, BgpSettings, FakeAnnouncer, Peer, Route
from tests.support.waiting import eventually

PEER = ip_address("10.1.0.9")
ROUTE = Route(ip_network("192.0.2.1/32"))
OTHER = Route(ip_network("192.0.2.2/32"))


class Health:
    """What readiness says, changed by the test."""

    def __init__(self) -> None:
        self.is_ready = True
        self.fails = False
        self.may_answer = threading.Event()
        self.may_answer.set()

    def __call__(self) -> bool:
        self.may_answer.wait()
        if self.fails:
            raise RuntimeError("the data plane has no status")
        return self.is_ready


@pytest.fixture
def health() -> Iterator[Health]:
    health = Health()
    yield health
    health.may_answer.set()


@pytest.fixture
def announcer() -> FakeAnnouncer:
    return FakeAnnouncer(BgpSettings(64512, IPv4Address("10.1.0.1"), (Peer(PEER, 64900),)))


@pytest.fixture
def tied(announcer: FakeAnnouncer, health: Health) -> Iterator[AnnounceWhileReady]:
    tied = AnnounceWhileReady(announcer, health)
    tied.set([ROUTE])
    tied.start()
    yield tied
    tied.stop()


def sees(announcer: FakeAnnouncer, *routes: Route) -> None:
    wanted = {route.prefix for route in routes}
    eventually(lambda: set(announcer.received(PEER)) == wanted, why=f"the router has {wanted}")


def test_ready_server_announces(tied, announcer):
    sees(announcer, ROUTE)
    assert tied.is_announcing


def test_not_ready_withdraws_and_ready_again_announces_the_newest(tied, announcer, health):
    sees(announcer, ROUTE)
    health.is_ready = False
    sees(announcer)
    tied.set([OTHER])
    assert announcer.received(PEER) == {}
    health.is_ready = True
    sees(announcer, OTHER)


def test_readiness_that_fails_is_none(tied, announcer, health, caplog):
    sees(announcer, ROUTE)
    health.fails = True
    sees(announcer)
    assert "readiness cannot be told" in caplog.text


def test_readiness_that_hangs_is_none(tied, announcer, health):
    sees(announcer, ROUTE)
    health.may_answer.clear()
    sees(announcer)
    health.may_answer.set()
    sees(announcer, ROUTE)


def test_change_while_ready_is_announced_at_once(tied, announcer):
    sees(announcer, ROUTE)
    tied.set([OTHER])
    assert set(announcer.received(PEER)) == {OTHER.prefix}


def test_nothing_is_announced_after_the_stop(tied, announcer, health):
    sees(announcer, ROUTE)
    tied.stop()
    assert announcer.received(PEER) == {}
    tied.set([OTHER])
    assert announcer.status.desired == 0
