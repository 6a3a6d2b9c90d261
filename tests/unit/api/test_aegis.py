"""Conformance 1, 2, 31 to 34: the setting `aegis`, byte for byte."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.unit.api.world import World, check_failure


class Aegis:
    """The setting of one zone whose account leases an address."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.account = world.account()
        self.zone = world.zone(self.account)
        self.pool = world.pool(self.account, "198.51.100.1")
        self.path = f"/zones/{self.zone}/settings/aegis"

    def get(self) -> Any:
        return self.world.call("GET", self.path)

    def patch(self, body: object) -> httpx.Response:
        with self.world.http() as http:
            return http.patch(self.path, json=body)

    def set(self, **value: object) -> Any:
        answer = self.patch({"value": value})
        assert answer.status_code == 200, answer.text
        return answer.json()["result"]


@pytest.fixture
def aegis(world: World) -> Aegis:
    return Aegis(world)


def test_get_gives_the_documented_members(aegis: Aegis) -> None:
    assert aegis.get() == {
        "id": "aegis",
        "value": {"enabled": False},
        "modified_on": None,
        "editable": True,
    }


def test_patch_answers_what_is_stored(aegis: Aegis) -> None:
    result = aegis.set(enabled=True, pool_id=aegis.pool)
    assert result["value"] == {"enabled": True, "pool_id": aegis.pool}
    assert result["modified_on"].endswith("Z")
    assert aegis.get() == result


@pytest.mark.parametrize("with_id", [True, False])
def test_patch_takes_the_body_with_and_without_id(aegis: Aegis, with_id: bool) -> None:
    body: dict[str, object] = {"value": {"enabled": True, "pool_id": aegis.pool}}
    answer = aegis.patch({"id": "aegis", **body} if with_id else body)
    assert answer.json()["result"]["value"]["enabled"] is True


def test_disabling_needs_no_pool(aegis: Aegis) -> None:
    assert aegis.set(enabled=False)["value"] == {"enabled": False}


def test_disabling_keeps_the_pool_and_enabling_needs_none_then(aegis: Aegis) -> None:
    aegis.set(enabled=True, pool_id=aegis.pool)
    assert aegis.set(enabled=False)["value"] == {"enabled": False, "pool_id": aegis.pool}
    assert aegis.set(enabled=True)["value"] == {"enabled": True, "pool_id": aegis.pool}


def test_enabling_without_any_pool_is_a_400(aegis: Aegis) -> None:
    check_failure(aegis.patch({"value": {"enabled": True}}), 400, "/value/pool_id")


def test_unknown_pool_is_a_400(aegis: Aegis) -> None:
    body = {"value": {"enabled": True, "pool_id": "0" * 32}}
    check_failure(aegis.patch(body), 400, "/value/pool_id")


def test_pool_of_another_account_is_a_403(aegis: Aegis) -> None:
    foreign = aegis.world.pool(aegis.world.account("Other"), "198.51.100.2")
    body = {"value": {"enabled": True, "pool_id": foreign}}
    check_failure(aegis.patch(body), 403, "/value/pool_id")
    assert aegis.get()["value"] == {"enabled": False}


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"value": {"enabled": True, "extra": 1}}, "/value/extra"),
        ({"value": {"enabled": "true"}}, "/value/enabled"),
        ({"value": {"enabled": 1}}, "/value/enabled"),
        ({"value": {"enabled": True, "pool_id": 7}}, "/value/pool_id"),
        ({"value": {"enabled": True, "pool_id": ""}}, "/value/pool_id"),
        ({"value": {}}, "/value"),
        ({"value": "on"}, "/value"),
        ({"value": None}, "/value"),
        ({}, "/value"),
        ({"id": "ssl", "value": {"enabled": False}}, "/id"),
        ({"id": 1, "value": {"enabled": False}}, "/id"),
        ({"value": {"enabled": False}, "zone": "x"}, "/zone"),
    ],
)
def test_wrong_body_is_a_400_that_points_at_it(aegis: Aegis, body: object, pointer: str) -> None:
    check_failure(aegis.patch(body), 400, pointer)
    assert aegis.get()["modified_on"] is None


def test_zone_without_entitlement_is_not_editable(world: World) -> None:
    zone = world.zone(world.account())
    result = world.call("GET", f"/zones/{zone}/settings/aegis")
    assert (result["editable"], result["value"]) == (False, {"enabled": False})
    with world.http() as http:
        answer = http.patch(f"/zones/{zone}/settings/aegis", json={"value": {"enabled": False}})
    check_failure(answer, 403, "/value")
    listed = {setting["id"] for setting in world.call("GET", f"/zones/{zone}/settings")}
    assert listed == {"ssl", "origin_max_http_version", "origin_h2_max_streams"}


def test_every_accepted_change_updates_modified_on(aegis: Aegis) -> None:
    moments = [aegis.set(enabled=False)["modified_on"] for _ in range(3)]
    assert moments == sorted(set(moments))


def test_refused_change_does_not_touch_modified_on(aegis: Aegis) -> None:
    before = aegis.set(enabled=False)["modified_on"]
    aegis.patch({"value": {"enabled": True, "pool_id": "0" * 32}})
    assert aegis.get()["modified_on"] == before


def test_unknown_setting_is_a_404(aegis: Aegis) -> None:
    with aegis.world.http() as http:
        error = check_failure(http.get(f"/zones/{aegis.zone}/settings/polish"), 404)
    assert error["code"] == 1006


def test_several_settings_change_together(aegis: Aegis) -> None:
    path = f"/zones/{aegis.zone}/settings"
    value = {"enabled": True, "pool_id": aegis.pool}
    body = {"items": [{"id": "ssl", "value": "strict"}, {"id": "aegis", "value": value}]}
    assert [each["value"] for each in aegis.world.call("PATCH", path, body)] == ["strict", value]
    listed = {each["id"]: each["value"] for each in aegis.world.call("GET", path)}
    assert listed == {
        "aegis": value,
        "ssl": "strict",
        "origin_max_http_version": "2",
        "origin_h2_max_streams": 100,
    }


@pytest.mark.parametrize(
    ("second", "pointer"),
    [
        ({"id": "aegis", "value": {"enabled": True}}, "/items/1/value/pool_id"),
        ({"id": "aegis", "value": {"on": True}}, "/items/1/value/on"),
        ({"id": "polish", "value": "x"}, "/items/1/id"),
        ({"id": "ssl", "value": "maybe"}, "/items/1/value"),
        ("ssl", "/items/1"),
    ],
)
def test_one_wrong_setting_of_several_changes_none(
    aegis: Aegis, second: object, pointer: str
) -> None:
    body = {"items": [{"id": "ssl", "value": "strict"}, second]}
    with aegis.world.http() as http:
        check_failure(http.patch(f"/zones/{aegis.zone}/settings", json=body), 400, pointer)
    assert aegis.world.call("GET", f"/zones/{aegis.zone}/settings/ssl")["value"] == "full"


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("ssl", "maybe"),
        ("ssl", True),
        ("ssl", ["full"]),
        ("origin_max_http_version", {}),
        ("origin_max_http_version", 2),
        ("origin_max_http_version", "3"),
        ("origin_h2_max_streams", "100"),
        ("origin_h2_max_streams", 0),
        ("origin_h2_max_streams", True),
    ],
)
def test_wrong_value_of_a_sibling_is_a_400(aegis: Aegis, setting: str, value: object) -> None:
    with aegis.world.http() as http:
        answer = http.patch(f"/zones/{aegis.zone}/settings/{setting}", json={"value": value})
    check_failure(answer, 400, "/value")
