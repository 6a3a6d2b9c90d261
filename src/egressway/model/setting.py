"""Of all paths: the settings of a zone, their values and defaults; first of all `aegis`.

`aegis` is the whole public control of dedicated egress: on or off, and which pool. Switching it off
keeps the pool, so that it can be switched on again without naming one.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from egressway.model.account import AccountType
from egressway.model.errors import Invalid, NotFound
from egressway.model.ids import PoolId
from egressway.model.members import as_bool, as_choice, as_int, as_object, as_text, refuse_unknown

__all__ = [
    "MAX_H2_STREAMS",
    "AegisChange",
    "AegisValue",
    "Setting",
    "SettingChange",
    "SettingId",
    "SettingValue",
    "SslMode",
    "default_h2_max_streams",
    "default_max_http_version",
    "default_value",
    "parse_setting_id",
    "parse_setting_value",
]

MAX_H2_STREAMS: Final = 1000
_UNKNOWN_NAME: Final = 1006
_INVALID_VALUE: Final = 1007


class SettingId(StrEnum):
    """The settings we keep."""

    AEGIS = "aegis"
    SSL = "ssl"
    ORIGIN_MAX_HTTP_VERSION = "origin_max_http_version"
    ORIGIN_H2_MAX_STREAMS = "origin_h2_max_streams"


class SslMode(StrEnum):
    """How clients and origins are spoken to, unless a record says otherwise.

    off: no TLS on either side. flexible: TLS to clients only. full: TLS to origins, whose certificate
    must be in date. strict and origin_pull: and must be trusted and name the host.
    """

    OFF = "off"
    FLEXIBLE = "flexible"
    FULL = "full"
    STRICT = "strict"
    ORIGIN_PULL = "origin_pull"


@dataclass(frozen=True, slots=True)
class AegisValue:
    """Dedicated egress of a zone. `pool_id` is kept while it is switched off."""

    enabled: bool = False
    pool_id: PoolId | None = None


@dataclass(frozen=True, slots=True)
class AegisChange:
    """A change of `aegis`; None keeps what is stored."""

    enabled: bool | None = None
    pool_id: PoolId | None = None

    def on(self, stored: AegisValue) -> AegisValue:
        """The value after this change."""
        value = AegisValue(
            enabled=stored.enabled if self.enabled is None else self.enabled,
            pool_id=self.pool_id or stored.pool_id,
        )
        if value.enabled and value.pool_id is None:
            raise Invalid(
                "aegis cannot be enabled: the zone has no pool yet, so name one in pool_id.",
                pointer="/value/pool_id",
                code=_INVALID_VALUE,
            )
        return value


SettingValue = AegisValue | SslMode | str | int
SettingChange = AegisChange | SslMode | str | int


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting of one zone. `modified_on` is None while it has its default."""

    id: SettingId
    value: SettingValue
    modified_on: datetime | None
    editable: bool = True


def parse_setting_id(text: str) -> SettingId:
    """The setting called `text`."""
    if text not in tuple(SettingId):
        raise NotFound(f"There is no setting {text[:64]!r}.", code=_UNKNOWN_NAME)
    return SettingId(text)


def parse_setting_value(setting_id: SettingId, value: object) -> SettingChange:
    """The member `value` of a request's body, checked; pointers are from the body's root."""
    try:
        return _parse(setting_id, value)
    except Invalid as error:
        raise Invalid(error.text, pointer=error.pointer, code=_INVALID_VALUE) from None


def default_value(setting_id: SettingId, account_type: AccountType) -> SettingValue:
    """What holds while nobody has set anything."""
    match setting_id:
        case SettingId.AEGIS:
            return AegisValue()
        case SettingId.SSL:
            return SslMode.FULL
        case SettingId.ORIGIN_MAX_HTTP_VERSION:
            return default_max_http_version(account_type)
        case SettingId.ORIGIN_H2_MAX_STREAMS:
            return default_h2_max_streams(account_type)


def default_max_http_version(account_type: AccountType) -> str:
    """HTTP/2 towards origins, except for enterprise accounts, which switch it on themselves."""
    return "1" if account_type is AccountType.ENTERPRISE else "2"


def default_h2_max_streams(account_type: AccountType) -> int:
    """Streams per connection; 1 is no multiplexing."""
    return 1 if account_type is AccountType.ENTERPRISE else 100


def _parse(setting_id: SettingId, value: object) -> SettingChange:
    match setting_id:
        case SettingId.AEGIS:
            return _parse_aegis(value)
        case SettingId.SSL:
            return as_choice(SslMode, value, "/value")
        case SettingId.ORIGIN_MAX_HTTP_VERSION:
            if value not in ("1", "2"):
                raise Invalid('Must be "1" or "2".', pointer="/value")
            return str(value)
        case SettingId.ORIGIN_H2_MAX_STREAMS:
            return as_int(value, "/value", 1, MAX_H2_STREAMS)


def _parse_aegis(value: object) -> AegisChange:
    members = as_object(value, "/value")
    refuse_unknown(members, ("enabled", "pool_id"), "/value")
    enabled, pool_id = members.get("enabled"), members.get("pool_id")
    if enabled is None and pool_id is None:
        raise Invalid("Needs enabled, pool_id or both.", pointer="/value")
    return AegisChange(
        enabled=None if enabled is None else as_bool(enabled, "/value/enabled"),
        pool_id=None if pool_id is None else PoolId(as_text(pool_id, "/value/pool_id", limit=64)),
    )
