"""Pools: egress addresses from one kind of source, and which other accounts may use them."""

from collections.abc import Sequence

from msgspec.structs import replace

from egressway.client.names import pick
from egressway.client.objects import Deleted, Grant, Pool
from egressway.client.transport import Transport

__all__ = ["Pools"]


class Pools:
    """`/accounts/{account_id}/egressway/pools`"""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self, account_id: str) -> list[Pool]:
        pools = self._transport.fetch_all(_path(account_id), Pool, "list the pools")
        return [_owned(pool, account_id) for pool in pools]

    def get(self, account_id: str, pool_id: str) -> Pool:
        path = f"{_path(account_id)}/{pool_id}"
        pool = self._transport.fetch(path, Pool, f"read the pool `{pool_id}`")
        return _owned(pool, account_id)

    def find(self, account_id: str, reference: str) -> Pool:
        """The account's pool of this id or name."""
        return pick(reference, self.list(account_id), "pool", lambda pool: [pool.name], describe)

    def create(
        self,
        account_id: str,
        *,
        name: str,
        ips: Sequence[str],
        source: str = "leased",
        overflow: bool = False,
    ) -> Pool:
        body: dict[str, object] = {"name": name, "source": source, "ips": list(ips)}
        if overflow:
            body["overflow"] = True
        pool = self._transport.send(
            "POST", _path(account_id), Pool, f"create the pool `{name}`", body
        )
        return _owned(pool, account_id)

    def edit(
        self,
        account_id: str,
        pool_id: str,
        *,
        name: str | None = None,
        ips: Sequence[str] | None = None,
        overflow: bool | None = None,
    ) -> Pool:
        """`ips` is the whole new set, not a difference."""
        changes: dict[str, object] = {}
        if name is not None:
            changes["name"] = name
        if ips is not None:
            changes["ips"] = list(ips)
        if overflow is not None:
            changes["overflow"] = overflow
        path = f"{_path(account_id)}/{pool_id}"
        pool = self._transport.send("PATCH", path, Pool, f"change the pool `{pool_id}`", changes)
        return _owned(pool, account_id)

    def delete(self, account_id: str, pool_id: str) -> Deleted:
        return self._transport.send(
            "DELETE", f"{_path(account_id)}/{pool_id}", Deleted, f"delete the pool `{pool_id}`"
        )

    def grants(self, account_id: str, pool_id: str) -> Sequence[Grant]:
        """Which other accounts may link the pool to their zones."""
        return self._transport.fetch_all(
            f"{_path(account_id)}/{pool_id}/grants", Grant, f"list the grants of `{pool_id}`"
        )

    def grant(self, account_id: str, pool_id: str, to_account_id: str) -> Grant:
        return self._transport.send(
            "POST",
            f"{_path(account_id)}/{pool_id}/grants",
            Grant,
            f"grant the pool `{pool_id}` to the account `{to_account_id}`",
            {"account_id": to_account_id},
        )

    def revoke(self, account_id: str, pool_id: str, from_account_id: str) -> None:
        self._transport.send(
            "DELETE",
            f"{_path(account_id)}/{pool_id}/grants/{from_account_id}",
            object,
            f"revoke the pool `{pool_id}` from the account `{from_account_id}`",
        )


def describe(pool: Pool) -> str:
    """A pool in a message."""
    return f"`{pool.name}` ({pool.id})"


def _owned(pool: Pool, account_id: str) -> Pool:
    # Whose pool it is stands in the path only; a list over several accounts needs it in the object.
    return replace(pool, account_id=pool.account_id or account_id)


def _path(account_id: str) -> str:
    return f"/accounts/{account_id}/egressway/pools"
