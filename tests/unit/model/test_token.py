"""What tokens allow."""

from __future__ import annotations

from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any

import pytest

from egressway.model.errors import Invalid
from egressway.model.ids import AccountId, TokenId, ZoneId
from egressway.model.permission import PERMISSION_GROUPS, Permission
from egressway.model.token import OPERATOR, Policy, Principal, RequestIp, TokenDraft, TokenStatus

A, B = AccountId("a" * 32), AccountId("b" * 32)
Z, Y = ZoneId("1" * 32), ZoneId("2" * 32)
ACCOUNT = "com.cloudflare.api.account."
ZONE = "com.cloudflare.api.account.zone."
GROUP = {group.permission: group.id for group in PERMISSION_GROUPS}


def policy(resources: dict[str, Any], *permissions: Permission, effect: str = "allow") -> Policy:
    groups = [{"id": GROUP[each]} for each in permissions or (Permission.ZONE_READ,)]
    return Policy.parse(
        {"effect": effect, "permission_groups": groups, "resources": resources}, "/policies/0"
    )


def holder(*policies: Policy, account_id: AccountId | None = None) -> Principal:
    return Principal(TokenId("f" * 32), "t", account_id, policies=policies)


def test_an_account_resource_is_the_account_and_its_zones() -> None:
    who = holder(policy({ACCOUNT + A: "*"}))
    assert who.may(Permission.ZONE_READ, A)
    assert who.may(Permission.ZONE_READ, A, Z)
    assert not who.may(Permission.ZONE_READ, B, Z)
    assert not who.may(Permission.DNS_READ, A, Z)


def test_a_zone_resource_is_that_zone_only() -> None:
    who = holder(policy({ZONE + Z: "*"}))
    assert who.may(Permission.ZONE_READ, A, Z)
    assert not who.may(Permission.ZONE_READ, A, Y)
    assert not who.may(Permission.ZONE_READ, A)


def test_zones_of_an_account_leave_the_account_itself_out() -> None:
    who = holder(policy({ACCOUNT + A: {ZONE + "*": "*"}}))
    assert who.may(Permission.ZONE_READ, A, Z)
    assert not who.may(Permission.ZONE_READ, A)
    assert not who.may(Permission.ZONE_READ, B, Z)


def test_whoever_may_write_may_read() -> None:
    who = holder(policy({ACCOUNT + A: "*"}, Permission.DNS_WRITE))
    assert who.may(Permission.DNS_READ, A, Z)
    reader = holder(policy({ACCOUNT + A: "*"}, Permission.DNS_READ))
    assert not reader.may(Permission.DNS_WRITE, A, Z)


def test_denial_wins() -> None:
    who = holder(
        policy({ACCOUNT + "*": "*"}, Permission.DNS_WRITE),
        policy({ZONE + Z: "*"}, Permission.DNS_WRITE, effect="deny"),
    )
    assert who.may(Permission.DNS_WRITE, A, Y)
    assert not who.may(Permission.DNS_WRITE, A, Z)
    assert who.may(Permission.DNS_READ, A, Z)


def test_who_is_denied_reading_cannot_write() -> None:
    who = holder(
        policy({ACCOUNT + A: "*"}, Permission.DNS_WRITE),
        policy({ACCOUNT + A: "*"}, Permission.DNS_READ, effect="deny"),
    )
    assert not who.may(Permission.DNS_WRITE, A, Z)
    assert not who.may(Permission.DNS_READ, A, Z)


def test_a_token_of_an_account_never_leaves_it() -> None:
    who = holder(policy({ACCOUNT + "*": "*", ZONE + "*": "*"}), account_id=A)
    assert who.may(Permission.ZONE_READ, A, Z)
    assert not who.may(Permission.ZONE_READ, B, Y)


def test_no_policy_allows_nothing_and_the_operator_may_everything() -> None:
    assert not any(holder().may(each, A, Z) for each in Permission)
    assert all(OPERATOR.may(each, A, Z) for each in Permission)


