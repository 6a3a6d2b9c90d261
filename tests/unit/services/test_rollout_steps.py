"""From the command line through the API and the bus to the data plane: a rollout, step by step."""

from __future__ import annotations

from ipaddress import ip_address

import httpx
import pytest
from typer.testing import CliRunner

from egressway.data_plane.fake import FakeDataPlane
from egressway.services.all_in_one import AllInOne
from egressway.services.configuration.types import Api, Configuration, Egress, Ingress
from egressway.services.main import app
from tests.support.waiting import eventually


class World:
    """One machine with a fake data plane, and commands for it."""

    def __init__(self, configuration: Configuration) -> None:
        self.plane = FakeDataPlane()
        self.egressway = AllInOne(configuration, lambda _: self.plane)
        self.egressway.start()
        self.token = (configuration.data / "admin-token").read_text(encoding="ascii").strip()
        self.account = self.call("POST", "/accounts", {"name": "Example"})["id"]

    def call(self, method: str, path: str, body=None, *, status: int = 200):
        answer = httpx.request(
            method,
            f"{self.egressway.api_url}/client/v4{path}",
            json=body,
            headers={"Authorization": f"Bearer {self.token}"},
        )
        assert answer.status_code == status, answer.text
        return answer.json()["result" if status == 200 else "errors"]

    def zone(self, name: str) -> str:
        body = {"name": name, "account": {"id": self.account}}
        return self.call("POST", "/zones", body)["id"]

    def rollout(self, *words: str) -> str:
        environment = {"EGRESSWAY_URL": self.egressway.api_url, "EGRESSWAY_TOKEN": self.token}
        done = CliRunner().invoke(app, ["rollout", *words], env=environment)
        assert done.exit_code == 0, done.output
        return done.output

    def serves(self, *zones: str) -> None:
        eventually(lambda: self.plane.status().zones == len(zones))
        assert all(self.plane.zone(each) for each in zones)


@pytest.fixture
def world(tmp_path):
    made = World(
        Configuration(
            data=tmp_path / "data",
            api=Api(port=0),
            ingress=Ingress(http_port=18_080, https_port=0),
            egress=Egress(shared_ips=(ip_address("127.0.0.1"),)),
        )
    )
    yield made
    made.egressway.stop()


def test_changes_wait_go_on_and_come_back_as_the_operator_says(world):
    first = world.zone("first.example.com")
    world.serves(first)
    assert "immediate" in world.rollout("show")
    assert "rolling" in world.rollout("start")
    second = world.zone("second.example.com")
    eventually(lambda: world.egressway._node.follower.state.waiting == 1)
    world.serves(first)
    assert "local" in world.rollout("advance", "--server", "local")
    world.serves(first, second)
    assert "back" in world.rollout("back", "--yes")
    world.serves(first)
    assert "immediate" in world.rollout("finish", "--yes")
    world.serves(first, second)


def test_whole_fleet_that_has_gone_on_is_the_new_stable_state(world):
    world.rollout("start")
    zone = world.zone("example.com")
    world.rollout("advance", "--all")
    world.serves(zone)
    world.rollout("back", "--yes")
    world.serves(zone)


def test_step_that_makes_no_sense_is_a_conflict(world):
    (error,) = world.call("POST", "/egressway/rollout", {"action": "back"}, status=409)
    assert "start one first" in error["message"]


@pytest.mark.parametrize(
    "body", [{}, {"action": "jump"}, {"action": "advance"}, {"action": "stop", "all": True}]
)
def test_body_that_is_no_step_is_refused(world, body):
    world.call("POST", "/egressway/rollout", body, status=400)
    assert world.call("GET", "/egressway/rollout")["mode"] == "immediate"
