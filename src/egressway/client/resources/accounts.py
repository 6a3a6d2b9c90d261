"""Accounts: who owns zones and leases."""

from collections.abc import Sequence

from egressway.client.names import pick
from egressway.client.objects import Account, Deleted
from egressway.client.transport import Transport

__all__ = ["Accounts", "pick_account"]


class Accounts:
    """`/accounts`"""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self) -> list[Account]:
        return self._transport.fetch_all("/accounts", Account, "list the accounts")

    def get(self, account_id: str) -> Account:
        return self._transport.fetch(
            f"/accounts/{account_id}", Account, f"read the account `{account_id}`"
        )

    def find(self, reference: str) -> Account:
        """The account of this id or name."""
        return pick_account(reference, self.list())

    def create(self, name: str, type: str = "standard") -> Account:
        body = {"name": name, "type": type}
        return self._transport.send(
            "POST", "/accounts", Account, f"create the account `{name}`", body
        )

    def rename(self, account_id: str, name: str) -> Account:
        return self._transport.send(
            "PUT",
            f"/accounts/{account_id}",
            Account,
            f"rename the account `{account_id}`",
            {"name": name},
        )

    def delete(self, account_id: str) -> Deleted:
        return self._transport.send(
            "DELETE", f"/accounts/{account_id}", Deleted, f"delete the account `{account_id}`"
        )


def pick_account(reference: str, accounts: Sequence[Account]) -> Account:
    """The one of these accounts that an id or a name means."""
    return pick(
        reference,
        accounts,
        "account",
        lambda account: [account.name],
        lambda account: f"`{account.name}` ({account.id})",
    )
