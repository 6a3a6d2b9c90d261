"""The operator's fleet: places, servers, placements, moves, in their fixed shapes."""

from __future__ import annotations

from ipaddress import IPv6Network, ip_address
from pathlib import Path
from typing import Any

import pytest

from egressway.api.settings import ApiSettings
from egressway.model.usage import UsageRow
from tests.unit.api.world import Json, World, check_failure, running

IP = "192.0.2.1"
FLEET = "/egressway"
PLACEMENT = f"{FLEET}/placements/{IP}"


def build(world: World) -> str:
    """Five locations, a data center and a server in each; the address is leased. The lease's id."""
    for number, name in enumerate("abcde"):
        place = {"name": name, "latitude": number, "longitude": number}
        world.call("POST", f"{FLEET}/locations", place)
        world.call("POST", f"{FLEET}/data_centers", {"name": f"{name}-1", "location": name})
        server = {"name": f"{name}-1-1", "data_center": f"{name}-1"}
        world.call("POST", f"{FLEET}/servers", server)
    return world.lease(world.account(), IP)["id"]


def share(server: str, ports: int) -> Json:
    return {"server": f"{server}-1-1", "ports": ports}


def refused(world: World, method: str, path: str, body: Any, status: int, pointer: Any) -> str:
    """A request that fails and changes nothing; its message."""
    revision = world.store_revision()
    with world.http() as http:
        error = check_failure(http.request(method, path, json=body), status, pointer)
    assert world.store_revision() == revision
    return str(error["message"])


def test_a_location_is_made_changed_and_removed(world: World) -> None:
    path = f"{FLEET}/locations"
    body = {"name": "SJC-A", "latitude": 37.4, "longitude": -121.9, "regions": ["us"]}
    made = world.call("POST", path, body)
    assert made == body | {"created_on": made["created_on"], "modified_on": made["modified_on"]}
    changed = world.call("PATCH", f"{path}/SJC-A", {"regions": []})
    assert (changed["regions"], changed["latitude"]) == ([], 37.4)
    assert [each["name"] for each in world.call("GET", path)] == ["SJC-A", "local"]
    assert world.call("GET", f"{path}/SJC-A") == changed
    assert world.call("DELETE", f"{path}/SJC-A") == {"id": "SJC-A"}


def test_a_server_goes_through_its_life(world: World) -> None:
    build(world)
    path = f"{FLEET}/servers/a-1-1"
    assert world.call("GET", path) == world.call("GET", f"{FLEET}/servers")[0]
    changed = world.call("PATCH", path, {"link": "[2001:db8::1]:8644", "data_center": "b-1"})
    assert (changed["link"], changed["data_center"], changed["number"]) == (
        "[2001:db8::1]:8644",
        "b-1",
        1,
    )
    assert world.call("POST", f"{path}/drain")["state"] == "draining"
    assert world.call("POST", f"{path}/activate")["state"] == "active"
    assert world.call("POST", f"{path}/revoke")["state"] == "revoked"
    assert "revoked for life" in refused(world, "POST", f"{path}/activate", None, 409, None)
    assert world.call("DELETE", path) == {"id": "a-1-1"}
    refused(world, "GET", path, None, 404, None)


def test_a_data_center_is_moved_drained_and_removed(world: World) -> None:
    build(world)
    path = f"{FLEET}/data_centers/a-1"
    assert world.call("PATCH", path, {"location": "b"})["location"] == "b"
    assert world.call("POST", f"{path}/drain") == {"data_center": "a-1", "servers": ["a-1-1"]}
    assert world.call("POST", f"{path}/drain")["servers"] == []
    assert world.call("POST", f"{path}/activate")["servers"] == ["a-1-1"]
    assert "a-1-1" in refused(world, "DELETE", path, None, 409, None)
    world.call("DELETE", f"{FLEET}/servers/a-1-1")
    assert world.call("DELETE", path) == {"id": "a-1"}
    assert "a-1" not in {each["name"] for each in world.call("GET", f"{FLEET}/data_centers")}
    refused(world, "GET", path, None, 404, None)


