"""Who may: every route declares it, accounts are walled, scopes hold, nobody gives more than they hold."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from litestar.handlers import HTTPRouteHandler
from litestar.routes import HTTPRoute

from egressway.api.access import Reach, access_of
from egressway.api.reference import bare_application
from egressway.api.settings import ApiSettings, Quota
from egressway.model.permission import Permission
from tests.unit.api.world import GROUP_ID, Json, World, check_failure, running, token_body


@dataclass(frozen=True)
class Served:
    """One method of one path."""

    method: str
    path: str
    handler: HTTPRouteHandler


def served_routes() -> Iterator[Served]:
    for route in bare_application().routes:
        assert isinstance(route, HTTPRoute)
        if route.path.startswith("/schema"):
            continue
        for handler in route.route_handlers:
            for method in sorted(handler.http_methods - {"OPTIONS"}):
                yield Served(method, route.path_format, handler)


# Handlers of one path come in no fixed order, and parallel test runs must agree on one.
ROUTES = sorted(served_routes(), key=lambda each: (each.path, each.method))
WALLED = [each for each in ROUTES if "{account_id}" in each.path or "{zone_id}" in each.path]


def name_of(route: Served) -> str:
    return f"{route.method} {route.path}"


@pytest.mark.parametrize("route", ROUTES, ids=name_of)
def test_every_route_declares_what_it_needs(route: Served) -> None:
    access = access_of(route.handler)
    assert access is not None
    if access.reach is Reach.ACCOUNT:
        assert "{account_id}" in route.path
    if access.reach is Reach.ZONE:
        assert "{zone_id}" in route.path
    if access.permission is not None:
        writes = route.method != "GET"
        assert access.permission.value.endswith("Write" if writes else "Read")


def test_public_routes_are_these_and_no_others() -> None:
    public = {each.path for each in ROUTES if access_of(each.handler).reach is Reach.PUBLIC}
    assert public == {"/client/v4/ips", "/healthz", "/readyz", "/metrics"}


def test_handler_without_declaration_is_a_closed_door(world: World) -> None:
    """OPTIONS handlers are made by the framework and declare nothing."""
    with world.http() as http:
        check_failure(http.options("/zones"), 403)


# --- walls -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Objects:
    """One account with one object of every kind."""

    ids: dict[str, str]
    body: dict[str, Any]


def furnish(world: World) -> Objects:
    account = world.account("Owner")
    zone = world.zone(account)
    lease = world.lease(account, "198.51.100.1")
    pool = world.pool(account, "198.51.100.2")
    token = world.call(
        "POST", f"/accounts/{account}/tokens", token_body(account, Permission.ZONE_READ)
    )
    world.call(
        "POST",
        f"/zones/{zone}/addressing/regional_hostnames",
        {"hostname": "eu.example.com", "region_key": "eu"},
    )
    ids = {
        "account_id": account,
        "zone_id": zone,
        "dns_record_id": world.record(zone)["id"],
        "setting_id": "ssl",
        "leased_ip_id": lease["id"],
        "pool_id": pool,
        "token_id": token["id"],
        "grantee_id": account,
        "custom_certificate_id": "0" * 32,
        "hostname": "eu.example.com",
    }
    return Objects(ids, {"value": "strict", "name": "stolen"})


@pytest.fixture(scope="module")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, Objects]]:
    """One world for all tests of refusals: each of them checks that it has changed nothing."""
    quota = Quota(1_000_000, 1.0, 1.0)
    settings = ApiSettings(token_quota=quota, ip_quota=quota)
    with running(tmp_path_factory.mktemp("furnished"), settings) as world:
        yield world, furnish(world)


def filled(path: str, ids: dict[str, str]) -> str:
    return re.sub(r"\{(\w+)\}", lambda match: ids[match[1]], path)


@pytest.mark.parametrize("route", WALLED, ids=name_of)
def test_other_accounts_token_gets_nothing_and_learns_nothing(
    furnished: tuple[World, Objects], route: Served
) -> None:
    world, objects = furnished
    stranger = world.token(world.account("Stranger"))
    unknown = dict.fromkeys(objects.ids, "f" * 32) | {"setting_id": "ssl"}
    revision = world.store_revision()
    answers = []
    for ids in (objects.ids, unknown):
        with world.http(stranger) as http:
            path = filled(route.path, ids).removeprefix("/client/v4")
            answers.append(http.request(route.method, path, json=objects.body))
    assert answers[0].status_code in (403, 404)
    check_failure(answers[0], answers[0].status_code)
    assert answers[0].json() == answers[1].json(), "what exists looks like what does not"
    assert world.store_revision() == revision


@pytest.mark.parametrize("route", ROUTES, ids=name_of)
def test_only_public_routes_answer_without_a_token(
    furnished: tuple[World, Objects], route: Served
) -> None:
    world, _ = furnished
    ids = dict.fromkeys(re.findall(r"\{(\w+)\}", route.path), "0" * 32)
    answer = httpx.request(route.method, world.url + filled(route.path, ids))
    if access_of(route.handler).reach is Reach.PUBLIC:
        assert answer.status_code == 200
    else:
        check_failure(answer, 401)
        assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer"},
        {"authorization": "Basic abc"},
        {"authorization": "Bearer " + "a" * 5000},
        {"x-auth-email": "a@example.com", "x-auth-key": "k"},
    ],
)
def test_other_credentials_are_a_401(world: World, headers: dict[str, str]) -> None:
    answer = httpx.get(f"{world.base}/zones", headers=headers)
    assert check_failure(answer, 401)["code"] == 10000


def test_two_credentials_are_a_401(world: World) -> None:
    one = ("authorization", f"Bearer {world.operator}")
    check_failure(httpx.get(f"{world.base}/zones", headers=[one, one]), 401)


# --- scopes ------------------------------------------------------------------------------------


@pytest.mark.parametrize("route", WALLED, ids=name_of)
def test_token_of_the_account_without_the_permission_is_a_403(
    furnished: tuple[World, Objects], route: Served
) -> None:
    access = access_of(route.handler)
    world, objects = furnished
    needed = access.permission
    others = [each for each in Permission if needed is None or each.reading is not needed.reading]
    token = world.token(objects.ids["account_id"], *others)
    revision = world.store_revision()
    with world.http(token) as http:
        path = filled(route.path, objects.ids).removeprefix("/client/v4")
        answer = http.request(route.method, path, json=objects.body)
    if access.reach is Reach.ANYONE:
        assert answer.status_code == 200
    else:
        assert check_failure(answer, 403)["code"] == 9109
        assert world.store_revision() == revision


def test_reading_does_not_allow_writing(world: World) -> None:
    account = world.account()
    zone = world.zone(account)
    token = world.token(account, Permission.DNS_READ)
    body = {"type": "A", "name": "www", "content": "203.0.113.7"}
    with world.http(token) as http:
        assert http.get(f"/zones/{zone}/dns_records").status_code == 200
        check_failure(http.post(f"/zones/{zone}/dns_records", json=body), 403)


def test_writing_allows_reading(world: World) -> None:
    account = world.account()
    zone = world.zone(account)
    with world.http(world.token(account, Permission.DNS_WRITE)) as http:
        assert http.get(f"/zones/{zone}/dns_records").status_code == 200


def test_lists_show_only_what_the_token_may_read(world: World) -> None:
    first, second = world.account("First"), world.account("Second")
    zones = [world.zone(first, "a.example"), world.zone(first, "b.example")]
    world.zone(second, "c.example")
    with world.http(world.token(first)) as http:
        assert [each["id"] for each in http.get("/zones").json()["result"]] == zones
        assert [each["id"] for each in http.get("/accounts").json()["result"]] == [first]
        foreign = http.get("/zones", params={"account.id": second}).json()
        assert foreign["result"] == []
        assert foreign["result_info"]["total_count"] == 0
    with world.http(world.token(first, Permission.DNS_READ)) as http:
        assert http.get("/zones").json()["result"] == []


def test_token_for_one_zone_does_not_reach_its_neighbour(world: World) -> None:
    account = world.account()
    mine, neighbour = world.zone(account, "a.example"), world.zone(account, "b.example")
    body = token_body(account, Permission.ZONE_READ)
    body["policies"][0]["resources"] = {f"com.cloudflare.api.account.zone.{mine}": "*"}
    token = world.call("POST", f"/accounts/{account}/tokens", body)["value"]
    with world.http(token) as http:
        assert http.get(f"/zones/{mine}").status_code == 200
        check_failure(http.get(f"/zones/{neighbour}"), 404)
        assert [each["id"] for each in http.get("/zones").json()["result"]] == [mine]


def test_zone_is_created_only_in_an_account_of_the_token(world: World) -> None:
    first, second = world.account("First"), world.account("Second")
    with world.http(world.token(first, Permission.ZONE_WRITE)) as http:
        body = {"account": {"id": second}, "name": "x.example"}
        foreign = http.post("/zones", json=body)
        check_failure(foreign, 403, "/account/id")
        body = {"account": {"id": "f" * 32}, "name": "x.example"}
        assert http.post("/zones", json=body).status_code == 403
        body = {"account": {"id": first}, "name": "x.example"}
        assert http.post("/zones", json=body).status_code == 200


def test_token_is_refused_outside_its_networks_and_time(world: World) -> None:
    account = world.account()
    later = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    elsewhere = {"condition": {"request_ip": {"in": ["203.0.113.0/24"]}}}
    not_here = {"condition": {"request_ip": {"not_in": ["127.0.0.0/8"]}}}
    for members, status in (
        (elsewhere, 403),
        (not_here, 403),
        ({"not_before": later}, 401),
        ({"expires_on": "2020-01-01T00:00:00Z"}, 401),
        ({"status": "disabled"}, 401),
    ):
        token = world.token(account, Permission.ZONE_READ, **members)
        with world.http(token) as http:
            check_failure(http.get("/zones"), status)


def test_account_settings_change_but_not_the_type(world: World) -> None:
    account = world.account()
    with world.http(world.token(account, Permission.ACCOUNT_SETTINGS_WRITE)) as http:
        same = {"id": account, "name": "Renamed", "type": "standard"}
        assert http.put(f"/accounts/{account}", json=same).json()["result"]["name"] == "Renamed"
        other = {"name": "Renamed", "type": "enterprise"}
        check_failure(http.put(f"/accounts/{account}", json=other), 403, "/type")


# --- escalation --------------------------------------------------------------------------------


def test_nobody_gives_away_what_they_do_not_hold(world: World) -> None:
    account = world.account()
    giver = world.token(account, Permission.API_TOKENS_WRITE, Permission.DNS_READ)
    with world.http(giver) as http:
        path = f"/accounts/{account}/tokens"
        assert http.post(path, json=token_body(account, Permission.DNS_READ)).status_code == 200
        for more in (Permission.DNS_WRITE, Permission.POOLS_READ):
            check_failure(http.post(path, json=token_body(account, more)), 403, "/policies")


def test_nobody_takes_over_a_token_that_may_do_more(world: World) -> None:
    account = world.account()
    strong = world.call(
        "POST", f"/accounts/{account}/tokens", token_body(account, Permission.POOLS_WRITE)
    )
    weak = world.token(account, Permission.API_TOKENS_WRITE)
    path = f"/accounts/{account}/tokens/{strong['id']}"
    with world.http(weak) as http:
        check_failure(http.put(f"{path}/value"), 403)
        mine: Json = token_body(account, Permission.API_TOKENS_READ)
        check_failure(http.put(path, json=mine), 403)
    with world.http(strong["value"]) as http:
        assert http.get("/user/tokens/verify").status_code == 200


def test_zone_rights_do_not_become_account_rights(world: World) -> None:
    account = world.account()
    zone = world.zone(account)
    body = token_body(account, Permission.API_TOKENS_WRITE)
    one_zone = {
        "effect": "allow",
        "permission_groups": [{"id": GROUP_ID[Permission.DNS_WRITE]}],
        "resources": {f"com.cloudflare.api.account.zone.{zone}": "*"},
    }
    body["policies"].append(one_zone)
    giver = world.call("POST", f"/accounts/{account}/tokens", body)["value"]
    path = f"/accounts/{account}/tokens"
    with world.http(giver) as http:
        assert http.post(path, json={"name": "t", "policies": [one_zone]}).status_code == 200
        whole = token_body(account, Permission.DNS_WRITE)
        check_failure(http.post(path, json=whole), 403, "/policies")
        every = {**one_zone, "resources": {"com.cloudflare.api.account.zone.*": "*"}}
        check_failure(http.post(path, json={"name": "t", "policies": [every]}), 403, "/policies")
