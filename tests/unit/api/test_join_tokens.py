"""The operator invites servers; a token is told once, and only by a fleet."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from egressway.identity.authority import Authority
from egressway.identity.join_token import JoinToken
from egressway.model.enrolment import StoredAuthority
from egressway.model.server import ServerName
from tests.unit.api.world import World

PATH = "/egressway/servers/local/join_tokens"


@pytest.fixture
def pin(world: World) -> str:
    """That of the fleet's authority, which is there from now on."""
    made = Authority.create(datetime.now(UTC))
    stored = StoredAuthority(made.certificate_der, made.key_der)
    with world.store.write("test") as write:
        write.enrolment.ensure_authority(lambda: stored)
    return made.pin


def test_told_token_lets_its_server_in(world: World, pin: str):
    told = world.call("POST", PATH, {})
    token = JoinToken.parse(told["token"])
    assert token is not None
    assert (token.pin, told["server"]) == (pin, "local")
    with world.store.write("test") as write:
        assert write.enrolment.join(ServerName("local"), token.digest, b"k" * 32, None).epoch == 1


def test_token_expires_when_the_operator_says(world: World, pin: str):
    told = world.call("POST", PATH, {"expires_in_seconds": 60})
    left = datetime.fromisoformat(told["expires_on"]) - datetime.now(UTC)
    assert timedelta(seconds=50) < left <= timedelta(seconds=60)


@pytest.mark.parametrize("seconds", [0, -1, 8 * 24 * 3600, "60", True])
def test_lifetime_that_is_none_is_refused(world: World, pin: str, seconds: object):
    with world.http() as http:
        answer = http.post(PATH, json={"expires_in_seconds": seconds})
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["source"] == {"pointer": "/expires_in_seconds"}


def test_server_that_is_not_there_is_not_invited(world: World, pin: str):
    with world.http() as http:
        assert http.post("/egressway/servers/absent/join_tokens", json={}).status_code == 404


def test_revoked_server_is_not_invited(world: World, pin: str):
    world.call("POST", "/egressway/servers/local/revoke")
    with world.http() as http:
        answer = http.post(PATH, json={})
    assert answer.status_code == 403
    assert "revoked, for life" in answer.json()["errors"][0]["message"]


def test_one_machine_lets_nobody_in(world: World):
    with world.http() as http:
        answer = http.post(PATH, json={})
    assert answer.status_code == 409
    assert "`egressway control`" in answer.json()["errors"][0]["message"]


def test_only_the_operator_invites(world: World, pin: str):
    token = world.token(world.account())
    with world.http(token) as http:
        assert http.post(PATH, json={}).status_code == 403


def test_single_machine_is_a_fleet_of_one_that_nobody_has_heard_of(world: World):
    told = world.call("GET", "/egressway/fleet")
    (server,) = told["servers"]
    assert (server["name"], server["revision"], server["acknowledged_on"]) == ("local", None, None)
    assert told["revision"] == world.store_revision()
