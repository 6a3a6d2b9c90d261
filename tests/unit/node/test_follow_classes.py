"""A server reads the configuration of its class, and changes when it comes into another."""

from __future__ import annotations

import pytest

from egressway.bus.bus import Unavailable, Whole
from egressway.bus.in_process import InProcessBus
from egressway.node import follow as module
from tests.support.fleets import fleet, topology, zone
from tests.support.follow import Control, Node
from tests.support.waiting import eventually

SERVERS = ("ams-1-1", "sjc-1-1")
PLAIN = topology(*SERVERS)
REGIONAL = topology(*SERVERS, regions=("eu",))
PUBLIC, SECRET, LATER = zone("a.example.com"), zone("b.example.com"), zone("c.example.com")


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(module, "TICK_SECONDS", 0.02)


@pytest.fixture
def control():
    made = Control()
    yield made
    made.bus.close()


@pytest.fixture
def start(control):
    nodes: list[Node] = []

    def starting(name: str, **settings) -> Node:
        nodes.append(Node(control.bus, name, **settings).start())
        return nodes[-1]

    yield starting
    for node in nodes:
        node.stop()


def publish_both(control: Control, revision: int) -> None:
    control.whole(fleet(revision, topology=REGIONAL, zones=(PUBLIC,)))
    control.whole(fleet(revision, topology=REGIONAL, zones=(PUBLIC, SECRET)), "eu")


def test_new_server_learns_its_class_from_what_everybody_is_sent(control, start):
    publish_both(control, 1)
    inside, outside = start("ams-1-1"), start("sjc-1-1")
    inside.runs(1, "a.example.com", "b.example.com")
    outside.runs(1, "a.example.com")
    control.change(1, zones=(LATER,))
    control.change(1, cls="eu", zones=(LATER,))
    inside.runs(2, "a.example.com", "b.example.com", "c.example.com")
    outside.runs(2, "a.example.com", "c.example.com")


def test_first_regional_hostname_moves_servers_into_their_class(control, start):
    control.whole(fleet(1, topology=PLAIN, zones=(PUBLIC,)))
    inside, outside = start("ams-1-1"), start("sjc-1-1")
    inside.runs(1)
    outside.runs(1)
    control.change(1, topology=REGIONAL)
    control.whole(fleet(2, topology=REGIONAL, zones=(PUBLIC, SECRET)), "eu")
    inside.runs(2, "a.example.com", "b.example.com")
    outside.runs(2, "a.example.com")
    control.change(2, cls="eu", removed_zones=(PUBLIC.id,))
    inside.runs(3, "b.example.com")
    assert outside.revision == 2


def test_whole_of_a_class_that_is_older_than_what_is_served_is_not_gone_back_to(control, start):
    control.whole(fleet(1, topology=PLAIN, zones=(PUBLIC,)))
    node = start("ams-1-1")
    node.runs(1)
    control.whole(fleet(1, topology=REGIONAL, zones=(SECRET,)), "eu")
    control.change(1, topology=REGIONAL)
    eventually(lambda: control.hears().wants_whole)
    node.runs(2, "a.example.com")
    control.keep(
        fleet(2, topology=REGIONAL, zones=(PUBLIC, SECRET)),
        control.bus.last_config("eu").sequence,
        "eu",
    )
    eventually(lambda: node.plane.status().zones == 2)


def test_server_goes_on_with_its_class_after_a_restart_from_disk(control, start, tmp_path):
    publish_both(control, 1)
    node = start("ams-1-1", disk=tmp_path)
    node.runs(1, "a.example.com", "b.example.com")
    node.stop()
    control.change(1, zones=(LATER,))
    control.change(1, cls="eu", removed_zones=(PUBLIC.id,))
    again = start("ams-1-1", disk=tmp_path)
    again.runs(2, "b.example.com")


class Guarded(InProcessBus):
    """Lets nobody hear some classes, as a bus with certificates does."""

    def __init__(self) -> None:
        super().__init__()
        self.closed: set[str] = set()

    def is_denied(self, cls: str) -> bool:
        return cls in self.closed

    def get_whole(self, cls: str) -> Whole | None:
        if cls in self.closed:
            raise Unavailable(cls)
        return super().get_whole(cls)

    def watch_config(self, cls, after, handler):
        return super().watch_config(cls, after, lambda m: cls in self.closed or handler(m))


@pytest.fixture
def guarded(monkeypatch):
    monkeypatch.setattr(module, "SHUT_OUT_SECONDS", 0.05)
    made = Control(Guarded())
    yield made
    made.bus.close()


def test_server_that_is_shut_out_from_its_class_reads_what_is_its_own_now(guarded):
    publish_both(guarded, 1)
    node = Node(guarded.bus, "ams-1-1").start()
    try:
        node.runs(1, "a.example.com", "b.example.com")
        guarded.bus.closed.add("eu")
        guarded.change(1, topology=PLAIN)
        eventually(lambda: guarded.hears().wants_whole)
        assert node.plane.status().zones == 2
        last = guarded.bus.last_config("all")
        guarded.keep(fleet(2, topology=PLAIN, zones=(PUBLIC,)), last.sequence)
        node.runs(2, "a.example.com")
    finally:
        node.stop()


def test_server_that_is_not_let_into_its_new_class_yet_goes_on_with_what_it_has(guarded):
    guarded.bus.closed.add("eu")
    guarded.whole(fleet(1, topology=PLAIN, zones=(PUBLIC,)))
    node = Node(guarded.bus, "ams-1-1").start()
    try:
        node.runs(1, "a.example.com")
        guarded.whole(fleet(2, topology=REGIONAL, zones=(PUBLIC, SECRET)), "eu")
        guarded.whole(fleet(2, topology=REGIONAL, zones=()))
        guarded.change(2, topology=REGIONAL)
        eventually(lambda: guarded.hears().wants_whole)
        guarded.bus.closed.clear()
        node.runs(2, "a.example.com", "b.example.com")
    finally:
        node.stop()
