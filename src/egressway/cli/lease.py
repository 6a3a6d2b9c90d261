"""`egressway lease`: addresses lent to accounts."""

from typing import Annotated

import typer

from egressway.cli.command import AccountOption, JsonOption, YesOption, command, confirm, noun
from egressway.cli.output import print_details, print_done, print_json, print_table, time_text
from egressway.cli.scope import accounts_in_scope, find_lease, one_account
from egressway.client import Client
from egressway.client.objects import LeasedIp

__all__ = ["mount"]

app = noun("Addresses lent to accounts; writing needs the operator's token.")
LeaseArgument = Annotated[str, typer.Argument(metavar="IP", help="Address or id of the lease.")]


def mount(root: typer.Typer) -> None:
    """Add the noun to the root command."""
    root.add_typer(app, name="lease")


@command(app, "list")
def list_leases(client: Client, account: AccountOption = None, as_json: JsonOption = False) -> None:
    """List the leased IPs, of one account or of all that the token sees."""
    accounts = accounts_in_scope(client, account)
    leases = [(owner, lease) for owner in accounts for lease in client.leased_ips.list(owner.id)]
    if as_json:
        return print_json([lease for _, lease in leases])
    rows = [
        (lease.ip, owner.name, time_text(lease.created_on), lease.id) for owner, lease in leases
    ]
    print_table(("IP", "Account", "Since", "Id"), rows, "No IP is leased yet.")


@command(app, "show")
def show_lease(
    client: Client,
    lease: LeaseArgument,
    account: AccountOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show one leased IP."""
    show(find_lease(client, lease, account), as_json)


@command(app, "add")
def add_lease(
    client: Client,
    ip: Annotated[
        str, typer.Argument(metavar="IP", help="One address, or a range like 2001:db8:1::/64.")
    ],
    account: AccountOption = None,
    as_json: JsonOption = False,
) -> None:
    """Lend an address to an account."""
    show(client.leased_ips.create(one_account(client, account).id, ip), as_json)


@command(app, "delete")
def delete_lease(
    client: Client, lease: LeaseArgument, account: AccountOption = None, yes: YesOption = False
) -> None:
    """Take an address back from its account."""
    found = find_lease(client, lease, account)
    confirm(f"End the lease of `{found.ip}`?", yes)
    client.leased_ips.delete(found.account_id, found.id)
    print_done(f"Ended the lease of `{found.ip}`.")


def show(lease: LeasedIp, as_json: bool) -> None:
    """One lease, as JSON or for people."""
    if as_json:
        return print_json(lease)
    print_details(
        {
            "IP": lease.ip,
            "Id": lease.id,
            "Account": lease.account_id,
            "Since": time_text(lease.created_on),
        }
    )
