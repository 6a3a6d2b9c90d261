"""Values of settings."""

from __future__ import annotations

import pytest

from egressway.model.account import AccountType
from egressway.model.errors import Invalid, NotFound
from egressway.model.ids import PoolId
from egressway.model.setting import (
    AegisChange,
    AegisValue,
    SettingId,
    SslMode,
    default_value,
    parse_setting_id,
    parse_setting_value,
)

POOL = PoolId("a" * 32)


@pytest.mark.parametrize(
    ("setting", "value", "pointer"),
    [
        ("aegis", None, "/value"),
        ("aegis", True, "/value"),
        ("aegis", {}, "/value"),
        ("aegis", {"enabled": "on"}, "/value/enabled"),
        ("aegis", {"enabled": 1}, "/value/enabled"),
        ("aegis", {"pool_id": 7}, "/value/pool_id"),
        ("aegis", {"pool_id": ""}, "/value/pool_id"),
        ("aegis", {"enabled": True, "pool": "x"}, "/value/pool"),
        ("ssl", "fully", "/value"),
        ("ssl", None, "/value"),
        ("ssl", ["off"], "/value"),
        ("origin_max_http_version", 2, "/value"),
        ("origin_max_http_version", "3", "/value"),
        ("origin_h2_max_streams", 0, "/value"),
        ("origin_h2_max_streams", 1001, "/value"),
        ("origin_h2_max_streams", True, "/value"),
        ("origin_h2_max_streams", "100", "/value"),
    ],
)
def test_a_bad_value_is_pointed_at(setting: str, value: object, pointer: str) -> None:
    with pytest.raises(Invalid) as caught:
        parse_setting_value(SettingId(setting), value)
    assert (caught.value.pointer, caught.value.code) == (pointer, 1007)


def test_good_values_are_parsed() -> None:
    assert parse_setting_value(SettingId.SSL, "strict") is SslMode.STRICT
    assert parse_setting_value(SettingId.ORIGIN_MAX_HTTP_VERSION, "1") == "1"
    assert parse_setting_value(SettingId.ORIGIN_H2_MAX_STREAMS, 1000) == 1000
    change = parse_setting_value(SettingId.AEGIS, {"enabled": True, "pool_id": POOL})
    assert change == AegisChange(True, POOL)


def test_an_unknown_setting_is_not_found() -> None:
    with pytest.raises(NotFound) as caught:
        parse_setting_id("brotli")
    assert caught.value.code == 1006


def test_disabling_keeps_the_pool_and_enabling_again_needs_none() -> None:
    off = AegisChange(enabled=False).on(AegisValue(True, POOL))
    assert off == AegisValue(False, POOL)
    assert AegisChange(enabled=True).on(off) == AegisValue(True, POOL)


def test_enabling_without_any_pool_is_refused() -> None:
    with pytest.raises(Invalid) as caught:
        AegisChange(enabled=True).on(AegisValue())
    assert caught.value.pointer == "/value/pool_id"


def test_naming_a_pool_alone_keeps_the_switch() -> None:
    assert AegisChange(pool_id=POOL).on(AegisValue()) == AegisValue(False, POOL)


def test_enterprise_accounts_switch_http2_to_origins_on_themselves() -> None:
    version, streams = SettingId.ORIGIN_MAX_HTTP_VERSION, SettingId.ORIGIN_H2_MAX_STREAMS
    assert default_value(version, AccountType.STANDARD) == "2"
    assert default_value(version, AccountType.ENTERPRISE) == "1"
    assert default_value(streams, AccountType.STANDARD) == 100
    assert default_value(streams, AccountType.ENTERPRISE) == 1
    assert default_value(SettingId.SSL, AccountType.STANDARD) is SslMode.FULL
    assert default_value(SettingId.AEGIS, AccountType.STANDARD) == AegisValue()