def test_an_address_is_split_and_its_shares_are_changed(world: World) -> None:
    lease = build(world)
    assert world.call("GET", PLACEMENT)["slices"] == []
    placed = world.call("PUT", PLACEMENT, {"shares": [share("a", 30_000), share("b", 10_000)]})
    assert placed == {
        "ip": IP,
        "account_id": placed["account_id"],
        "ports": 40_000,
        "slices": [
            {"ports": "20000-49999", "server": "a-1-1", "data_center": "a-1", "location": "a"},
            {"ports": "50000-59999", "server": "b-1-1", "data_center": "b-1", "location": "b"},
        ],
        "is_default": False,
        "is_draining": False,
    }
    assert world.call("GET", f"{FLEET}/placements/{lease}") == placed
    assert world.call("GET", f"{FLEET}/placements") == [placed]
    body = {"shares": [share("a", 20_000), {"data_center": "b-1", "ports": 20_000}]}
    world.call("PUT", PLACEMENT, body | {"deadline_seconds": 60})
    (move,) = world.call("GET", f"{PLACEMENT}/moves")
    assert (move["ip"], move["ports"], move["source"], move["target"]) == (
        IP,
        "40000-49999",
        "a-1-1",
        "b-1-1",
    )
    assert world.call("DELETE", f"{PLACEMENT}/moves/{move['id']}") == {"id": move["id"]}
    assert world.call("GET", f"{PLACEMENT}/moves") == []
    assert world.call("PUT", PLACEMENT, {"slices": []})["ports"] == 0


def test_a_slice_is_moved_and_an_address_drained(world: World) -> None:
    build(world)
    world.call("PUT", PLACEMENT, {"slices": [{"server": "a-1-1", "ports": "20000-20009,20020"}]})
    body = {"source": "a-1-1", "target": "b-1-1", "ports": "20000-20004"}
    (move,) = world.call("POST", f"{PLACEMENT}/moves", body)
    assert move["ports"] == "20000-20004"
    assert len(world.call("POST", f"{PLACEMENT}/moves", body | {"ports": "20020"})) == 2
    assert world.call("POST", f"{PLACEMENT}/drain")["is_draining"] is True
    assert world.call("POST", f"{PLACEMENT}/activate")["is_draining"] is False


def test_an_ipv6_address_is_not_placed_but_drained(world: World) -> None:
    lease = world.lease(world.account(), "2001:db8::1")
    path = f"{FLEET}/placements/2001:db8::1"
    assert world.call("GET", path)["slices"] == []
    assert "only IPv4" in refused(world, "PUT", path, {"shares": []}, 400, None)
    drained = world.call("POST", f"{FLEET}/placements/{lease['id']}/drain")
    assert (drained["ip"], drained["is_draining"]) == ("2001:db8::1", True)


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "pointer"),
    [
        ("POST", "/locations", {"name": "a", "latitude": 0, "longitude": 0}, 409, "/name"),
        ("POST", "/locations", {"name": "x", "latitude": 0}, 400, "/longitude"),
        ("POST", "/locations", {"name": "x/y", "latitude": 0, "longitude": 0}, 400, "/name"),
        ("PATCH", "/locations/x", {}, 404, None),
        ("DELETE", "/locations/a", None, 409, None),
        ("POST", "/data_centers", {"name": "x", "location": "nowhere"}, 400, "/location"),
        ("POST", "/data_centers", {"name": "x", "location": "a", "size": 1}, 400, "/size"),
        ("POST", "/data_centers/x/drain", None, 404, None),
        ("POST", "/servers", {"name": "Ä", "data_center": "a-1"}, 400, "/name"),
        ("POST", "/servers", {"name": "x", "data_center": "a-1", "link": ":1"}, 400, "/link"),
        ("POST", "/servers/x/revoke", None, 404, None),
        ("PUT", "/placements/192.0.2.1", {}, 400, ""),
        ("PUT", "/placements/192.0.2.1", {"shares": [share("x", 1)]}, 400, "/shares/0/server"),
        ("PUT", "/placements/192.0.2.1", {"shares": [share("a", 40_001)]}, 400, "/shares"),
        (
            "PUT",
            "/placements/192.0.2.1",
            {"shares": [{"data_center": "x", "ports": 1}]},
            400,
            "/shares/0/data_center",
        ),
        (
            "PUT",
            "/placements/192.0.2.1",
            {"shares": [share(n, 1) for n in "abcde"]},
            400,
            "/shares/4",
        ),
        (
            "PUT",
            "/placements/192.0.2.1",
            {"slices": [{"server": "a-1-1", "ports": "10000-10001"}]},
            400,
            "/slices",
        ),
        ("PUT", "/placements/192.0.2.9", {"shares": []}, 404, None),
        ("GET", "/placements/nonsense", None, 400, "/ip"),
        (
            "POST",
            "/placements/192.0.2.1/moves",
            {"source": "a-1-1", "target": "b-1-1"},
            409,
            None,
        ),
        ("POST", "/placements/192.0.2.1/moves", {"source": "a-1-1"}, 400, "/target"),
        ("DELETE", "/placements/192.0.2.1/moves/x", None, 404, None),
    ],
)
def test_a_wrong_request_is_refused_and_changes_nothing(
    world: World, method: str, path: str, body: Any, status: int, pointer: str | None
) -> None:
    build(world)
    refused(world, method, FLEET + path, body, status, pointer)


