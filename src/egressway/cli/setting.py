"""`egressway setting`: how a zone behaves; `aegis` says which pool its requests leave from."""

from typing import Annotated, Any

import msgspec
import typer

from egressway.cli.command import JsonOption, command, noun
from egressway.cli.output import bool_text, print_details, print_json, print_table, time_text
from egressway.cli.zone import ZoneArgument
from egressway.client import (
    Client,
    InvalidRequestError,
    NotFoundError,
    NotPermittedError,
    UnknownNameError,
)
from egressway.client.names import pick
from egressway.client.objects import AegisValue, Setting

__all__ = ["mount"]

app = noun("How a zone behaves, and which pool it leaves from.")
AEGIS = "aegis"
SettingArgument = Annotated[
    str, typer.Argument(metavar="SETTING", help="`aegis`, `ssl` or another one of the list.")
]


def mount(root: typer.Typer) -> None:
    """Add the noun to the root command."""
    root.add_typer(app, name="setting")


@command(app, "list")
def list_settings(client: Client, zone: ZoneArgument, as_json: JsonOption = False) -> None:
    """List a zone's settings."""
    settings = client.settings.list(client.zones.find(zone).id)
    if as_json:
        return print_json(settings)
    rows = [
        (item.id, _value(item), bool_text(item.editable), time_text(item.modified_on))
        for item in settings
    ]
    print_table(("Setting", "Value", "Editable", "Modified"), rows, "The zone has no setting.")


@command(app, "get")
def get_setting(
    client: Client, zone: ZoneArgument, setting: SettingArgument, as_json: JsonOption = False
) -> None:
    """Show one setting of a zone."""
    show(client.settings.get(client.zones.find(zone).id, setting), as_json)


@command(app, "set")
def set_setting(
    client: Client,
    *,
    zone: ZoneArgument,
    setting: SettingArgument,
    value: Annotated[
        str | None, typer.Argument(metavar="VALUE", help="The new value; not for `aegis`.")
    ] = None,
    pool: Annotated[
        str | None,
        typer.Option(metavar="POOL", help="For `aegis`: name or id of the pool to leave from."),
    ] = None,
    enabled: Annotated[
        bool | None,
        typer.Option(
            "--on/--off",
            help="For `aegis`: leave from the pool, or from the shared one.",
            show_default=False,
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Change a setting of a zone.

    `setting set example.com aegis --pool edge --on` makes the zone leave from the pool's addresses:
    admit them at the origin first. `setting set example.com ssl strict` is any other setting.
    """
    _check_usage(setting, value, pool, enabled)
    if setting == AEGIS:
        return show(_set_aegis(client, zone, pool, enabled), as_json)
    zone_id = client.zones.find(zone).id
    current = client.settings.get(zone_id, setting).value
    show(client.settings.edit(zone_id, setting, _parsed(value or "", current)), as_json)


def show(setting: Setting, as_json: bool) -> None:
    """One setting, as JSON or for people."""
    if as_json:
        return print_json(setting)
    print_details(
        {
            "Setting": setting.id,
            "Value": _value(setting),
            "Editable": bool_text(setting.editable),
            "Modified": time_text(setting.modified_on),
        }
    )


def _check_usage(setting: str, value: str | None, pool: str | None, enabled: bool | None) -> None:
    if setting == AEGIS and value is not None:
        raise typer.BadParameter("`aegis` takes `--pool`, `--on` or `--off`", param_hint="VALUE")
    if setting == AEGIS and pool is None and enabled is None:
        raise typer.BadParameter("`aegis` needs `--pool`, `--on` or `--off`")
    if setting != AEGIS and (pool is not None or enabled is not None):
        raise typer.BadParameter(f"`--pool`, `--on` and `--off` are of `aegis`, not `{setting}`")
    if setting != AEGIS and value is None:
        raise typer.BadParameter(f"`{setting}` needs a value", param_hint="VALUE")


def _set_aegis(client: Client, zone: str, pool: str | None, enabled: bool | None) -> Setting:
    found = client.zones.find(zone)
    if pool is None:
        return client.settings.set_aegis(found.id, enabled=enabled)
    try:
        pools = client.pools.list(found.account.id)
    except (NotPermittedError, NotFoundError):
        # A token for the zone alone may not see pools: what names one is an id then.
        return client.settings.set_aegis(found.id, enabled=enabled, pool_id=pool)
    try:
        own = pick(pool, pools, "pool", lambda one: [one.name], lambda one: f"`{one.name}`")
    except UnknownNameError as unknown:
        # Not a pool of the zone's account: the id of one that another account has granted, or a
        # slip of the pen. The API can tell; if it cannot find it either, the list of names helps.
        try:
            return client.settings.set_aegis(found.id, enabled=enabled, pool_id=pool)
        except InvalidRequestError as refused:
            raise unknown from refused
    return client.settings.set_aegis(found.id, enabled=enabled, pool_id=own.id)


def _parsed(text: str, current: object) -> Any:  # noqa: ANN401 - a setting's value is any JSON
    """The word as JSON where the value so far is a number or a boolean, else as it is written."""
    if isinstance(current, str):
        return text
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text


def _value(setting: Setting) -> str:
    if setting.id == AEGIS and isinstance(setting.value, dict):
        aegis = msgspec.convert(setting.value, AegisValue)
        state = "on" if aegis.enabled else "off"
        return f"{state}, pool {aegis.pool_id}" if aegis.pool_id else state
    if isinstance(setting.value, str):
        return setting.value
    return msgspec.json.encode(setting.value).decode()
