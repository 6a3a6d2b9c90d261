"""`egressway fleet`: what every server runs, and what is in the way of the newest revision."""

import typer

from egressway.cli.command import JsonOption, command, noun
from egressway.cli.output import print_details, print_json, print_table, time_text
from egressway.client import Client
from egressway.client.objects import Fleet, FleetServer

__all__ = ["mount"]

app = noun("What the servers run, as they have told last; needs the operator's token.")


def mount(root: typer.Typer) -> None:
    """Add the noun to the root command."""
    root.add_typer(app, name="fleet")


@command(app, "show")
def show_fleet(client: Client, as_json: JsonOption = False) -> None:
    """Show what every server runs, and how far it is behind."""
    fleet = client.fleet.get()
    if as_json:
        return print_json(fleet)
    print_details(
        {
            "Revision": str(fleet.revision),
            "Bus": "connected" if fleet.is_bus_connected else "away: what runs goes on",
            "Not sent": fleet.failure or "-",
        }
    )
    print_table(
        ("Server", "Data center", "State", "Runs", "Behind", "Told", "Why"),
        [_row(each, fleet) for each in fleet.servers],
        "No server.",
    )
    if fleet.withheld:
        rows = sorted(fleet.withheld.items())
        print_table(("Zone not served as it is stored", "Why"), rows, "")


def _row(server: FleetServer, fleet: Fleet) -> tuple[str | None, ...]:
    runs = server.revision
    return (
        server.name,
        server.data_center,
        server.state,
        "-" if runs is None else str(runs),
        "-" if runs is None else str(max(0, fleet.revision - runs)),
        time_text(server.acknowledged_on),
        server.reason or "-",
    )
