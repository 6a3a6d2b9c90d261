"""`egressway data-center`: halls of servers."""

from typing import Annotated

import typer

from egressway.cli.command import JsonOption, YesOption, command, confirm, noun
from egressway.cli.output import print_details, print_done, print_json, print_table, time_text
from egressway.client import Client
from egressway.client.objects import ChangedServers, DataCenter

__all__ = ["mount"]

app = noun("Halls of servers; needs the operator's token.")
NameArgument = Annotated[str, typer.Argument(metavar="DATA_CENTER", help="Its name.")]
LocationOption = Annotated[str, typer.Option(metavar="LOCATION", help="Where it is.")]


def mount(root: typer.Typer) -> None:
    """Add the noun to the root command."""
    root.add_typer(app, name="data-center")


@command(app, "list")
def list_data_centers(client: Client, as_json: JsonOption = False) -> None:
    """List the data centers."""
    data_centers = client.data_centers.list()
    if as_json:
        return print_json(data_centers)
    rows = [(each.name, each.location, time_text(each.created_on)) for each in data_centers]
    print_table(("Data center", "Location", "Since"), rows, "There is no data center.")


@command(app, "show")
def show_data_center(
    client: Client, data_center: NameArgument, as_json: JsonOption = False
) -> None:
    """Show one data center."""
    show(client.data_centers.get(data_center), as_json)


@command(app, "create")
def create_data_center(
    client: Client,
    *,
    data_center: NameArgument,
    location: LocationOption,
    as_json: JsonOption = False,
) -> None:
    """Add a data center to a location."""
    show(client.data_centers.create(data_center, location=location), as_json)


@command(app, "edit")
def edit_data_center(
    client: Client,
    *,
    data_center: NameArgument,
    location: LocationOption,
    as_json: JsonOption = False,
) -> None:
    """Put a data center, whose servers hold no ports, into another location."""
    show(client.data_centers.edit(data_center, location=location), as_json)


@command(app, "drain")
def drain_data_center(
    client: Client, data_center: NameArgument, as_json: JsonOption = False
) -> None:
    """Open nothing new on any of its servers."""
    tell(client.data_centers.drain(data_center), "Draining", as_json)


@command(app, "activate")
def activate_data_center(
    client: Client, data_center: NameArgument, as_json: JsonOption = False
) -> None:
    """Take the drain of all its servers back."""
    tell(client.data_centers.activate(data_center), "Activated", as_json)


@command(app, "delete")
def delete_data_center(client: Client, data_center: NameArgument, yes: YesOption = False) -> None:
    """Delete a data center without servers."""
    confirm(f"Delete the data center `{data_center}`?", yes)
    client.data_centers.delete(data_center)
    print_done(f"Deleted the data center `{data_center}`.")


def tell(changed: ChangedServers, verb: str, as_json: bool) -> None:
    """Which servers are in another state now."""
    if as_json:
        return print_json(changed)
    servers = ", ".join(f"`{name}`" for name in changed.servers)
    print_done(
        f"{verb}: {servers}."
        if servers
        else f"Every server of `{changed.data_center}` was in that state already."
    )


def show(data_center: DataCenter, as_json: bool) -> None:
    """One data center, as JSON or for people."""
    if as_json:
        return print_json(data_center)
    print_details(
        {
            "Data center": data_center.name,
            "Location": data_center.location,
            "Created": time_text(data_center.created_on),
        }
    )
