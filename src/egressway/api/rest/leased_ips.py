"""`/accounts/{account_id}/egressway/leased_ips`: the addresses lent to an account.

CONFIG 1 of 5, a vendor extension: there is no public API for it elsewhere. Reading is the
account's, lending and taking back is the operator's.
"""

from __future__ import annotations

from typing import Annotated, Final

from litestar import delete, get, post
from litestar.handlers import HTTPRouteHandler
from msgspec import Meta, Struct

from egressway.api.access import OPERATOR, in_account
from egressway.api.envelope import Answer, Deleted, ResultPage, Timestamp, answer
from egressway.api.paging import PageNumber, PageSize, page_of, paging
from egressway.api.parameters import GivenCaller, GivenStore, JsonBody, PathId
from egressway.model.clock import rfc3339
from egressway.model.ids import AccountId, LeaseId
from egressway.model.lease import Lease, parse_leased
from egressway.model.members import refuse_unknown
from egressway.model.permission import Permission

__all__ = ["HANDLERS"]


class LeasedIp(Struct, frozen=True):
    """One address, or a range of IPv6, lent to one account."""

    id: str
    ip: str
    account_id: str
    created_on: Timestamp
    modified_on: Timestamp


class LeasedIpCreate(Struct, frozen=True, forbid_unknown_fields=True):
    """The address to lend, or a range of IPv6, of which each server uses one address."""

    ip: Annotated[str, Meta(description="`192.0.2.1`, `2001:db8::1` or `2001:db8:1::/64`")]


@get(
    "/accounts/{account_id:str}/egressway/leased_ips",
    operation_id="egressway.leasedIps.list",
    tags=["egressway"],
    opt=in_account(Permission.LEASED_IPS_READ),
    sync_to_thread=True,
)
def list_leased_ips(
    store: GivenStore, account_id: PathId, page: PageNumber = 1, per_page: PageSize = 1000
) -> ResultPage[LeasedIp]:
    """The account's addresses."""
    part = paging(page, per_page)
    with store.read() as read:
        leases, total = read.leases.list(AccountId(account_id), part)
    return page_of(leases, total, part, _shown)


@post(
    "/accounts/{account_id:str}/egressway/leased_ips",
    operation_id="egressway.leasedIps.create",
    tags=["egressway"],
    opt=OPERATOR,
    status_code=200,
    sync_to_thread=True,
)
def create_leased_ip(
    store: GivenStore, caller: GivenCaller, account_id: PathId, data: JsonBody[LeasedIpCreate]
) -> Answer[LeasedIp]:
    """Lends an address to the account (operator only)."""
    refuse_unknown(data.members, ("ip",))
    ip = parse_leased(data.members.get("ip"))
    with store.write(caller.actor) as write:
        lease = write.leases.create(AccountId(account_id), ip)
    return answer(_shown(lease))


@delete(
    "/accounts/{account_id:str}/egressway/leased_ips/{leased_ip_id:str}",
    operation_id="egressway.leasedIps.delete",
    tags=["egressway"],
    opt=OPERATOR,
    status_code=200,
    sync_to_thread=True,
)
def delete_leased_ip(
    store: GivenStore, caller: GivenCaller, account_id: PathId, leased_ip_id: PathId
) -> Answer[Deleted]:
    """Takes back an address that no pool contains (operator only)."""
    with store.write(caller.actor) as write:
        write.leases.delete(AccountId(account_id), LeaseId(leased_ip_id))
    return answer(Deleted(leased_ip_id))


HANDLERS: Final[list[HTTPRouteHandler]] = [list_leased_ips, create_leased_ip, delete_leased_ip]


def _shown(lease: Lease) -> LeasedIp:
    return LeasedIp(
        id=lease.id,
        ip=str(lease.ip),
        account_id=lease.account_id,
        created_on=rfc3339(lease.created_on),
        modified_on=rfc3339(lease.modified_on),
    )
