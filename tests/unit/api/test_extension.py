"""The vendor extension in its fixed shapes: leased IPs, pools, grants, usage, status."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_address
from pathlib import Path

import httpx
import pytest

from egressway.api.operate import NodeListener, NodeStatus, NotReady, UnbindableAddress
from egressway.api.settings import ApiSettings
from egressway.model.usage import UsageRow
from tests.unit.api.world import World, check_failure, running


def test_leased_ip_is_lent_listed_and_taken_back(world: World) -> None:
    account = world.account()
    path = f"/accounts/{account}/egressway/leased_ips"
    made = world.call("POST", path, {"ip": "192.0.2.1"})
    assert set(made) == {"id", "ip", "account_id", "created_on", "modified_on"}
    assert (made["ip"], made["account_id"]) == ("192.0.2.1", account)
    six = world.call("POST", path, {"ip": "2001:DB8::1"})
    assert six["ip"] == "2001:db8::1"
    assert world.call("GET", path) == [made, six]
    assert world.call("DELETE", f"{path}/{made['id']}") == {"id": made["id"]}
    assert world.call("GET", path) == [six]


def test_pool_is_formed_changed_and_dissolved(world: World) -> None:
    account = world.account()
    for ip in ("192.0.2.1", "192.0.2.2"):
        world.lease(account, ip)
    path = f"/accounts/{account}/egressway/pools"
    made = world.call("POST", path, {"name": "main", "source": "leased", "ips": ["192.0.2.1"]})
    assert set(made) >= {"id", "name", "source", "ips", "created_on", "modified_on"}
    assert len(made["id"]) == 32
    assert (made["name"], made["source"], made["ips"]) == ("main", "leased", ["192.0.2.1"])
    changed = world.call("PATCH", f"{path}/{made['id']}", {"ips": ["192.0.2.2", "192.0.2.1"]})
    assert changed["ips"] == ["192.0.2.2", "192.0.2.1"]
    assert changed["modified_on"] > made["modified_on"]
    assert world.call("GET", f"{path}/{made['id']}") == changed
    assert world.call("GET", path) == [changed]
    assert world.call("DELETE", f"{path}/{made['id']}") == {"id": made["id"]}
    assert world.call("GET", path) == []


def test_shared_address_that_becomes_dedicated_is_no_longer_published(tmp_path: Path) -> None:
    shared = ApiSettings(
        shared_ipv4_cidrs=(IPv4Network("192.0.2.1"), IPv4Network("192.0.2.2")),
        shared_ipv6_cidrs=(IPv6Network("2001:db8::1"),),
    )
    with running(tmp_path, shared) as world:
        before = httpx.get(f"{world.base}/ips").json()["result"]
        world.pool(world.account(), "192.0.2.1", "2001:db8::1")
        after = httpx.get(f"{world.base}/ips").json()["result"]
    assert before["ipv4_cidrs"] == ["192.0.2.1/32", "192.0.2.2/32"]
    assert (after["ipv4_cidrs"], after["ipv6_cidrs"]) == (["192.0.2.2/32"], [])
    assert after["etag"] != before["etag"]


def test_accounts_own_token_forms_pools_but_does_not_lend(world: World) -> None:
    account = world.account()
    lease = world.lease(account, "192.0.2.1")
    body = {"name": "main", "source": "leased", "ips": ["192.0.2.1"]}
    base = f"/accounts/{account}/egressway"
    with world.http(world.token(account)) as http:
        pool = http.post(f"{base}/pools", json=body).json()["result"]
        check_failure(http.post(f"{base}/leased_ips", json={"ip": "192.0.2.2"}), 403)
        check_failure(http.delete(f"{base}/leased_ips/{lease['id']}"), 403)
        grants = f"{base}/pools/{pool['id']}/grants"
        check_failure(http.post(grants, json={"account_id": account}), 403)
        assert http.get(grants).json()["result"] == []


def test_grant_is_given_once_and_ends_when_nobody_relies_on_it(world: World) -> None:
    owner, other = world.account("Owner"), world.account("Other")
    zone, pool = world.zone(other), world.pool(owner, "192.0.2.1")
    grants = f"/accounts/{owner}/egressway/pools/{pool}/grants"
    for _ in range(2):
        assert world.call("POST", grants, {"account_id": other}) == {
            "pool_id": pool,
            "account_id": other,
        }
    assert [grant["account_id"] for grant in world.call("GET", grants)] == [other]
    setting = f"/zones/{zone}/settings/aegis"
    assert world.call("GET", setting)["editable"] is True
    world.call("PATCH", setting, {"value": {"enabled": True, "pool_id": pool}})
    with world.http() as http:
        check_failure(http.delete(f"{grants}/{other}"), 409)
    world.call("PATCH", setting, {"value": {"enabled": False}})
    assert world.call("DELETE", f"{grants}/{other}") == {"id": other}
    assert world.call("GET", grants) == []


def _row(ip: str, origin: str, current: int) -> UsageRow:
    return UsageRow(
        egress_ip=ip_address(ip),
        origin=origin,
        current=current,
        peak=current,
        capacity=40_000,
        opened=50,
        refused=1,
        reused=9,
    )


def test_usage_is_that_of_the_accounts_own_addresses(world: World) -> None:
    account, other = world.account("Owner"), world.account("Other")
    world.lease(account, "192.0.2.1")
    world.lease(other, "192.0.2.2")
    world.ledger.record(
        [_row("192.0.2.1", "203.0.113.7:443", 10_000), _row("192.0.2.2", "203.0.113.7:443", 5)]
    )
    assert world.call("GET", f"/accounts/{account}/egressway/usage") == [
        {
            "egress_ip": "192.0.2.1",
            "origin": "203.0.113.7:443",
            "current": 10_000,
            "peak": 10_000,
            "capacity": 40_000,
            "utilization": 25.0,
            "opened": 50,
            "refused": 1,
            "reused": 9,
            "pop": None,
        }
    ]


NODE = NodeStatus(
    revision=7,
    zones=1,
    hosts=2,
    workers=2,
    connections=3,
    origin_connections=4,
    waiting=0,
    panics=0,
    foreign_egress=0,
    log_dropped=0,
    is_draining=False,
    listeners=[NodeListener("127.0.0.1", 8680, tls=False)],
    unbindable=[UnbindableAddress("192.0.2.7", "Cannot assign requested address")],
)


def test_status_is_the_operators(world: World) -> None:
    world.health.status = NODE
    result = world.call("GET", "/egressway/status")
    assert result["is_ready"] is True
    assert result["node"]["listeners"] == [{"address": "127.0.0.1", "port": 8680, "tls": False}]
    assert result["node"]["unbindable"][0]["ip"] == "192.0.2.7"
    with world.http(world.token(world.account())) as http:
        check_failure(http.get("/egressway/status"), 403)


def test_status_before_the_node_has_started_has_no_node(world: World) -> None:
    assert world.call("GET", "/egressway/status")["node"] is None


@pytest.mark.parametrize("count", [0, 2])
def test_ready_exactly_when_there_is_no_reason_against_it(world: World, count: int) -> None:
    reason = NotReady(
        "egress_address_unbindable",
        "egress address 192.0.2.7 cannot be bound: Cannot assign requested address",
        "192.0.2.7",
    )
    world.health.reasons = [reason] * count
    answer = httpx.get(f"{world.url}/readyz")
    assert answer.status_code == (503 if count else 200)
    assert answer.json()["is_ready"] is not bool(count)
    assert [each["subject"] for each in answer.json()["reasons"]] == ["192.0.2.7"] * count
    assert httpx.get(f"{world.url}/healthz").json() == {"is_alive": True}


def test_metrics_are_those_of_the_registry(world: World) -> None:
    answer = httpx.get(f"{world.url}/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
