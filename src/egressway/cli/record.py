"""`egressway record`: names of a zone; a proxied A or AAAA record names an origin."""

import ipaddress
from dataclasses import dataclass
from typing import Annotated

import typer

from egressway.cli.command import JsonOption, YesOption, command, confirm, noun
from egressway.cli.output import (
    bool_text,
    print_details,
    print_done,
    print_json,
    print_table,
    time_text,
)
from egressway.cli.zone import ZoneArgument
from egressway.client import Client
from egressway.client.objects import Record, RecordSettings
from egressway.model.origin import OriginScheme, OriginVerify

__all__ = ["mount"]

app = noun("Names of a zone and the origins behind them.")
RecordArgument = Annotated[str, typer.Argument(metavar="RECORD", help="Name or id.")]
ORIGIN = "Origin"
PortOption = Annotated[
    int | None,
    typer.Option(
        min=1, max=65535, help="The origin's port; else 80 or 443.", rich_help_panel=ORIGIN
    ),
]
SchemeOption = Annotated[
    OriginScheme | None,
    typer.Option(help="What the origin speaks; else as the zone's `ssl`.", rich_help_panel=ORIGIN),
]
VerifyOption = Annotated[
    OriginVerify | None,
    typer.Option(help="How strictly its certificate is checked.", rich_help_panel=ORIGIN),
]
SniOption = Annotated[
    str | None, typer.Option(help="Server name in its TLS handshake.", rich_help_panel=ORIGIN)
]
HostOption = Annotated[
    str | None, typer.Option(help="`Host` of requests to it.", rich_help_panel=ORIGIN)
]
Http2Option = Annotated[
    bool | None,
    typer.Option("--http2/--no-http2", help="Whether it may be HTTP/2.", rich_help_panel=ORIGIN),
]
TtlOption = Annotated[int | None, typer.Option(help="Seconds; 1 is automatic.")]
CommentOption = Annotated[str | None, typer.Option(help="A remark for people.")]


def mount(root: typer.Typer) -> None:
    """Add the noun to the root command."""
    root.add_typer(app, name="record")


@command(app, "list")
def list_records(client: Client, zone: ZoneArgument, as_json: JsonOption = False) -> None:
    """List a zone's records."""
    records = client.records.list(client.zones.find(zone).id)
    if as_json:
        return print_json(records)
    rows = [
        (
            record.name,
            record.type,
            record.content,
            bool_text(record.proxied),
            _origin(record.settings) if record.proxied else None,
            record.id,
        )
        for record in records
    ]
    columns = ("Name", "Type", "Content", "Proxied", "Origin", "Id")
    print_table(columns, rows, "The zone has no record yet.")


@command(app, "show")
def show_record(
    client: Client, zone: ZoneArgument, record: RecordArgument, as_json: JsonOption = False
) -> None:
    """Show one record."""
    show(client.records.find(client.zones.find(zone), record), as_json)


