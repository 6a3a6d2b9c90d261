"""`egressway location`: metros of data centers."""

from typing import Annotated

import typer

from egressway.cli.command import JsonOption, YesOption, command, confirm, noun
from egressway.cli.output import print_details, print_done, print_json, print_table, time_text
from egressway.client import Client
from egressway.client.objects import Location

__all__ = ["mount"]

app = noun("Metros of data centers; needs the operator's token.")
NameArgument = Annotated[str, typer.Argument(metavar="LOCATION", help="Its name.")]


def mount(root: typer.Typer) -> None:
    """Add the noun to the root command."""
    root.add_typer(app, name="location")


@command(app, "list")
def list_locations(client: Client, as_json: JsonOption = False) -> None:
    """List the locations."""
    locations = client.locations.list()
    if as_json:
        return print_json(locations)
    rows = [
        (each.name, str(each.latitude), str(each.longitude), ", ".join(each.regions))
        for each in locations
    ]
    print_table(("Location", "Latitude", "Longitude", "Regions"), rows, "There is no location.")


@command(app, "show")
def show_location(client: Client, location: NameArgument, as_json: JsonOption = False) -> None:
    """Show one location."""
    show(client.locations.get(location), as_json)


@command(app, "create")
def create_location(
    client: Client,
    *,
    location: NameArgument,
    latitude: Annotated[float, typer.Option(help="Degrees, north is positive.")],
    longitude: Annotated[float, typer.Option(help="Degrees, east is positive.")],
    region: Annotated[list[str] | None, typer.Option(help="A region it lies in.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Add a location."""
    made = client.locations.create(
        location, latitude=latitude, longitude=longitude, regions=region or []
    )
    show(made, as_json)


@command(app, "edit")
def edit_location(
    client: Client,
    *,
    location: NameArgument,
    latitude: Annotated[float | None, typer.Option(help="Degrees, north is positive.")] = None,
    longitude: Annotated[float | None, typer.Option(help="Degrees, east is positive.")] = None,
    region: Annotated[
        list[str] | None, typer.Option(help="A region it lies in; those given are all of them.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Change coordinates or regions."""
    if latitude is None and longitude is None and not region:
        raise typer.BadParameter("give `--latitude`, `--longitude` or `--region`")
    edited = client.locations.edit(
        location, latitude=latitude, longitude=longitude, regions=region or None
    )
    show(edited, as_json)


@command(app, "delete")
def delete_location(client: Client, location: NameArgument, yes: YesOption = False) -> None:
    """Delete a location without data centers."""
    confirm(f"Delete the location `{location}`?", yes)
    client.locations.delete(location)
    print_done(f"Deleted the location `{location}`.")


def show(location: Location, as_json: bool) -> None:
    """One location, as JSON or for people."""
    if as_json:
        return print_json(location)
    print_details(
        {
            "Location": location.name,
            "Latitude": str(location.latitude),
            "Longitude": str(location.longitude),
            "Regions": ", ".join(location.regions) or None,
            "Created": time_text(location.created_on),
        }
    )