@pytest.mark.parametrize(
    ("members", "pointer"),
    [
        ({"effect": "maybe"}, "/policies/0/effect"),
        ({"permission_groups": []}, "/policies/0/permission_groups"),
        ({"permission_groups": [{"id": "x"}]}, "/policies/0/permission_groups/0/id"),
        ({"permission_groups": [{}]}, "/policies/0/permission_groups/0/id"),
        ({"resources": {}}, "/policies/0/resources"),
        ({"resources": {"*": "*"}}, "/policies/0/resources/*"),
        ({"resources": {ACCOUNT + "x": "*"}}, "/policies/0/resources/" + ACCOUNT + "x"),
        ({"resources": {ACCOUNT + A: "all"}}, "/policies/0/resources/" + ACCOUNT + A),
        ({"resources": {ACCOUNT + A: {}}}, "/policies/0/resources/" + ACCOUNT + A),
        ({"resources": {ZONE + Z: {ZONE + Z: "*"}}}, "/policies/0/resources/" + ZONE + Z),
        ({"resource": {}}, "/policies/0/resource"),
    ],
)
def test_a_bad_policy_is_pointed_at(members: dict[str, Any], pointer: str) -> None:
    good: dict[str, Any] = {
        "effect": "allow",
        "permission_groups": [{"id": GROUP[Permission.ZONE_READ]}],
        "resources": {ACCOUNT + A: "*"},
    }
    with pytest.raises(Invalid) as caught:
        TokenDraft.parse({"name": "t", "policies": [good | members]})
    assert caught.value.pointer == pointer


@pytest.mark.parametrize(
    "resources",
    [
        {ACCOUNT + A: "*"},
        {ACCOUNT + "*": "*"},
        {ZONE + Z: "*"},
        {ZONE + "*": "*"},
        {ACCOUNT + A: {ZONE + "*": "*"}},
        {ACCOUNT + A: {ZONE + Z: "*", ZONE + Y: "*"}, ACCOUNT + B: "*"},
    ],
)
def test_a_policy_written_and_parsed_again_is_the_same(resources: dict[str, Any]) -> None:
    given = policy(resources, Permission.DNS_READ, Permission.ZONE_WRITE)
    written = given.members()
    assert written["resources"] == resources
    assert Policy.parse(written, "") == given


def test_dates_must_be_in_order_and_have_an_offset() -> None:
    members = {"name": "t", "policies": [policy({ACCOUNT + A: "*"}).members()]}
    draft = TokenDraft.parse(members | {"expires_on": "2026-01-01T02:00:00+02:00"})
    assert draft.expires_on == datetime(2026, 1, 1, tzinfo=UTC)
    for bad in ("2026-01-01T00:00:00", "tomorrow", 7, "0001-01-01T00:00:00+14:00"):
        with pytest.raises(Invalid) as caught:
            TokenDraft.parse(members | {"expires_on": bad})
        assert caught.value.pointer == "/expires_on"
    with pytest.raises(Invalid):
        TokenDraft.parse(
            members | {"not_before": "2026-01-02T00:00:00Z", "expires_on": "2026-01-01T00:00:00Z"}
        )


def test_a_token_returned_as_it_was_read_is_not_disabled() -> None:
    members = {"name": "t", "policies": [policy({ACCOUNT + A: "*"}).members()]}
    assert TokenDraft.parse(members | {"status": "expired"}).status is TokenStatus.ACTIVE
    assert TokenDraft.parse(members | {"status": "disabled"}).status is TokenStatus.DISABLED


def test_request_networks_admit_and_exclude() -> None:
    where = RequestIp.parse({"request_ip": {"in": ["192.0.2.0/24"], "not_in": ["192.0.2.7/32"]}})
    assert where.admits(ip_address("192.0.2.8"))
    assert not where.admits(ip_address("192.0.2.7"))
    assert not where.admits(ip_address("2001:db8::1"))
    assert RequestIp().admits(ip_address("2001:db8::1"))
    with pytest.raises(Invalid) as caught:
        RequestIp.parse({"request_ip": {"in": ["192.0.2.1/24"]}})
    assert caught.value.pointer == "/condition/request_ip/in/0"


def test_permission_groups_have_stable_and_different_ids() -> None:
    assert len({group.id for group in PERMISSION_GROUPS}) == len(Permission)
    assert GROUP[Permission.ZONE_READ] == "c2ed335aaa8ead3ecf0a6e83d53f4e42"
