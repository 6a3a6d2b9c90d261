"""Regional hostnames with the official SDK."""

from __future__ import annotations

from datetime import UTC, datetime

import cloudflare
import pytest
from cloudflare import Cloudflare
from cloudflare.resources.addressing.regional_hostnames import RegionalHostnamesResource

from egressway.model.permission import Permission
from tests.unit.api.world import World, check_failure


@pytest.fixture
def account(world: World) -> str:
    return world.account()


@pytest.fixture
def zone(world: World, account: str) -> str:
    return world.zone(account)


def hostnames(client: Cloudflare) -> RegionalHostnamesResource:
    return client.addressing.regional_hostnames


def test_regions_are_listed_with_key_and_label(world: World, account: str) -> None:
    listed = hostnames(world.sdk()).regions.list(account_id=account)
    labels = {each.key: each.label for each in listed}
    assert labels["ca"] == "Canada"
    assert labels["eu"] == "Europe"
    assert {"us", "au"} <= set(labels)
    assert len(labels) == 35


@pytest.mark.parametrize("name", ["www.example.com", "*.example.com", "example.com"])
def test_regional_hostname_lives_through_create_get_edit_list_delete(
    world: World, zone: str, name: str
) -> None:
    client = hostnames(world.sdk())
    before = datetime.now(UTC)
    made = client.create(zone_id=zone, hostname=name, region_key="eu")
    assert made is not None
    assert (made.hostname, made.region_key, made.routing) == (name, "eu", "dns")
    assert before <= made.created_on <= datetime.now(UTC)
    assert client.get(name, zone_id=zone).to_dict() == made.to_dict()
    edited = client.edit(name, zone_id=zone, region_key="ca")
    assert edited is not None
    assert (edited.hostname, edited.region_key) == (name, "ca")
    assert (edited.routing, edited.created_on) == ("dns", made.created_on)
    assert [each.hostname for each in client.list(zone_id=zone)] == [name]
    gone = client.delete(name, zone_id=zone)
    assert gone.success is True
    assert [*client.list(zone_id=zone)] == []
    with pytest.raises(cloudflare.NotFoundError):
        client.get(name, zone_id=zone)


def test_answers_have_exactly_the_documented_members(world: World, zone: str) -> None:
    path = f"/zones/{zone}/addressing/regional_hostnames"
    body = {"hostname": "WWW.Example.com", "region_key": "us", "routing": "anycast"}
    made = world.call("POST", path, body)
    moment = made.pop("created_on")
    assert datetime.fromisoformat(moment).tzinfo is not None
    assert len(moment) == len("2026-01-02T03:04:05.678901Z")
    assert made == {"hostname": "www.example.com", "region_key": "us", "routing": "anycast"}
    assert world.call("DELETE", f"{path}/WWW.example.com") is None


def test_a_wildcard_may_be_escaped_in_the_path_too(world: World, zone: str) -> None:
    path = f"/zones/{zone}/addressing/regional_hostnames"
    world.call("POST", path, {"hostname": "*.example.com", "region_key": "us"})
    for written in ("*.example.com", "%2A.example.com", "*.EXAMPLE.com."):
        assert world.call("GET", f"{path}/{written}")["hostname"] == "*.example.com"


def test_duplicate_is_a_conflict_that_nobody_repeats(world: World, zone: str) -> None:
    client = hostnames(world.sdk(max_retries=2))
    client.create(zone_id=zone, hostname="www.example.com", region_key="eu")
    with pytest.raises(cloudflare.ConflictError) as caught:
        client.create(zone_id=zone, hostname="www.example.com", region_key="ca")
    assert caught.value.response.headers["x-should-retry"] == "false"
    assert caught.value.response.request.headers["x-stainless-retry-count"] == "0"
    error = check_failure(caught.value.response, 409, "/hostname")
    assert "change its region" in error["message"]


@pytest.mark.parametrize(
    ("method", "body", "pointer"),
    [
        ("POST", {"hostname": "www.example.com"}, "/region_key"),
        ("POST", {"region_key": "eu"}, "/hostname"),
        ("POST", {"hostname": "www.example.com", "region_key": "nowhere"}, "/region_key"),
        ("POST", {"hostname": "www.example.net", "region_key": "eu"}, "/hostname"),
        ("POST", {"hostname": "a.*.example.com", "region_key": "eu"}, "/hostname"),
        ("POST", {"hostname": "a", "region_key": "eu", "routing": 7}, "/routing"),
        ("POST", {"hostname": "www.example.com", "region_key": "eu", "x": 1}, "/x"),
        ("PATCH", {}, "/region_key"),
        ("PATCH", {"region_key": None}, "/region_key"),
        ("PATCH", {"region_key": "eu", "routing": "dns"}, "/routing"),
    ],
)
def test_bad_input_points_at_its_member_and_changes_nothing(
    world: World, zone: str, method: str, body: dict[str, object], pointer: str
) -> None:
    path = f"/zones/{zone}/addressing/regional_hostnames"
    world.call("POST", path, {"hostname": "there.example.com", "region_key": "us"})
    revision = world.store_revision()
    with world.http() as http:
        where = f"{path}/there.example.com" if method == "PATCH" else path
        check_failure(http.request(method, where, json=body), 400, pointer)
    assert world.store_revision() == revision


@pytest.mark.parametrize("name", ["nothing.example.com", "*", "a..b", "%00", "192.0.2.1"])
def test_what_is_not_there_is_not_found(world: World, zone: str, name: str) -> None:
    path = f"/zones/{zone}/addressing/regional_hostnames/{name}"
    with world.http() as http:
        check_failure(http.get(path), 404)
        check_failure(http.patch(path, json={"region_key": "eu"}), 404)
        check_failure(http.delete(path), 404)


def test_dns_permissions_are_asked_for(world: World, account: str, zone: str) -> None:
    hostnames(world.sdk()).create(zone_id=zone, hostname="www.example.com", region_key="eu")
    reader = hostnames(world.sdk(world.token(account, Permission.DNS_READ)))
    assert [each.region_key for each in reader.list(zone_id=zone)] == ["eu"]
    with pytest.raises(cloudflare.PermissionDeniedError):
        reader.edit("www.example.com", zone_id=zone, region_key="ca")
    with pytest.raises(cloudflare.PermissionDeniedError):
        hostnames(world.sdk(world.token(account, Permission.ZONE_WRITE))).list(zone_id=zone)
    writer = hostnames(world.sdk(world.token(account, Permission.DNS_WRITE)))
    assert writer.edit("www.example.com", zone_id=zone, region_key="ca").region_key == "ca"


def test_another_account_sees_nothing(world: World, zone: str) -> None:
    hostnames(world.sdk()).create(zone_id=zone, hostname="www.example.com", region_key="eu")
    stranger = hostnames(world.sdk(world.token(world.account("Stranger"))))
    for call in (
        lambda: stranger.list(zone_id=zone),
        lambda: stranger.get("www.example.com", zone_id=zone),
        lambda: stranger.edit("www.example.com", zone_id=zone, region_key="ca"),
        lambda: stranger.delete("www.example.com", zone_id=zone),
        lambda: stranger.create(zone_id=zone, hostname="a.example.com", region_key="ca"),
    ):
        with pytest.raises(cloudflare.NotFoundError):
            call()
    assert len([*hostnames(world.sdk()).list(zone_id=zone)]) == 1
