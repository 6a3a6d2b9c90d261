"""`egressway pool`: sets of egress addresses that zones leave from."""

from typing import Annotated

import typer

from egressway.cli.command import AccountOption, JsonOption, YesOption, command, confirm, noun
from egressway.cli.output import print_details, print_done, print_json, print_table, time_text
from egressway.cli.scope import accounts_in_scope, find_pool, one_account
from egressway.client import Client
from egressway.client.objects import Pool
from egressway.model.pool import PoolSource

__all__ = ["mount"]

app = noun("Sets of egress addresses that zones leave from.")
OVERFLOW = "Whether a full location may use the nearest other one."
PoolArgument = Annotated[str, typer.Argument(metavar="POOL", help="Name or id.")]
GranteeArgument = Annotated[
    str, typer.Argument(metavar="ACCOUNT", help="Name or id of the other account.")
]


def mount(root: typer.Typer) -> None:
    """Add the noun to the root command."""
    root.add_typer(app, name="pool")


@command(app, "list")
def list_pools(client: Client, account: AccountOption = None, as_json: JsonOption = False) -> None:
    """List the pools, of one account or of all that the token sees."""
    accounts = accounts_in_scope(client, account)
    pools = [(owner, pool) for owner in accounts for pool in client.pools.list(owner.id)]
    if as_json:
        return print_json([pool for _, pool in pools])
    rows = [
        (pool.name, owner.name, pool.source, "\n".join(pool.ips), pool.id) for owner, pool in pools
    ]
    print_table(("Pool", "Account", "Source", "IPs", "Id"), rows, "There is no pool yet.")


@command(app, "show")
def show_pool(
    client: Client, pool: PoolArgument, account: AccountOption = None, as_json: JsonOption = False
) -> None:
    """Show one pool and which other accounts may use it."""
    found = find_pool(client, pool, account)
    if as_json:
        return print_json(found)
    grants = client.pools.grants(found.account_id, found.id)
    show(found, as_json, tuple(grant.account_id for grant in grants))


@command(app, "create")
def create_pool(
    client: Client,
    *,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The pool's name.")],
    ips: Annotated[list[str], typer.Argument(metavar="IP...", help="Addresses leased before.")],
    source: Annotated[PoolSource, typer.Option(help="Where the IPs are from.")] = PoolSource.LEASED,
    overflow: Annotated[bool, typer.Option("--overflow", help=OVERFLOW)] = False,
    account: AccountOption = None,
    as_json: JsonOption = False,
) -> None:
    """Create a pool of an account's addresses."""
    owner = one_account(client, account)
    made = client.pools.create(owner.id, name=name, ips=ips, source=source, overflow=overflow)
    show(made, as_json)


@command(app, "edit")
def edit_pool(
    client: Client,
    *,
    pool: PoolArgument,
    name: Annotated[str | None, typer.Option(help="The new name.")] = None,
    add_ip: Annotated[list[str] | None, typer.Option(help="An address more.")] = None,
    remove_ip: Annotated[list[str] | None, typer.Option(help="An address less.")] = None,
    overflow: Annotated[
        bool | None, typer.Option("--overflow/--no-overflow", help=OVERFLOW)
    ] = None,
    account: AccountOption = None,
    as_json: JsonOption = False,
) -> None:
    """Rename a pool, add addresses to it, take addresses out of it, let it overflow."""
    if name is None and not add_ip and not remove_ip and overflow is None:
        raise typer.BadParameter("give `--name`, `--add-ip`, `--remove-ip` or `--overflow`")
    found = find_pool(client, pool, account)
    ips = _changed(found.ips, add_ip or [], remove_ip or [])
    edited = client.pools.edit(
        found.account_id,
        found.id,
        name=name,
        ips=None if ips == found.ips else ips,
        overflow=overflow,
    )
    show(edited, as_json)


@command(app, "delete")
def delete_pool(
    client: Client, pool: PoolArgument, account: AccountOption = None, yes: YesOption = False
) -> None:
    """Delete a pool that no zone uses any more."""
    found = find_pool(client, pool, account)
    confirm(f"Delete the pool `{found.name}`?", yes)
    client.pools.delete(found.account_id, found.id)
    print_done(f"Deleted the pool `{found.name}`.")


@command(app, "grant")
def grant_pool(
    client: Client, pool: PoolArgument, to: GranteeArgument, account: AccountOption = None
) -> None:
    """Let the zones of another account use a pool."""
    found = find_pool(client, pool, account)
    grantee = client.accounts.find(to)
    client.pools.grant(found.account_id, found.id, grantee.id)
    print_done(f"Zones of the account `{grantee.name}` may use the pool `{found.name}`.")


@command(app, "revoke")
def revoke_pool(
    client: Client,
    pool: PoolArgument,
    to: GranteeArgument,
    account: AccountOption = None,
    yes: YesOption = False,
) -> None:
    """Take back the leave to use a pool from another account."""
    found = find_pool(client, pool, account)
    grantee = client.accounts.find(to)
    confirm(f"Revoke the pool `{found.name}` from the account `{grantee.name}`?", yes)
    client.pools.revoke(found.account_id, found.id, grantee.id)
    print_done(f"Zones of the account `{grantee.name}` may no longer use `{found.name}`.")


@command(app, "shared")
def show_shared(client: Client, as_json: JsonOption = False) -> None:
    """Show the shared ranges: where zones without a pool of their own leave from."""
    ranges = client.measurements.shared_ranges()
    if as_json:
        return print_json(ranges)
    rows = [("IPv4", cidr) for cidr in ranges.ipv4_cidrs]
    rows += [("IPv6", cidr) for cidr in ranges.ipv6_cidrs]
    print_table(("Family", "Range"), rows, "The shared pool is empty.")


def show(pool: Pool, as_json: bool, granted_to: tuple[str, ...] = ()) -> None:
    """One pool, as JSON or for people."""
    if as_json:
        return print_json(pool)
    print_details(
        {
            "Pool": pool.name,
            "Id": pool.id,
            "Account": pool.account_id,
            "Source": pool.source,
            "IPs": "\n".join(pool.ips),
            "Overflow": "to the nearest location" if pool.overflow else None,
            "Granted to": "\n".join(granted_to) or None,
            "Created": time_text(pool.created_on),
            "Modified": time_text(pool.modified_on),
        }
    )


def _changed(ips: list[str], added: list[str], removed: list[str]) -> list[str]:
    missing = [ip for ip in removed if ip not in ips]
    if missing:
        raise typer.BadParameter(
            f"the pool has no {', '.join(f'`{ip}`' for ip in missing)}", param_hint="--remove-ip"
        )
    kept = [ip for ip in ips if ip not in removed]
    return kept + [ip for ip in added if ip not in kept]
