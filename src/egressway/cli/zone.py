"""`egressway zone`: domains that Egressway answers for."""

from typing import Annotated

import typer

from egressway.cli.command import AccountOption, JsonOption, YesOption, command, confirm, noun
from egressway.cli.output import print_details, print_done, print_json, print_table, time_text
from egressway.cli.scope import one_account
from egressway.client import Client
from egressway.client.objects import Zone

__all__ = ["ZoneArgument", "mount"]

app = noun("Domains that Egressway answers for.")
ZoneArgument = Annotated[str, typer.Argument(metavar="ZONE", help="Domain name or id.")]


def mount(root: typer.Typer) -> None:
    """Add the noun to the root command."""
    root.add_typer(app, name="zone")


@command(app, "list")
def list_zones(client: Client, account: AccountOption = None, as_json: JsonOption = False) -> None:
    """List the zones, of one account or of all that the token sees."""
    account_id = None if account is None else client.accounts.find(account).id
    zones = client.zones.list(account_id=account_id)
    if as_json:
        return print_json(zones)
    rows = [
        (zone.name, zone.account.name or zone.account.id, state_of(zone), zone.id) for zone in zones
    ]
    print_table(("Zone", "Account", "Status", "Id"), rows, "There is no zone yet.")


@command(app, "show")
def show_zone(client: Client, zone: ZoneArgument, as_json: JsonOption = False) -> None:
    """Show one zone."""
    show(client.zones.find(zone), as_json)


@command(app, "create")
def create_zone(
    client: Client,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The domain, e.g. `example.com`.")],
    account: AccountOption = None,
    as_json: JsonOption = False,
) -> None:
    """Create a zone in an account."""
    show(client.zones.create(name, one_account(client, account).id), as_json)


@command(app, "delete")
def delete_zone(client: Client, zone: ZoneArgument, yes: YesOption = False) -> None:
    """Delete a zone with its records, settings and certificates."""
    found = client.zones.find(zone)
    confirm(
        f"Delete the zone `{found.name}` with its records, settings and certificates? "
        "Its requests will no longer be answered.",
        yes,
    )
    client.zones.delete(found.id)
    print_done(f"Deleted the zone `{found.name}`.")


def show(zone: Zone, as_json: bool) -> None:
    """One zone, as JSON or for people."""
    if as_json:
        return print_json(zone)
    print_details(
        {
            "Zone": zone.name,
            "Id": zone.id,
            "Account": f"{zone.account.name or '-'} ({zone.account.id})",
            "Status": state_of(zone),
            "Created": time_text(zone.created_on),
            "Modified": time_text(zone.modified_on),
        }
    )


def state_of(zone: Zone) -> str | None:
    """The status, and whether the zone is paused."""
    return f"{zone.status or '-'}, paused" if zone.paused else zone.status
