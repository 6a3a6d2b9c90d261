"""The API is told everything that speaks against this server: of its node, and of what does not reach it."""

from __future__ import annotations

import pytest

from egressway.data_plane.fake import FakeDataPlane
from egressway.node.apply import Applier
from egressway.node.follow import FollowerState
from egressway.services.node_health import NodeHealth
from tests.support.snapshots import snapshot, zone


class Publishing:
    """As much of a publisher as health asks."""

    def __init__(self) -> None:
        self.failure: str | None = None
        self.withheld: dict[str, str] = {}


class World:
    def __init__(self) -> None:
        self.plane = FakeDataPlane()
        self.applier = Applier(self.plane)
        self.publishing = Publishing()
        self.following = FollowerState()
        self.health = NodeHealth(
            self.plane, lambda: self.applier.state, lambda: self.following, self.publishing
        )

    def codes(self) -> list[str]:
        return [reason.code for reason in self.health.not_ready()]


@pytest.fixture
def world() -> World:
    made = World()
    made.applier.receive(snapshot(1, zone()))
    return made


def test_nothing_speaks_against_a_good_server(world):
    assert world.codes() == []


def test_revision_that_does_not_reach_the_node_is_told(world):
    world.publishing.failure = "the database is locked"
    (reason,) = world.health.not_ready()
    assert reason.code == "not_distributed"
    assert "the database is locked" in reason.message


def test_refusal_is_told_once(world):
    world.publishing.failure = world.applier.receive(snapshot(2, zone(pool="lost"))).reason
    assert world.codes() == ["snapshot_refused"]


def test_withheld_zone_is_named(world):
    world.publishing.withheld = {"zone-1": "its certificate cannot be used"}
    (reason,) = world.health.not_ready()
    assert (reason.code, reason.subject) == ("zone_withheld", "zone-1")


def test_zone_that_the_data_plane_refuses_is_named_beside_those_not_published(world):
    world.publishing.withheld = {"zone-1": "it names a pool that is not there"}
    world.following = FollowerState(withheld={"zone-2": "its certificate cannot be used"})
    assert [reason.subject for reason in world.health.not_ready()] == ["zone-1", "zone-2"]


def test_message_that_could_not_be_used_is_told(world):
    world.following = FollowerState(alarm="revision 7 does not have its checksum")
    (reason,) = world.health.not_ready()
    assert reason.code == "not_distributed"
    assert "checksum" in reason.message


def test_status_has_the_data_planes_numbers(world):
    status = world.health.node_status()
    assert (status.revision, status.zones, status.hosts, status.is_draining) == (1, 1, 1, False)
    assert [each.address for each in status.listeners] == ["127.0.0.1"]
