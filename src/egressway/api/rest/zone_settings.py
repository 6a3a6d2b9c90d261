"""`/zones/{zone_id}/settings`: `aegis`, the control of dedicated egress, and its siblings.

CONFIG 1 of 5. A setting of a zone without entitlement is readable, shows `editable: false` and
cannot be changed. What is accepted is durable before it is answered.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final, Literal

from litestar import get, patch
from litestar.handlers import HTTPRouteHandler
from msgspec import UNSET, Meta, Struct, UnsetType

from egressway.api.access import in_zone
from egressway.api.envelope import Answer, ResultPage, Timestamp, answer, single_page
from egressway.api.parameters import GivenCaller, GivenStore, GivenZone, JsonBody, PathId
from egressway.model.clock import rfc3339
from egressway.model.errors import Invalid
from egressway.model.members import as_list, as_object, as_text, refuse_unknown
from egressway.model.permission import Permission
from egressway.model.setting import (
    AegisValue,
    Setting,
    SettingChange,
    SettingId,
    SettingValue,
    parse_setting_id,
    parse_setting_value,
)

__all__ = ["HANDLERS"]

_PATH: Final = "/zones/{zone_id:str}/settings"
SettingName = Literal["aegis", "ssl", "origin_max_http_version", "origin_h2_max_streams"]


class AegisState(Struct, frozen=True):
    """Dedicated egress of a zone; the pool is kept while it is off."""

    enabled: bool
    pool_id: str | UnsetType = UNSET


class AegisEdit(Struct, frozen=True, forbid_unknown_fields=True):
    """Switches dedicated egress on or off; without `pool_id` the kept pool is used."""

    enabled: bool | UnsetType = UNSET
    pool_id: str | UnsetType = UNSET


class ZoneSetting(Struct, frozen=True):
    """One setting of one zone."""

    id: SettingName
    value: AegisState | str | int
    editable: Annotated[bool, Meta(description="Whether this zone may change it")]
    modified_on: Annotated[
        Timestamp | None, Meta(description="Null while the value is the default")
    ]


class ZoneSettingEdit(Struct, frozen=True, forbid_unknown_fields=True):
    """The new value; `id` may repeat the name in the path."""

    value: AegisEdit | str | int
    id: SettingName | UnsetType = UNSET


class ZoneSettingItem(Struct, frozen=True, forbid_unknown_fields=True):
    """One of several settings to change."""

    id: SettingName
    value: AegisEdit | str | int


class ZoneSettingsEdit(Struct, frozen=True, forbid_unknown_fields=True):
    """Several settings to change; all of them are or none."""

    items: list[ZoneSettingItem]


@get(
    _PATH,
    operation_id="zones.settings.list",
    tags=["zone settings"],
    opt=in_zone(Permission.ZONE_SETTINGS_READ),
    sync_to_thread=True,
)
def list_settings(store: GivenStore, zone: GivenZone) -> ResultPage[ZoneSetting]:
    """Every setting of the zone; `aegis` only when the zone is entitled to it."""
    with store.read() as read:
        settings = read.settings.list(zone.id)
    return single_page([_shown(each) for each in settings])


@patch(
    _PATH,
    operation_id="zones.settings.editMany",
    tags=["zone settings"],
    opt=in_zone(Permission.ZONE_SETTINGS_WRITE),
    sync_to_thread=True,
)
def edit_settings(
    store: GivenStore, caller: GivenCaller, zone: GivenZone, data: JsonBody[ZoneSettingsEdit]
) -> ResultPage[ZoneSetting]:
    """Changes several settings in one transaction."""
    refuse_unknown(data.members, ("items",))
    items = [
        _parse_item(item, f"/items/{i}")
        for i, item in enumerate(as_list(data.members.get("items"), "/items", limit=100))
    ]
    changed = []
    with store.write(caller.actor) as write:
        for i, (setting_id, change) in enumerate(items):
            try:
                changed.append(write.settings.put(zone.id, setting_id, change))
            except Invalid as error:
                raise error.below(f"/items/{i}") from None
    return single_page([_shown(each) for each in changed])


@get(
    f"{_PATH}/{{setting_id:str}}",
    operation_id="zones.settings.get",
    tags=["zone settings"],
    opt=in_zone(Permission.ZONE_SETTINGS_READ),
    sync_to_thread=True,
)
def get_setting(store: GivenStore, zone: GivenZone, setting_id: PathId) -> Answer[ZoneSetting]:
    """One setting."""
    wanted = parse_setting_id(setting_id)
    with store.read() as read:
        setting = read.settings.get(zone.id, wanted)
    return answer(_shown(setting))


@patch(
    f"{_PATH}/{{setting_id:str}}",
    operation_id="zones.settings.edit",
    tags=["zone settings"],
    opt=in_zone(Permission.ZONE_SETTINGS_WRITE),
    sync_to_thread=True,
)
def edit_setting(
    store: GivenStore,
    caller: GivenCaller,
    zone: GivenZone,
    setting_id: PathId,
    data: JsonBody[ZoneSettingEdit],
) -> Answer[ZoneSetting]:
    """Changes one setting."""
    wanted = parse_setting_id(setting_id)
    change = _parse_edit(wanted, data.members)
    with store.write(caller.actor) as write:
        setting = write.settings.put(zone.id, wanted, change)
    return answer(_shown(setting))


HANDLERS: Final[list[HTTPRouteHandler]] = [
    list_settings,
    edit_settings,
    get_setting,
    edit_setting,
]


def _parse_edit(setting_id: SettingId, members: Mapping[str, object]) -> SettingChange:
    refuse_unknown(members, ("id", "value"))
    if members.get("id", setting_id.value) != setting_id.value:
        raise Invalid(f"id must be `{setting_id}`, as in the path, or absent.", pointer="/id")
    if "value" not in members:
        raise Invalid("The new value is missing.", pointer="/value")
    return parse_setting_value(setting_id, members["value"])


def _parse_item(item: object, at: str) -> tuple[SettingId, SettingChange]:
    members = as_object(item, at)
    name = as_text(members.get("id"), f"{at}/id")
    if name not in frozenset(SettingId):
        raise Invalid(f"There is no setting `{name[:64]}`.", pointer=f"{at}/id", code=1006)
    try:
        return SettingId(name), _parse_edit(SettingId(name), members)
    except Invalid as error:
        raise error.below(at) from None


def _shown(setting: Setting) -> ZoneSetting:
    return ZoneSetting(
        id=setting.id.value,
        value=_shown_value(setting.value),
        editable=setting.editable,
        modified_on=None if setting.modified_on is None else rfc3339(setting.modified_on),
    )


def _shown_value(value: SettingValue) -> AegisState | str | int:
    if isinstance(value, AegisValue):
        return AegisState(value.enabled, UNSET if value.pool_id is None else value.pool_id)
    return value if isinstance(value, int) else str(value)
