"""CONFIG of a fleet: store, distribution, a real bus, nodes. A change reaches every server, whatever
happens to what lies between.
"""

from __future__ import annotations

import asyncio

import nats
import pytest

from egressway.bus import nats_connection
from egressway.bus.nats import NatsBus
from egressway.distribution.publish import Publisher
from egressway.distribution.rollout import Rollouts
from egressway.model.rollout import RolloutStep
from egressway.node import follow
from tests.support.fleets import SETTINGS
from tests.support.follow import Node
from tests.support.installation import Installation
from tests.support.nats import NatsServer
from tests.support.waiting import eventually

WITHIN = 60.0
"""A killed server is noticed by its pings; the machine may be busy."""


class Fleet:
    """One control plane, and servers that are all called `local`, as the store knows no other."""

    def __init__(self, directory) -> None:
        self.directory = directory
        self.nats = NatsServer.with_jetstream(directory / "nats").start()
        self.installation = Installation(directory)
        self.bus = NatsBus(self.nats.url, manage=True)
        self.publisher = Publisher(self.installation.store, self.bus, SETTINGS)
        self.installation.store.on_change(lambda _: self.publisher.wake())
        self.publisher.start()
        self.nodes: list[Node] = []
        self._node_buses: list[NatsBus] = []

    def node(self, disk: str) -> Node:
        bus = NatsBus(self.nats.url)
        self._node_buses.append(bus)
        (self.directory / disk).mkdir(exist_ok=True)
        node = Node(bus, "local", disk=self.directory / disk).start()
        self.nodes.append(node)
        return node

    def close(self) -> None:
        for node in self.nodes:
            node.stop()
        self.publisher.stop()
        for bus in (self.bus, *self._node_buses):
            bus.close()
        self.installation.close()
        self.nats.stop(kill=True)

    def step(self, **body) -> None:
        Rollouts(self.bus).take(RolloutStep.parse(body))

    def everybody_serves(self, *zones: str) -> None:
        def serves(node: Node) -> bool:
            running = node.plane.status()
            return running.zones == len(zones) and all(node.plane.zone(each) for each in zones)

        eventually(lambda: all(serves(node) for node in self.nodes), within=WITHIN)


@pytest.fixture
def fleet(tmp_path, monkeypatch):
    monkeypatch.setattr(nats_connection, "PING_SECONDS", 1)
    monkeypatch.setattr(nats_connection, "LOOK_SECONDS", 1.0)
    monkeypatch.setattr(follow, "TICK_SECONDS", 0.1)
    made = Fleet(tmp_path)
    yield made
    made.close()


def test_change_reaches_every_server(fleet):
    fleet.node("a")
    fleet.node("b")
    first = fleet.installation.zone("a.example.com")
    fleet.everybody_serves(first)
    second = fleet.installation.zone("b.example.com")
    fleet.everybody_serves(first, second)
    fleet.installation.remove_zone(first)
    fleet.everybody_serves(second)


def test_losing_the_bus_loses_nothing_and_its_return_brings_what_was_changed(fleet):
    fleet.node("a")
    first = fleet.installation.zone("a.example.com")
    fleet.everybody_serves(first)
    fleet.nats.stop(kill=True)
    second = fleet.installation.zone("b.example.com")
    restarted = fleet.node("b")
    assert restarted.revision == 0, "it has nothing on disk, and nobody to ask"
    fleet.nats.start()
    fleet.everybody_serves(first, second)


def test_server_that_starts_without_the_bus_serves_what_it_had(fleet):
    node = fleet.node("a")
    zone = fleet.installation.zone("a.example.com")
    fleet.everybody_serves(zone)
    node.stop()
    fleet.nodes.clear()
    fleet.nats.stop(kill=True)
    fleet.node("a")
    fleet.everybody_serves(zone)
    fleet.nats.start()
    other = fleet.installation.zone("b.example.com")
    fleet.everybody_serves(zone, other)


async def _inject(url: str, content: bytes, revision: int, base: int) -> None:
    connection = await nats.connect(url)
    headers = {"Egressway-Revision": str(revision), "Egressway-Base-Revision": str(base)}
    await connection.jetstream().publish("egressway.config.all", content, headers=headers)
    await connection.close()


def test_garbage_on_the_bus_is_told_and_changes_nothing(fleet):
    node = fleet.node("a")
    zone = fleet.installation.zone("a.example.com")
    fleet.everybody_serves(zone)
    revision = fleet.installation.revision
    asyncio.run(_inject(fleet.nats.url, b"garbage", revision + 1, revision))
    eventually(lambda: node.follower.state.alarm, within=WITHIN)
    assert "not a fleet snapshot" in node.follower.state.alarm
    other = fleet.installation.zone("b.example.com")
    fleet.everybody_serves(zone, other)
    eventually(lambda: node.follower.state.alarm is None, within=WITHIN)


def test_rollout_holds_a_change_back_over_a_restart_of_the_bus(fleet):
    node = fleet.node("a")
    first = fleet.installation.zone("a.example.com")
    fleet.everybody_serves(first)
    fleet.step(action="start")
    second = fleet.installation.zone("b.example.com")
    eventually(lambda: node.follower.state.waiting == 1, within=WITHIN)
    fleet.nats.stop(kill=True)
    fleet.nats.start()
    third = fleet.installation.zone("c.example.com")
    eventually(lambda: node.follower.state.waiting == 2, within=WITHIN)
    fleet.everybody_serves(first)
    eventually(lambda: fleet.bus.last_config("all").revision == fleet.installation.revision)
    fleet.step(action="advance", servers=["local"])
    fleet.everybody_serves(first, second, third)
    fleet.step(action="back")
    fleet.everybody_serves(first)
    fleet.step(action="finish")
    fleet.everybody_serves(first, second, third)
