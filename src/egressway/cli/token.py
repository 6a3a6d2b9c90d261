"""`egressway token`: who may do what; a secret is printed once, when it is made."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated

import typer

from egressway.cli.command import JsonOption, YesOption, command, confirm, noun
from egressway.cli.output import (
    print_details,
    print_done,
    print_json,
    print_note,
    print_table,
    time_text,
)
from egressway.cli.scope import named_account
from egressway.client import Client
from egressway.client.names import pick
from egressway.client.objects import PermissionGroup, Token, TokenPolicy

__all__ = ["mount"]

app = noun("Who may do what; a secret is printed once, when it is made.")
TokenArgument = Annotated[str, typer.Argument(metavar="TOKEN", help="Name or id, not the secret.")]
OwnerOption = Annotated[
    str | None,
    typer.Option(
        "--owner",
        metavar="ACCOUNT",
        help="Name or id of the account that the token belongs to and cannot leave; "
        "tokens without one are the operator's.",
    ),
]
ACCOUNT_RESOURCE = "com.cloudflare.api.account."
ZONE_RESOURCE = "com.cloudflare.api.account.zone."


def mount(root: typer.Typer) -> None:
    """Add the noun to the root command."""
    root.add_typer(app, name="token")


@command(app, "list")
def list_tokens(client: Client, owner: OwnerOption = None, as_json: JsonOption = False) -> None:
    """List the tokens of an account, or those that belong to none."""
    tokens = client.tokens.list(owner=_owner(client, owner))
    if as_json:
        return print_json(tokens)
    rows = [
        (token.name, token.status, _rights(token), time_text(token.expires_on) or "never", token.id)
        for token in tokens
    ]
    print_table(("Name", "Status", "Rights", "Expires", "Id"), rows, "There is no token yet.")


@command(app, "show")
def show_token(
    client: Client, token: TokenArgument, owner: OwnerOption = None, as_json: JsonOption = False
) -> None:
    """Show one token, without its secret."""
    show(client.tokens.find(token, owner=_owner(client, owner)), as_json)


@command(app, "permissions")
def list_permissions(client: Client, as_json: JsonOption = False) -> None:
    """List the rights a token can be given."""
    groups = client.tokens.permission_groups()
    if as_json:
        return print_json(groups)
    print_table(
        ("Permission", "Id"), [(group.name, group.id) for group in groups], "There is none."
    )


@command(app, "create")
def create_token(
    client: Client,
    *,
    name: Annotated[str, typer.Argument(metavar="NAME", help="What the token is for.")],
    allow: Annotated[
        list[str], typer.Option(metavar="PERMISSION", help="A right, by name or id; repeatable.")
    ],
    account: Annotated[
        list[str] | None, typer.Option(metavar="ACCOUNT", help="Where it holds; repeatable.")
    ] = None,
    zone: Annotated[
        list[str] | None, typer.Option(metavar="ZONE", help="Where it holds; repeatable.")
    ] = None,
    owner: OwnerOption = None,
    expires: Annotated[
        datetime | None, typer.Option(help="Moment in UTC after which it is refused.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Create a token and print its secret, the only time it can be seen.

    A token with an owner holds for the whole of that account unless told otherwise.
    """
    places = account or ([owner] if owner and not zone else [])
    if not places and not zone:
        raise typer.BadParameter("say where the token holds, with `--account` or `--zone`")
    resources = {ACCOUNT_RESOURCE + named_account(client, one).id: "*" for one in places} | {
        ZONE_RESOURCE + client.zones.find(one).id: "*" for one in zone or []
    }
    groups = client.tokens.permission_groups()
    issued = client.tokens.create(
        name,
        permission_group_ids=[_group(groups, one).id for one in allow],
        resources=resources,
        owner=_owner(client, owner),
        expires_on=expires.replace(tzinfo=UTC) if expires else None,
    )
    if as_json:
        return print_json(issued)
    show(issued, as_json)
    _print_secret(issued.value)


@command(app, "roll")
def roll_token(
    client: Client,
    token: TokenArgument,
    owner: OwnerOption = None,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Give a token a new secret and print it; the old one stops working at once."""
    owner_id = _owner(client, owner)
    found = client.tokens.find(token, owner=owner_id)
    confirm(f"Roll the token `{found.name}`? Whoever uses its secret is locked out.", yes)
    secret = client.tokens.roll(found.id, owner=owner_id)
    if as_json:
        return print_json({"id": found.id, "value": secret})
    print_done(f"Rolled the token `{found.name}`.")
    _print_secret(secret)


@command(app, "delete")
def delete_token(
    client: Client, token: TokenArgument, owner: OwnerOption = None, yes: YesOption = False
) -> None:
    """Delete a token; it stops working at once."""
    owner_id = _owner(client, owner)
    found = client.tokens.find(token, owner=owner_id)
    confirm(f"Delete the token `{found.name}`?", yes)
    client.tokens.delete(found.id, owner=owner_id)
    print_done(f"Deleted the token `{found.name}`.")


@command(app, "verify")
def verify_token(client: Client, as_json: JsonOption = False) -> None:
    """Ask the API about the token in use."""
    status = client.tokens.verify()
    if as_json:
        return print_json(status)
    print_details(
        {
            "Id": status.id,
            "Status": status.status,
            "Expires": time_text(status.expires_on) or "never",
        }
    )


def show(token: Token, as_json: bool) -> None:
    """One token, as JSON or for people; never its secret."""
    if as_json:
        return print_json(token)
    print_details(
        {
            "Token": token.name,
            "Id": token.id,
            "Status": token.status,
            "Rights": _rights(token),
            "Holds for": "\n".join(_places(token.policies)),
            "Expires": time_text(token.expires_on) or "never",
            "Last used": time_text(token.last_used_on),
        }
    )


def _owner(client: Client, reference: str | None) -> str | None:
    return None if reference is None else named_account(client, reference).id


def _print_secret(secret: str) -> None:
    print_details({"Secret": secret})
    print_note("Keep it now: it is not shown again.")


def _group(groups: Sequence[PermissionGroup], reference: str) -> PermissionGroup:
    return pick(
        reference,
        groups,
        "permission",
        lambda group: [group.name] if group.name else [],
        lambda group: f"`{group.name}`",
    )


def _rights(token: Token) -> str:
    return "\n".join(
        f"{'' if policy.effect == 'allow' else 'not '}{group.name or group.id}"
        for policy in token.policies
        for group in policy.permission_groups
    )


def _places(policies: Sequence[TokenPolicy]) -> list[str]:
    return [
        resource.removeprefix("com.cloudflare.api.").replace("account.zone.", "zone ", 1)
        for policy in policies
        for resource in policy.resources
    ]
