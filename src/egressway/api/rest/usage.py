"""`/accounts/{account_id}/egressway/usage`: connections per egress address and origin, now.

CONFIG 1 of 5 on its way, MEASUREMENT 4 in substance: the rows come from `analytics`, this file only
shows the account's own.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Annotated, Final, Literal, Protocol

from litestar import get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromQuery
from msgspec import Meta, Struct

from egressway.api.access import in_account
from egressway.api.envelope import ResultPage
from egressway.api.paging import PageNumber, PageSize, every, paging, whole_page
from egressway.api.parameters import Given, GivenStore, PathId
from egressway.model.address import IPAddress
from egressway.model.ids import AccountId
from egressway.model.lease import addresses_of
from egressway.model.permission import Permission
from egressway.model.usage import UsageRow as Measured

__all__ = ["HANDLERS", "UsageRow", "UsageSource"]


class UsageSource(Protocol):
    """The newest usage; `analytics.usage.UsageLedger` is one."""

    def rows(self, ips: Collection[IPAddress]) -> Sequence[Measured]:
        """All rows of these egress addresses, over all servers."""

    def rows_by_pop(self, ips: Collection[IPAddress]) -> Sequence[Measured]:
        """The same for each PoP by itself."""


class UsageRow(Struct, frozen=True):
    """Connections from one egress address to one origin."""

    egress_ip: str
    origin: Annotated[str, Meta(description="`ip:port` or `[ip]:port`")]
    current: Annotated[int, Meta(description="Open connections")]
    peak: Annotated[int, Meta(description="Most open connections lately")]
    capacity: Annotated[int, Meta(description="Most connections allowed at once")]
    utilization: Annotated[float, Meta(description="100 x current / capacity")]
    opened: Annotated[int, Meta(description="Connections opened since the start")]
    refused: Annotated[int, Meta(description="Connections refused because none was free")]
    reused: Annotated[int, Meta(description="Requests that rode an open connection")]
    pop: Annotated[
        str | None, Meta(description="Data center it was measured in; null: all together")
    ] = None


@get(
    "/accounts/{account_id:str}/egressway/usage",
    operation_id="egressway.usage.list",
    tags=["egressway"],
    opt=in_account(Permission.ACCOUNT_ANALYTICS_READ),
    sync_to_thread=True,
)
def list_usage(
    store: GivenStore,
    usage: Given[UsageSource],
    account_id: PathId,
    page: PageNumber = 1,
    per_page: PageSize = 1000,
    by: FromQuery[Literal["pop"] | None] = None,
) -> ResultPage[UsageRow]:
    """The usage of the account's addresses; with `by=pop` a row for each PoP."""
    with store.read() as read:
        leases = every(lambda part: read.leases.list(AccountId(account_id), part))
        numbers = read.servers.numbers()
    ips = [ip for lease in leases for ip in addresses_of(lease.ip, numbers)]
    rows = usage.rows(ips) if by is None else usage.rows_by_pop(ips)
    return whole_page(rows, paging(page, per_page), _shown)


HANDLERS: Final[list[HTTPRouteHandler]] = [list_usage]


def _shown(row: Measured) -> UsageRow:
    return UsageRow(
        egress_ip=str(row.egress_ip),
        origin=row.origin,
        current=row.current,
        peak=row.peak,
        capacity=row.capacity,
        utilization=100.0 * row.utilization,
        opened=row.opened,
        refused=row.refused,
        reused=row.reused,
        pop=row.pop,
    )
