"""Bad input gets a clear error, points at the mistake, and nothing is lost or half done."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path

import pytest

from egressway.model.address import OriginNetworks
from egressway.model.permission import Permission
from tests.unit.api.world import Json, World, check_failure, running, token_body


@dataclass(frozen=True)
class Case:
    """Two accounts with a zone each; the first leases two addresses."""

    world: World
    account: str
    other: str
    zone: str
    other_zone: str

    def refused(
        self, method: str, path: str, body: object, status: int, pointer: str | None
    ) -> Json:
        """A request that must fail and must not change anything."""
        revision = self.world.store_revision()
        with self.world.http() as http:
            error = check_failure(http.request(method, path, json=body), status, pointer)
        assert self.world.store_revision() == revision
        return error


@pytest.fixture
def case(world: World) -> Case:
    account, other = world.account("Owner"), world.account("Other")
    for ip in ("198.51.100.1", "198.51.100.2"):
        world.lease(account, ip)
    return Case(
        world,
        account,
        other,
        world.zone(account, "example.com"),
        world.zone(other, "shop.example.com"),
    )


# --- pools and leased addresses ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "status", "pointer"),
    [
        ({"name": "p", "source": "leased", "ips": ["198.51.100.9"]}, 400, "/ips/0"),
        ({"name": "p", "source": "leased", "ips": ["198.51.100.1", "203.0.113.1"]}, 400, "/ips/1"),
        ({"name": "p", "source": "byoip", "ips": ["198.51.100.1"]}, 400, "/ips/0"),
        ({"name": "p", "source": "leased", "ips": ["198.51.100.1"] * 2}, 400, "/ips/1"),
        ({"name": "p", "source": "leased", "ips": ["198.51.100.1/32"]}, 400, "/ips/0"),
        ({"name": "p", "source": "leased", "ips": [3325256705]}, 400, "/ips/0"),
        ({"name": "p", "source": "leased", "ips": "198.51.100.1"}, 400, "/ips"),
        ({"name": "p", "source": "leased"}, 400, "/ips"),
        ({"name": "p", "source": "rented", "ips": []}, 400, "/source"),
        ({"name": "p", "source": ["leased"], "ips": []}, 400, "/source"),
        ({"source": "leased", "ips": []}, 400, "/name"),
        ({"name": "p", "source": "leased", "ips": [], "extra": 1}, 400, "/extra"),
    ],
)
def test_wrong_pool_is_refused(case: Case, body: object, status: int, pointer: str) -> None:
    case.refused("POST", f"/accounts/{case.account}/egressway/pools", body, status, pointer)


def test_mixed_pool_names_both_sides(case: Case) -> None:
    """Conformance 3."""
    body = {"name": "p", "source": "leased", "ips": ["198.51.100.1", "203.0.113.1"]}
    error = case.refused("POST", f"/accounts/{case.account}/egressway/pools", body, 400, "/ips/1")
    assert "198.51.100.1" in error["message"]
    assert "203.0.113.1" in error["message"]


def test_address_of_another_account_is_not_leased_here(case: Case) -> None:
    body = {"name": "p", "source": "leased", "ips": ["198.51.100.1"]}
    case.refused("POST", f"/accounts/{case.other}/egressway/pools", body, 400, "/ips/0")


def test_address_is_in_one_pool_only(case: Case) -> None:
    path = f"/accounts/{case.account}/egressway/pools"
    case.world.call("POST", path, {"name": "p", "source": "leased", "ips": ["198.51.100.1"]})
    body = {"name": "q", "source": "leased", "ips": ["198.51.100.2", "198.51.100.1"]}
    case.refused("POST", path, body, 409, "/ips/1")


@pytest.mark.parametrize(
    "ip", ["198.51.100.1", "198.51.100.01", "0.0.0.0", "::ffff:192.0.2.1", 7, ""]
)
def test_wrong_or_duplicate_lease_is_refused(case: Case, ip: object) -> None:
    status = 409 if ip == "198.51.100.1" else 400
    path = f"/accounts/{case.account}/egressway/leased_ips"
    case.refused("POST", path, {"ip": ip}, status, "/ip")


def test_address_is_lent_to_one_account_only(case: Case) -> None:
    path = f"/accounts/{case.other}/egressway/leased_ips"
    case.refused("POST", path, {"ip": "198.51.100.1"}, 409, "/ip")


def test_lease_in_a_pool_is_not_taken_back(case: Case) -> None:
    lease = case.world.lease(case.account, "198.51.100.3")
    body = {"name": "p", "source": "leased", "ips": ["198.51.100.3"]}
    case.world.call("POST", f"/accounts/{case.account}/egressway/pools", body)
    path = f"/accounts/{case.account}/egressway/leased_ips/{lease['id']}"
    case.refused("DELETE", path, None, 409, None)


def test_pool_in_use_is_not_dissolved(case: Case) -> None:
    path = f"/accounts/{case.account}/egressway/pools"
    body = {"name": "p", "source": "leased", "ips": ["198.51.100.1"]}
    pool = case.world.call("POST", path, body)["id"]
    value = {"value": {"enabled": True, "pool_id": pool}}
    case.world.call("PATCH", f"/zones/{case.zone}/settings/aegis", value)
    error = case.refused("DELETE", f"{path}/{pool}", None, 409, None)
    assert "example.com" in error["message"]
    case.refused("PATCH", f"{path}/{pool}", {"source": "byoip"}, 400, "/source")


def test_grant_to_an_unknown_account_is_a_400(case: Case) -> None:
    path = f"/accounts/{case.account}/egressway/pools"
    pool = case.world.call("POST", path, {"name": "p", "source": "leased", "ips": []})["id"]
    for account in ("f" * 32, case.account, 7):
        body = {"account_id": account}
        case.refused("POST", f"{path}/{pool}/grants", body, 400, "/account_id")


# --- records -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("members", "pointer"),
    [
        ({"content": "127.0.0.1"}, "/content"),
        ({"content": "10.1.2.3"}, "/content"),
        ({"content": "169.254.169.254"}, "/content"),
        ({"content": "100.64.0.1"}, "/content"),
        ({"type": "AAAA", "content": "::1"}, "/content"),
        ({"type": "AAAA", "content": "fe80::1"}, "/content"),
        ({"type": "AAAA", "content": "fd00::1"}, "/content"),
        ({"type": "AAAA", "content": "::ffff:10.0.0.1"}, "/content"),
        ({"content": "203.0.113.007"}, "/content"),
        ({"content": "2001:db8::1"}, "/content"),
        ({"content": 7}, "/content"),
        ({"type": "CNAME", "content": "example.org"}, "/proxied"),
        ({"type": "SRV"}, "/type"),
        ({"name": "-bad-"}, "/name"),
        ({"name": None}, "/name"),
        ({"proxied": "true"}, "/proxied"),
        ({"ttl": 7, "proxied": False}, "/ttl"),
        ({"ttl": 45, "proxied": False}, "/ttl"),
        ({"settings": {"origin_port": 0}}, "/settings/origin_port"),
        ({"settings": {"origin_port": "8080"}}, "/settings/origin_port"),
        ({"settings": {"origin_scheme": "ftp"}}, "/settings/origin_scheme"),
        ({"settings": {"origin_verify": True}}, "/settings/origin_verify"),
        ({"settings": {"orgin_port": 80}}, "/settings/orgin_port"),
        ({"settings": []}, "/settings"),
        ({"contents": "203.0.113.7"}, "/contents"),
        ({"type": []}, "/type"),
        ({"settings": {"origin_scheme": {}}}, "/settings/origin_scheme"),
    ],
)
def test_wrong_record_is_refused(case: Case, members: Json, pointer: str) -> None:
    body = {"type": "A", "name": "www", "content": "203.0.113.7", "proxied": True, **members}
    case.refused("POST", f"/zones/{case.zone}/dns_records", body, 400, pointer)


def test_hostname_served_by_another_zone_is_a_conflict(case: Case) -> None:
    case.world.record(case.other_zone, "www")
    body = {
        "type": "A",
        "name": "www.shop.example.com",
        "content": "203.0.113.7",
        "proxied": True,
    }
    case.refused("POST", f"/zones/{case.zone}/dns_records", body, 409, "/name")


def test_edit_cannot_smuggle_in_what_create_refuses(case: Case) -> None:
    record = case.world.record(case.zone)
    path = f"/zones/{case.zone}/dns_records/{record['id']}"
    case.refused("PATCH", path, {"content": "10.0.0.1"}, 400, "/content")
    case.refused("PATCH", path, {"unknown": 1}, 400, "/unknown")
    case.refused("PUT", path, {"type": "A", "name": "www"}, 400, "/content")
    assert case.world.call("GET", path) == record


def test_unproxied_record_may_name_any_address_but_is_not_proxied_later(case: Case) -> None:
    record = case.world.record(case.zone, content="10.0.0.1", proxied=False)
    path = f"/zones/{case.zone}/dns_records/{record['id']}"
    case.refused("PATCH", path, {"proxied": True}, 400, "/content")


def test_operator_may_allow_networks(tmp_path: Path) -> None:
    networks = OriginNetworks(allowed=(ip_network("127.0.0.0/8"),))
    with running(tmp_path, networks=networks) as world:
        zone = world.zone(world.account())
        assert world.record(zone, content="127.0.0.1")["content"] == "127.0.0.1"
        body = {"type": "A", "name": "x", "content": "10.0.0.1", "proxied": True}
        with world.http() as http:
            check_failure(http.post(f"/zones/{zone}/dns_records", json=body), 400, "/content")


# --- objects that do not exist, zones, tokens ----------------------------------------------------


def test_object_of_another_place_is_not_found(case: Case) -> None:
    record = case.world.record(case.other_zone)
    pool = case.world.pool(case.other, "198.51.100.9")
    for path in (
        f"/zones/{case.zone}/dns_records/{record['id']}",
        f"/zones/{case.zone}/custom_certificates/{'0' * 32}",
        f"/accounts/{case.account}/egressway/pools/{pool}",
        f"/accounts/{case.account}/tokens/{'0' * 32}",
        f"/accounts/{'0' * 32}",
        f"/accounts/{'0' * 32}/egressway/pools",
        f"/zones/{'0' * 32}",
        f"/zones/{'x' * 500}",
        "/zones/%00",
        "/zones/%ff",
    ):
        case.refused("GET", path, None, 404, None)


@pytest.mark.parametrize(
    ("make", "pointer"),
    [
        (lambda case: {"name": "new.example"}, "/account"),
        (lambda case: {"account": {}, "name": "new.example"}, "/account/id"),
        (lambda case: {"account": {"id": "f" * 32}, "name": "new.example"}, "/account/id"),
        (lambda case: {"account": {"id": case.account}, "name": "com"}, "/name"),
        (lambda case: {"account": {"id": case.account}, "name": "a b.example"}, "/name"),
        (lambda case: {"account": {"id": case.account}, "name": "*.example.net"}, "/name"),
        (
            lambda case: {"account": {"id": case.account}, "name": "x.example", "type": "odd"},
            "/type",
        ),
    ],
)
def test_wrong_zone_is_refused(case: Case, make: Callable[[Case], Json], pointer: str) -> None:
    case.refused("POST", "/zones", make(case), 400, pointer)


@pytest.mark.parametrize(
    ("policy", "pointer"),
    [
        ({"effect": "maybe"}, "/policies/0/effect"),
        ({"effect": []}, "/policies/0/effect"),
        ({"permission_groups": [{"id": []}]}, "/policies/0/permission_groups/0/id"),
        ({"permission_groups": []}, "/policies/0/permission_groups"),
        ({"permission_groups": [{"id": "x"}]}, "/policies/0/permission_groups/0/id"),
        ({"resources": {}}, "/policies/0/resources"),
        ({"resources": {"everything": "*"}}, "/policies/0/resources/everything"),
        ({"extra": 1}, "/policies/0/extra"),
    ],
)
def test_wrong_token_policy_is_refused(case: Case, policy: Json, pointer: str) -> None:
    body = token_body(case.account, Permission.ZONE_READ)
    body["policies"][0].update(policy)
    case.refused("POST", f"/accounts/{case.account}/tokens", body, 400, pointer)


def test_account_that_owns_something_is_not_deleted(case: Case) -> None:
    error = case.refused("DELETE", f"/accounts/{case.account}", None, 409, None)
    assert "zones" in error["message"]


@pytest.mark.parametrize(
    "parts",
    [{}, {"file": ""}, {"proxied": "true"}, {"file": "x", "proxied": "maybe"}],
)
def test_wrong_import_form_is_refused(case: Case, parts: dict[str, object]) -> None:
    files = {name: (None, part) for name, part in parts.items()} or {"other": (None, "x")}
    with case.world.http() as http:
        answer = http.post(f"/zones/{case.zone}/dns_records/import", files=files)  # type: ignore[arg-type]
    check_failure(answer, 400, "/proxied" if parts.get("proxied") == "maybe" else "/file")


@pytest.mark.parametrize(
    "content",
    [
        b"--b\r\nContent-Disposition: form-data; name=file\r\n\r\n\xff\r\n--b--",
        b'--b\r\nContent-Disposition: form-data; name=file; filename="z"\r\n\r\n\xff\r\n--b--',
        b"--b\r\nContent-Disposition: form-data; name=fi",
        b"nothing",
        b"",
    ],
)
def test_broken_import_form_is_refused(case: Case, content: bytes) -> None:
    headers = {"content-type": "multipart/form-data; boundary=b"}
    with case.world.http() as http:
        path = f"/zones/{case.zone}/dns_records/import"
        answer = http.post(path, content=content, headers=headers)
    assert answer.status_code == 400, answer.text
    assert answer.json()["success"] is False


def test_import_that_is_no_form_is_refused(case: Case) -> None:
    with case.world.http() as http:
        for answer in (
            http.post(f"/zones/{case.zone}/dns_records/import", json={"file": "x"}),
            http.post(f"/zones/{case.zone}/dns_records/import", content=b"www A 203.0.113.7"),
            http.post(f"/zones/{case.zone}/dns_records/import"),
        ):
            assert answer.status_code == 400, answer.text
