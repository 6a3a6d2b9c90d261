"""`egressway account`: who owns zones and leases."""

from typing import Annotated

import typer

from egressway.cli.command import JsonOption, YesOption, command, confirm, noun
from egressway.cli.output import print_details, print_done, print_json, print_table, time_text
from egressway.client import Client
from egressway.client.objects import Account
from egressway.model.account import AccountType

__all__ = ["mount"]

app = noun("Who owns zones and leases.")
AccountArgument = Annotated[str, typer.Argument(metavar="ACCOUNT", help="Name or id.")]
NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="The account's name.")]


def mount(root: typer.Typer) -> None:
    """Add the noun to the root command."""
    root.add_typer(app, name="account")


@command(app, "list")
def list_accounts(client: Client, as_json: JsonOption = False) -> None:
    """List the accounts that the token sees."""
    accounts = client.accounts.list()
    if as_json:
        return print_json(accounts)
    rows = [
        (account.name, account.type, time_text(account.created_on), account.id)
        for account in accounts
    ]
    print_table(("Name", "Type", "Created", "Id"), rows, "There is no account yet.")


@command(app, "show")
def show_account(client: Client, account: AccountArgument, as_json: JsonOption = False) -> None:
    """Show one account."""
    show(client.accounts.find(account), as_json)


@command(app, "create")
def create_account(
    client: Client,
    name: NameArgument,
    type: Annotated[AccountType, typer.Option(help="What is ordered.")] = AccountType.STANDARD,
    as_json: JsonOption = False,
) -> None:
    """Create an account."""
    show(client.accounts.create(name, type), as_json)


@command(app, "rename")
def rename_account(
    client: Client, account: AccountArgument, name: NameArgument, as_json: JsonOption = False
) -> None:
    """Give an account another name."""
    show(client.accounts.rename(client.accounts.find(account).id, name), as_json)


@command(app, "delete")
def delete_account(client: Client, account: AccountArgument, yes: YesOption = False) -> None:
    """Delete an account that owns nothing any more."""
    found = client.accounts.find(account)
    confirm(f"Delete the account `{found.name}`?", yes)
    client.accounts.delete(found.id)
    print_done(f"Deleted the account `{found.name}`.")


def show(account: Account, as_json: bool) -> None:
    """One account, as JSON or for people."""
    if as_json:
        return print_json(account)
    print_details(
        {
            "Account": account.name,
            "Id": account.id,
            "Type": account.type,
            "Created": time_text(account.created_on),
        }
    )
