"""`egressway regional-hostname`: names of a zone that are served in one region only."""

from typing import Annotated

import typer

from egressway.cli.command import AccountOption, JsonOption, YesOption, command, confirm, noun
from egressway.cli.output import print_details, print_done, print_json, print_table, time_text
from egressway.cli.scope import accounts_in_scope
from egressway.cli.zone import ZoneArgument
from egressway.client import Client
from egressway.client.objects import RegionalHostname

__all__ = ["mount"]

app = noun("Names that are decrypted and leave for their origin in one region only.")
HostnameArgument = Annotated[
    str, typer.Argument(metavar="HOSTNAME", help="A whole name, or a wildcard like *.example.com.")
]
RegionArgument = Annotated[
    str, typer.Argument(metavar="REGION", help="Its key; `egressway regional-hostname regions`.")
]


def mount(root: typer.Typer) -> None:
    """Add the noun to the root command."""
    root.add_typer(app, name="regional-hostname")


@command(app, "regions")
def list_regions(
    client: Client, account: AccountOption = None, as_json: JsonOption = False
) -> None:
    """List the regions there are; which servers lie in one is the operator's to say."""
    # They are the same for all accounts; the API wants one for the permission.
    regions = client.regional_hostnames.regions(accounts_in_scope(client, account)[0].id)
    if as_json:
        return print_json(regions)
    print_table(("Key", "Region"), [(each.key, each.label) for each in regions], "No region.")


@command(app, "list")
def list_regional_hostnames(
    client: Client, zone: ZoneArgument, as_json: JsonOption = False
) -> None:
    """List a zone's regional hostnames."""
    found = client.regional_hostnames.list(client.zones.find(zone).id)
    if as_json:
        return print_json(found)
    rows = [(each.hostname, each.region_key, time_text(each.created_on)) for each in found]
    print_table(("Hostname", "Region", "Since"), rows, "The zone has no regional hostname.")


@command(app, "show")
def show_regional_hostname(
    client: Client, zone: ZoneArgument, hostname: HostnameArgument, as_json: JsonOption = False
) -> None:
    """Show one regional hostname."""
    show(client.regional_hostnames.get(client.zones.find(zone).id, hostname), as_json)


@command(app, "add")
def add_regional_hostname(
    client: Client,
    zone: ZoneArgument,
    hostname: HostnameArgument,
    region: RegionArgument,
    as_json: JsonOption = False,
) -> None:
    """Confine a name to a region; certificates for it are no longer sent to servers elsewhere."""
    found = client.zones.find(zone)
    show(client.regional_hostnames.create(found.id, hostname, region), as_json)


@command(app, "edit")
def edit_regional_hostname(
    client: Client,
    zone: ZoneArgument,
    hostname: HostnameArgument,
    region: RegionArgument,
    as_json: JsonOption = False,
) -> None:
    """Confine a name to another region."""
    found = client.zones.find(zone)
    show(client.regional_hostnames.edit(found.id, hostname, region), as_json)


@command(app, "delete")
def delete_regional_hostname(
    client: Client, zone: ZoneArgument, hostname: HostnameArgument, yes: YesOption = False
) -> None:
    """Serve a name everywhere again; its certificates and keys go to all servers."""
    found = client.zones.find(zone)
    regional = client.regional_hostnames.get(found.id, hostname)
    confirm(f"Serve `{regional.hostname}` outside the region `{regional.region_key}` as well?", yes)
    client.regional_hostnames.delete(found.id, regional.hostname)
    print_done(f"Deleted the regional hostname `{regional.hostname}`.")


def show(regional: RegionalHostname, as_json: bool) -> None:
    """One regional hostname, as JSON or for people."""
    if as_json:
        return print_json(regional)
    print_details(
        {
            "Hostname": regional.hostname,
            "Region": regional.region_key,
            "Routing": regional.routing,
            "Since": time_text(regional.created_on),
        }
    )
