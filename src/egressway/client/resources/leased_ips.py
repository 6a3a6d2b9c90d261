"""Leased IPs: addresses lent to an account, the material of its pools."""

from egressway.client.names import pick
from egressway.client.objects import Deleted, LeasedIp
from egressway.client.transport import Transport

__all__ = ["LeasedIps"]


class LeasedIps:
    """`/accounts/{account_id}/egressway/leased_ips`; writing needs the operator's token."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self, account_id: str) -> list[LeasedIp]:
        return self._transport.fetch_all(_path(account_id), LeasedIp, "list the leased IPs")

    def find(self, account_id: str, reference: str) -> LeasedIp:
        """The lease of this id or address."""
        return pick(
            reference,
            self.list(account_id),
            "leased IP",
            lambda lease: [lease.ip],
            lambda lease: f"{lease.ip} ({lease.id})",
        )

    def create(self, account_id: str, ip: str) -> LeasedIp:
        return self._transport.send(
            "POST", _path(account_id), LeasedIp, f"lease `{ip}` to the account", {"ip": ip}
        )

    def delete(self, account_id: str, lease_id: str) -> Deleted:
        return self._transport.send(
            "DELETE", f"{_path(account_id)}/{lease_id}", Deleted, f"end the lease `{lease_id}`"
        )


def _path(account_id: str) -> str:
    return f"/accounts/{account_id}/egressway/leased_ips"
