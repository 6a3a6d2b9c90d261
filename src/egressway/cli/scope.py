"""Which account, pool or zone a command line means.

Without `--account` a read covers every account that the token sees, and a write needs that to be
exactly one.
"""

from egressway.client import AmbiguousNameError, Client, NotPermittedError, UnknownNameError
from egressway.client.names import pick
from egressway.client.objects import Account, LeasedIp, Pool
from egressway.client.resources.accounts import pick_account

__all__ = ["accounts_in_scope", "find_lease", "find_pool", "named_account", "one_account"]


def accounts_in_scope(client: Client, reference: str | None) -> list[Account]:
    """The named account, or all that the token sees."""
    if reference is not None:
        return [named_account(client, reference)]
    accounts = _visible(client)
    if not accounts:
        # An empty list would say that there is nothing; it is only that nobody was asked.
        raise UnknownNameError(
            "It is not clear which account is meant.",
            ["The token sees none: there is none yet, or it may not list them."],
            "Give an id with `--account` or `EGRESSWAY_ACCOUNT`; the operator creates an account "
            "with `egressway account create NAME`.",
        )
    return accounts


def named_account(client: Client, reference: str) -> Account:
    """The account of this id or name."""
    accounts = _visible(client)
    if not accounts:
        # A token may be good for an account that it may not look at: what names it is an id then.
        return Account(id=reference, name=reference)
    return pick_account(reference, accounts)


def one_account(client: Client, reference: str | None) -> Account:
    """The named account, or the only one there is."""
    accounts = accounts_in_scope(client, reference)
    if len(accounts) == 1:
        return accounts[0]
    listed = ", ".join(f"`{account.name}` ({account.id})" for account in accounts[:10])
    raise AmbiguousNameError(
        "It is not clear which account is meant.",
        [f"The token sees {len(accounts)} accounts: {listed}."],
        "Name one with `--account`, or set `EGRESSWAY_ACCOUNT`.",
    )


def _visible(client: Client) -> list[Account]:
    try:
        return client.accounts.list()
    except NotPermittedError:
        return []


def find_pool(client: Client, reference: str, account: str | None) -> Pool:
    """The pool of this name or id, among those of the accounts in scope."""
    accounts = accounts_in_scope(client, account)
    return pick(
        reference,
        [pool for owner in accounts for pool in client.pools.list(owner.id)],
        "pool",
        lambda pool: [pool.name],
        lambda pool: f"`{pool.name}` ({pool.id}, account `{pool.account_id}`)",
    )


def find_lease(client: Client, reference: str, account: str | None) -> LeasedIp:
    """The lease of this address or id, among those of the accounts in scope."""
    accounts = accounts_in_scope(client, account)
    return pick(
        reference,
        [lease for owner in accounts for lease in client.leased_ips.list(owner.id)],
        "leased IP",
        lambda lease: [lease.ip],
        lambda lease: f"{lease.ip} ({lease.id}, account `{lease.account_id}`)",
    )
