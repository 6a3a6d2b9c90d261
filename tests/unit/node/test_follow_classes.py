"""A server reads the configuration of its class, and changes when it comes into another."""

from __future__ import annotations

import pytest

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
