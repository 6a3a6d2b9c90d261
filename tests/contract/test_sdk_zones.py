"""Conformance 1, 2, 5, 30 with the official SDK: zones, their settings, `aegis` first of all."""

from __future__ import annotations

from typing import Any

import cloudflare
import pytest

from tests.unit.api.world import World


def test_zone_lives_through_create_get_edit_list_delete(world: World) -> None:
    account, client = world.account(), world.sdk()
    made = client.zones.create(account={"id": account}, name="Example.COM")
    assert made is not None
    assert made.name == "example.com"
    assert made.account.id == account
    assert made.status == "active"
    assert client.zones.get(zone_id=made.id).name == "example.com"
    assert client.zones.edit(zone_id=made.id, paused=True).paused is True
    assert [each.paused for each in client.zones.list()] == [True]
    assert client.zones.delete(zone_id=made.id).id == made.id
    with pytest.raises(cloudflare.NotFoundError):
        client.zones.get(zone_id=made.id)


def test_zone_list_ends_after_the_last_page(world: World) -> None:
    account = world.account()
    for place in range(5):
        world.zone(account, f"zone{place}.example")
    names = [each.name for each in world.sdk().zones.list(per_page=2)]
    assert names == [f"zone{place}.example" for place in range(5)]


def test_zone_list_filters_by_account_and_name(world: World) -> None:
    first, second = world.account("First"), world.account("Second")
    world.zone(first, "shop.example")
    world.zone(first, "blog.example")
    world.zone(second, "shop.test")
    client = world.sdk()

    def names(**where: Any) -> list[str]:
        return [each.name for each in client.zones.list(**where)]

    assert names(account={"id": first}) == ["shop.example", "blog.example"]
    assert names(account={"name": "Second"}) == ["shop.test"]
    assert names(name="shop.test") == ["shop.test"]
    assert names(name="starts_with:shop") == ["shop.example", "shop.test"]
    assert names(name="ends_with:.example", order="name") == ["blog.example", "shop.example"]
    assert names(name="contains:o", order="name", direction="desc")[0] == "shop.test"
    assert names(status="moved") == []
    assert names(name="blog.example", account={"id": second}, match="any") == [
        "blog.example",
        "shop.test",
    ]


def test_aegis_is_read_enabled_and_disabled(world: World) -> None:
    """The whole control surface as the documents describe it."""
    account = world.account()
    zone, pool = world.zone(account), world.pool(account, "198.51.100.1")
    settings = world.sdk().zones.settings

    before = settings.get("aegis", zone_id=zone)
    assert before.id == "aegis"
    assert before.value.enabled is False
    enabled = settings.edit("aegis", zone_id=zone, value={"enabled": True, "pool_id": pool})
    assert (enabled.value.enabled, enabled.value.pool_id) == (True, pool)
    assert enabled.modified_on is not None
    disabled = settings.edit("aegis", zone_id=zone, value={"enabled": False})
    assert (disabled.value.enabled, disabled.value.pool_id) == (False, pool)
    again = settings.edit("aegis", zone_id=zone, value={"enabled": True})
    assert (again.value.enabled, again.value.pool_id) == (True, pool)


def test_ssl_is_full_until_it_is_changed(world: World) -> None:
    zone, settings = world.zone(world.account()), world.sdk().zones.settings
    assert settings.get("ssl", zone_id=zone).value == "full"
    for mode in ("off", "flexible", "strict", "origin_pull", "full"):
        assert settings.edit("ssl", zone_id=zone, value=mode).value == mode
        assert settings.get("ssl", zone_id=zone).value == mode


def test_origin_http2_settings_round_trip(world: World) -> None:
    zone, settings = world.zone(world.account()), world.sdk().zones.settings
    assert settings.get("origin_max_http_version", zone_id=zone).value == "2"
    assert settings.edit("origin_max_http_version", zone_id=zone, value="1").value == "1"
    assert settings.get("origin_h2_max_streams", zone_id=zone).value == 100
    assert settings.edit("origin_h2_max_streams", zone_id=zone, value=7).value == 7


def test_enterprise_accounts_have_no_multiplexing_by_default(world: World) -> None:
    zone = world.zone(world.account(kind="enterprise"))
    settings = world.sdk().zones.settings
    assert settings.get("origin_max_http_version", zone_id=zone).value == "1"
    assert settings.get("origin_h2_max_streams", zone_id=zone).value == 1


def test_one_pool_serves_two_zones_in_two_accounts(world: World) -> None:
    """Conformance 5: by a grant of the operator."""
    owner, other = world.account("Owner"), world.account("Other")
    own_zone, other_zone = world.zone(owner, "own.example"), world.zone(other, "other.example")
    pool = world.pool(owner, "198.51.100.1")
    settings = world.sdk().zones.settings
    value = {"enabled": True, "pool_id": pool}
    settings.edit("aegis", zone_id=own_zone, value=value)
    with pytest.raises(cloudflare.PermissionDeniedError):
        settings.edit("aegis", zone_id=other_zone, value=value)
    world.call("POST", f"/accounts/{owner}/egressway/pools/{pool}/grants", {"account_id": other})
    settings.edit("aegis", zone_id=other_zone, value=value)
    for zone in (own_zone, other_zone):
        assert settings.get("aegis", zone_id=zone).value.pool_id == pool


@pytest.mark.parametrize(
    ("status", "error"), [(409, cloudflare.ConflictError), (400, cloudflare.BadRequestError)]
)
def test_failures_are_typed_errors_and_sent_once(
    world: World, status: int, error: type[cloudflare.APIStatusError]
) -> None:
    """The SDK retries 409 unless told not to; one request is what a conflict costs."""
    account = world.account()
    world.zone(account)
    sent = []
    client = world.sdk(max_retries=2)
    client._client.event_hooks["request"].append(lambda request: sent.append(request.url.path))
    with pytest.raises(error) as caught:
        client.zones.create(account={"id": account}, name="example.com" if status == 409 else "!")
    assert caught.value.status_code == status
    assert caught.value.errors[0].code >= 1000
    assert caught.value.errors[0].source.pointer == "/name"
    assert sent == ["/client/v4/zones"]