@command(app, "add")
def add_record(
    client: Client,
    *,
    zone: ZoneArgument,
    name: Annotated[str, typer.Argument(metavar="NAME", help="`www`, `@` or a whole name.")],
    content: Annotated[
        str, typer.Argument(metavar="ADDRESS", help="The origin's IPv4 or IPv6 address.")
    ],
    type: Annotated[
        str | None, typer.Option(metavar="TYPE", help="Else A or AAAA, as the address says.")
    ] = None,
    proxied: Annotated[bool, typer.Option(help="Whether Egressway answers for it.")] = True,
    port: PortOption = None,
    scheme: SchemeOption = None,
    verify: VerifyOption = None,
    sni: SniOption = None,
    host: HostOption = None,
    http2: Http2Option = None,
    ttl: TtlOption = None,
    comment: CommentOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add a record; by default a proxied one, whose address is an origin."""
    kind = type.upper() if type else _type_of(content)
    record = client.records.create(
        client.zones.find(zone).id,
        type=kind,
        name=name,
        content=content,
        # Only addresses are origins; a TXT record must not fail for a default.
        proxied=proxied and kind in ("A", "AAAA"),
        ttl=ttl or 1,
        comment=comment,
        settings=OriginOptions(port, scheme, verify, sni, host, http2).settings(),
    )
    show(record, as_json)


@command(app, "edit")
def edit_record(
    client: Client,
    *,
    zone: ZoneArgument,
    record: RecordArgument,
    content: Annotated[str | None, typer.Option(help="The new address or text.")] = None,
    proxied: Annotated[
        bool | None,
        typer.Option("--proxied/--no-proxied", help="Whether Egressway answers for it."),
    ] = None,
    port: PortOption = None,
    scheme: SchemeOption = None,
    verify: VerifyOption = None,
    sni: SniOption = None,
    host: HostOption = None,
    http2: Http2Option = None,
    ttl: TtlOption = None,
    comment: CommentOption = None,
    as_json: JsonOption = False,
) -> None:
    """Change a record; what is not given stays."""
    given = {"content": content, "proxied": proxied, "ttl": ttl, "comment": comment}
    changes: dict[str, object] = {name: value for name, value in given.items() if value is not None}
    if settings := OriginOptions(port, scheme, verify, sni, host, http2).settings():
        changes["settings"] = settings
    if not changes:
        raise typer.BadParameter("give at least one option that changes something")
    found_zone = client.zones.find(zone)
    found = client.records.find(found_zone, record)
    show(client.records.edit(found_zone.id, found.id, changes), as_json)


@command(app, "delete")
def delete_record(
    client: Client, zone: ZoneArgument, record: RecordArgument, yes: YesOption = False
) -> None:
    """Delete a record; requests for its name are no longer answered."""
    found_zone = client.zones.find(zone)
    found = client.records.find(found_zone, record)
    confirm(f"Delete the record `{found.name}` {found.type} {found.content}?", yes)
    client.records.delete(found_zone.id, found.id)
    print_done(f"Deleted the record `{found.name}` {found.type} {found.content}.")


@dataclass(frozen=True, slots=True)
class OriginOptions:
    """What the command line says about an origin."""

    port: int | None
    scheme: OriginScheme | None
    verify: OriginVerify | None
    sni: str | None
    host: str | None
    http2: bool | None

    def settings(self) -> dict[str, object]:
        """By the API's names, only what is given."""
        given = {
            "origin_port": self.port,
            "origin_scheme": self.scheme,
            "origin_verify": self.verify,
            "origin_sni": self.sni,
            "origin_host": self.host,
            "origin_http2": self.http2,
        }
        return {name: value for name, value in given.items() if value is not None}


def show(record: Record, as_json: bool) -> None:
    """One record, as JSON or for people."""
    if as_json:
        return print_json(record)
    settings = record.settings or RecordSettings()
    print_details(
        {
            "Name": record.name,
            "Id": record.id,
            "Type": record.type,
            "Content": record.content,
            "Proxied": bool_text(record.proxied),
            "Origin": _origin(settings) if record.proxied else None,
            "Verify": settings.origin_verify,
            "SNI": settings.origin_sni,
            "Host": settings.origin_host,
            "HTTP/2": bool_text(settings.origin_http2),
            "TTL": "automatic" if record.ttl == 1 else f"{record.ttl} s",
            "Comment": record.comment,
            "Modified": time_text(record.modified_on),
        }
    )


def _origin(settings: RecordSettings | None) -> str:
    """How the origin is spoken to, in one word or two."""
    scheme = settings.origin_scheme if settings else None
    port = settings.origin_port if settings else None
    how = scheme or "as the zone's ssl"
    return f"{how}, port {port}" if port else how


def _type_of(content: str) -> str:
    try:
        return "AAAA" if ipaddress.ip_address(content).version == 6 else "A"
    except ValueError:
        raise typer.BadParameter(
            f"`{content}` is not an IP address; for another kind of record give `--type`",
            param_hint="ADDRESS",
        ) from None
