"""Conformance 30 with the official SDK: accounts, tokens, ips."""

from __future__ import annotations

import cloudflare
import pytest

from egressway.model.permission import Permission
from tests.unit.api.world import GROUP_ID, World


def test_account_lives_through_create_get_update_list_delete(world: World) -> None:
    client = world.sdk()
    made = client.accounts.create(name="Example", type="standard")
    assert made is not None
    assert client.accounts.get(account_id=made.id).name == "Example"
    renamed = client.accounts.update(
        account_id=made.id, id=made.id, name="Renamed", type="standard"
    )
    assert renamed.name == "Renamed"
    assert renamed.created_on == made.created_on
    assert [each.name for each in client.accounts.list()] == ["Renamed"]
    assert client.accounts.delete(account_id=made.id).id == made.id
    assert list(client.accounts.list()) == []


def test_account_list_ends_after_the_last_page(world: World) -> None:
    for place in range(5):
        world.account(f"Account {place}")
    names = [each.name for each in world.sdk().accounts.list(per_page=2)]
    assert names == [f"Account {place}" for place in range(5)]


def test_operator_token_verifies(world: World) -> None:
    verified = world.sdk().user.tokens.verify()
    assert verified is not None
    assert verified.status == "active"


def test_unknown_token_is_an_authentication_error(world: World) -> None:
    with pytest.raises(cloudflare.AuthenticationError):
        world.sdk("wrong").user.tokens.verify()


def _policy(resource: str, *permissions: Permission) -> dict[str, object]:
    return {
        "effect": "allow",
        "permission_groups": [{"id": GROUP_ID[permission]} for permission in permissions],
        "resources": {resource: "*"},
    }


def test_account_token_works_until_it_is_rolled(world: World) -> None:
    account = world.account()
    zone = world.zone(account)
    tokens = world.sdk().accounts.tokens
    policy = _policy(f"com.cloudflare.api.account.{account}", Permission.ZONE_READ)
    made = tokens.create(account_id=account, name="reader", policies=[policy])  # type: ignore[list-item]
    assert made is not None
    assert made.value
    reader = world.sdk(made.value)
    assert reader.accounts.tokens.verify(account_id=account).id == made.id
    assert reader.user.tokens.verify().id == made.id
    assert [each.id for each in reader.zones.list()] == [zone]

    value = tokens.value.update(made.id, account_id=account)
    assert value != made.value
    with pytest.raises(cloudflare.AuthenticationError):
        reader.user.tokens.verify()
    assert world.sdk(value).zones.get(zone_id=zone).name == "example.com"


def test_account_token_is_listed_shown_changed_and_revoked(world: World) -> None:
    account = world.account()
    tokens = world.sdk().accounts.tokens
    policy = _policy(f"com.cloudflare.api.account.{account}", Permission.DNS_WRITE)
    made = tokens.create(account_id=account, name="writer", policies=[policy])  # type: ignore[list-item]
    assert made is not None
    assert [each.id for each in tokens.list(account_id=account)] == [made.id]
    shown = tokens.get(made.id, account_id=account)
    assert shown.name == "writer"
    assert shown.policies[0].permission_groups[0].name == "DNS Write"
    assert "value" not in shown.to_dict()
    changed = tokens.update(
        made.id,
        account_id=account,
        name="renamed",
        policies=[policy],  # type: ignore[list-item]
        status="disabled",
    )
    assert (changed.name, changed.status) == ("renamed", "disabled")
    with pytest.raises(cloudflare.AuthenticationError):
        world.sdk(made.value).user.tokens.verify()
    tokens.delete(made.id, account_id=account)
    assert list(tokens.list(account_id=account)) == []


def test_user_token_reaches_every_account_it_names(world: World) -> None:
    first, second = world.account("First"), world.account("Second")
    zones = {world.zone(first, "one.example"), world.zone(second, "two.example")}
    tokens = world.sdk().user.tokens
    policy = _policy("com.cloudflare.api.account.*", Permission.ZONE_READ)
    made = tokens.create(name="all", policies=[policy])  # type: ignore[list-item]
    assert made is not None
    assert {each.id for each in world.sdk(made.value).zones.list()} == zones
    assert [each.id for each in tokens.list()] == [made.id]
    assert tokens.get(made.id).name == "all"
    assert tokens.update(made.id, name="both", policies=[policy]).name == "both"  # type: ignore[list-item]
    value = tokens.value.update(made.id)
    assert world.sdk(value).user.tokens.verify().id == made.id
    tokens.delete(made.id)
    assert list(tokens.list()) == []


def test_permission_groups_are_the_same_for_users_and_accounts(world: World) -> None:
    client = world.sdk()
    of_user = [group.id for group in client.user.tokens.permission_groups.list()]
    of_account = [
        group.id
        for group in client.accounts.tokens.permission_groups.list(account_id=world.account())
    ]
    assert of_user == of_account
    assert set(of_user) == set(GROUP_ID.values())


def test_ips_are_the_shared_pool(world: World) -> None:
    ranges = world.sdk().ips.list()
    assert ranges is not None
    assert ranges.ipv4_cidrs == ["192.0.2.128/25"]
    assert ranges.ipv6_cidrs == ["2001:db8:ffff::/48"]
    assert ranges.etag