def test_the_fleet_is_the_operators(world: World) -> None:
    token = world.token(world.account())
    with world.http(token) as http:
        for path in ("locations", "data_centers", "servers", "placements"):
            check_failure(http.get(f"{FLEET}/{path}"), 403)
            check_failure(http.get(f"{FLEET}/{path}/local"), 403)
        for path in ("servers/local/drain", "servers/local/revoke", "data_centers/local/drain"):
            check_failure(http.post(f"{FLEET}/{path}"), 403)


def test_a_pool_overflows_only_when_told(world: World) -> None:
    account = world.account()
    world.lease(account, IP)
    path = f"/accounts/{account}/egressway/pools"
    body = {"name": "p", "source": "leased", "ips": [IP]}
    pool = world.call("POST", path, body)
    assert pool["overflow"] is False
    assert world.call("PATCH", f"{path}/{pool['id']}", {"overflow": True})["overflow"] is True
    assert world.call("PATCH", f"{path}/{pool['id']}", {"name": "q"})["overflow"] is True
    refused(world, "PATCH", f"{path}/{pool['id']}", {"overflow": "yes"}, 400, "/overflow")
    with world.store.read() as read:
        assert [each.overflow for each in read.pools_for_snapshot()] == [True]


def test_a_range_of_ipv6_is_leased_and_every_server_measured_in_it(world: World) -> None:
    account = world.account()
    lease = world.lease(account, "2001:DB8:1::/64")
    assert lease["ip"] == "2001:db8:1::/64"
    path = f"/accounts/{account}/egressway"
    with world.http() as http:
        check_failure(http.post(f"{path}/leased_ips", json={"ip": "2001:db8:1::9"}), 409, "/ip")
        check_failure(http.post(f"{path}/leased_ips", json={"ip": "192.0.2.0/24"}), 400, "/ip")
    body = {"name": "six", "source": "leased", "ips": ["2001:db8:1::/64"]}
    assert world.call("POST", f"{path}/pools", body)["ips"] == ["2001:db8:1::/64"]
    world.call("POST", f"{FLEET}/servers", {"name": "second", "data_center": "local"})
    own, foreign = ip_address("2001:db8:1::1"), ip_address("2001:db8:2::1")
    world.ledger.record(
        [UsageRow(ip, "[2001:db8::9]:443", 1, 1, 10, 1, 0, 0) for ip in (own, foreign)]
    )
    assert [each["egress_ip"] for each in world.call("GET", f"{path}/usage")] == [str(own)]


def test_a_shared_address_within_a_dedicated_range_is_not_published(tmp_path: Path) -> None:
    inside, outside = IPv6Network("2001:db8:1::7"), IPv6Network("2001:db8:2::7")
    with running(tmp_path, ApiSettings(shared_ipv6_cidrs=(inside, outside))) as world:
        world.pool(world.account(), "2001:db8:1::/64")
        assert world.call("GET", "/ips")["ipv6_cidrs"] == [str(outside)]
