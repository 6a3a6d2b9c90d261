"""What can only be read: usage of the egress addresses, the shared ranges, readiness."""

import httpx
import msgspec
from msgspec.structs import replace

from egressway.client.errors import NotAuthenticatedError, NotPermittedError
from egressway.client.objects import NodeStatus, NotReady, SharedRanges, Status, UsageRow
from egressway.client.transport import Transport

__all__ = ["Measurements"]


class Readiness(msgspec.Struct, frozen=True):
    """The body of `/readyz`."""

    is_ready: bool
    reasons: list[NotReady] = []


class SystemStatus(msgspec.Struct, frozen=True):
    """The operator's view of the machine."""

    node: NodeStatus | None = None


class Measurements:
    """`/accounts/{account_id}/egressway/usage`, `/ips`, `/readyz` and `/egressway/status`"""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def usage(self, account_id: str) -> list[UsageRow]:
        """The latest row of every (egress IP, origin) of the account's pools."""
        rows = self._transport.fetch_all(
            f"/accounts/{account_id}/egressway/usage", UsageRow, "read the usage"
        )
        return [replace(row, account_id=account_id) for row in rows]

    def shared_ranges(self) -> SharedRanges:
        """Where zones without a pool of their own leave from."""
        return self._transport.fetch_public("/ips", SharedRanges, "read the shared ranges")

    def status(self) -> Status:
        """Readiness needs no token; the data plane's numbers need the operator's."""
        answer = self._transport.probe("/readyz")
        readiness = _readiness(answer)
        return Status(
            url=self._transport.access.url,
            is_ready=readiness.is_ready,
            reasons=readiness.reasons,
            node=self._node(),
        )

    def _node(self) -> NodeStatus | None:
        if self._transport.access.token is None:
            return None
        try:
            doing = "read the data plane's status"
            return self._transport.fetch("/egressway/status", SystemStatus, doing).node
        except (NotAuthenticatedError, NotPermittedError):
            return None


def _readiness(answer: httpx.Response) -> Readiness:
    try:
        return msgspec.json.decode(answer.content, type=Readiness)
    except (msgspec.DecodeError, msgspec.ValidationError):
        reason = NotReady(
            code="unexpected_answer",
            message=f"`/readyz` answered {answer.status_code} without saying more.",
        )
        return Readiness(is_ready=answer.is_success, reasons=[] if answer.is_success else [reason])
