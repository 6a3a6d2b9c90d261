"""`/accounts/{account_id}/egressway/pools`: which addresses form a pool, and who may use it.

CONFIG 1 of 5, a vendor extension. The addresses of a pool are all leased or all from own prefixes.
Grants let the zones of other accounts use a pool; only the operator gives them.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from litestar import delete, get, patch, post
from litestar.handlers import HTTPRouteHandler
from msgspec import UNSET, Meta, Struct, UnsetType

from egressway.api.access import OPERATOR, in_account
from egressway.api.envelope import Answer, Deleted, ResultPage, Timestamp, answer
from egressway.api.paging import PageNumber, PageSize, page_of, paging, whole_page
from egressway.api.parameters import GivenCaller, GivenStore, JsonBody, PathId
from egressway.model.clock import rfc3339
from egressway.model.errors import Invalid, NotFound
from egressway.model.ids import AccountId, PoolId
from egressway.model.members import as_text, refuse_unknown
from egressway.model.permission import Permission
from egressway.model.pool import Pool as StoredPool
from egressway.model.pool import PoolChange, PoolDraft
from egressway.store import Write

__all__ = ["HANDLERS"]

Source = Literal["leased", "byoip"]
Overflow = Annotated[
    bool,
    Meta(description="Whether a full location may use the nearest other one; else it never does"),
]


class Pool(Struct, frozen=True):
    """A set of egress addresses from one kind of source."""

    id: str
    name: str
    source: Source
    ips: list[str]
    overflow: Overflow
    account_id: str
    created_on: Timestamp
    modified_on: Timestamp


class PoolCreate(Struct, frozen=True, forbid_unknown_fields=True):
    """A new pool."""

    name: str
    source: Source
    ips: list[str]
    overflow: Overflow | UnsetType = UNSET


class PoolEdit(Struct, frozen=True, forbid_unknown_fields=True):
    """What to change of a pool; `ips` is the whole new list."""

    name: str | UnsetType = UNSET
    ips: list[str] | UnsetType = UNSET
    overflow: Overflow | UnsetType = UNSET
    source: Annotated[Source | UnsetType, Meta(description="May only repeat what it is")] = UNSET


class PoolGrant(Struct, frozen=True):
    """Leave for the zones of an account to use a pool of another."""

    pool_id: str
    account_id: str


class PoolGrantCreate(Struct, frozen=True, forbid_unknown_fields=True):
    """Whose zones may use the pool."""

    account_id: str


@get(
    "/accounts/{account_id:str}/egressway/pools",
    operation_id="egressway.pools.list",
    tags=["egressway"],
    opt=in_account(Permission.POOLS_READ),
    sync_to_thread=True,
)
def list_pools(
    store: GivenStore, account_id: PathId, page: PageNumber = 1, per_page: PageSize = 1000
) -> ResultPage[Pool]:
    """The account's pools."""
    part = paging(page, per_page)
    with store.read() as read:
        pools, total = read.pools.list(AccountId(account_id), part)
    return page_of(pools, total, part, _shown)


@post(
    "/accounts/{account_id:str}/egressway/pools",
    operation_id="egressway.pools.create",
    tags=["egressway"],
    opt=in_account(Permission.POOLS_WRITE),
    status_code=200,
    sync_to_thread=True,
)
def create_pool(
    store: GivenStore, caller: GivenCaller, account_id: PathId, data: JsonBody[PoolCreate]
) -> Answer[Pool]:
    """Forms a pool out of the account's addresses."""
    draft = PoolDraft.parse(data.members)
    with store.write(caller.actor) as write:
        pool = write.pools.create(AccountId(account_id), draft)
    return answer(_shown(pool))


@get(
    "/accounts/{account_id:str}/egressway/pools/{pool_id:str}",
    operation_id="egressway.pools.get",
    tags=["egressway"],
    opt=in_account(Permission.POOLS_READ),
    sync_to_thread=True,
)
def get_pool(store: GivenStore, account_id: PathId, pool_id: PathId) -> Answer[Pool]:
    """One pool."""
    with store.read() as read:
        pool = read.pools.get(AccountId(account_id), PoolId(pool_id))
    return answer(_shown(pool))


@patch(
    "/accounts/{account_id:str}/egressway/pools/{pool_id:str}",
    operation_id="egressway.pools.edit",
    tags=["egressway"],
    opt=in_account(Permission.POOLS_WRITE),
    sync_to_thread=True,
)
def edit_pool(
    store: GivenStore,
    caller: GivenCaller,
    account_id: PathId,
    pool_id: PathId,
    data: JsonBody[PoolEdit],
) -> Answer[Pool]:
    """Renames a pool, replaces its addresses, or lets it overflow."""
    change = PoolChange.parse(data.members)
    with store.write(caller.actor) as write:
        pool = write.pools.patch(AccountId(account_id), PoolId(pool_id), change)
    return answer(_shown(pool))


@delete(
    "/accounts/{account_id:str}/egressway/pools/{pool_id:str}",
    operation_id="egressway.pools.delete",
    tags=["egressway"],
    opt=in_account(Permission.POOLS_WRITE),
    status_code=200,
    sync_to_thread=True,
)
def delete_pool(
    store: GivenStore, caller: GivenCaller, account_id: PathId, pool_id: PathId
) -> Answer[Deleted]:
    """Dissolves a pool that no zone is linked to."""
    with store.write(caller.actor) as write:
        write.pools.delete(AccountId(account_id), PoolId(pool_id))
    return answer(Deleted(pool_id))


@get(
    "/accounts/{account_id:str}/egressway/pools/{pool_id:str}/grants",
    operation_id="egressway.pools.grants.list",
    tags=["egressway"],
    opt=in_account(Permission.POOLS_READ),
    sync_to_thread=True,
)
def list_grants(
    store: GivenStore,
    account_id: PathId,
    pool_id: PathId,
    page: PageNumber = 1,
    per_page: PageSize = 1000,
) -> ResultPage[PoolGrant]:
    """The other accounts that may use the pool."""
    with store.read() as read:
        pool = read.pools.get(AccountId(account_id), PoolId(pool_id))
        grantees = read.pools.grants(pool.id)
    return whole_page(grantees, paging(page, per_page), lambda grantee: PoolGrant(pool.id, grantee))


@post(
    "/accounts/{account_id:str}/egressway/pools/{pool_id:str}/grants",
    operation_id="egressway.pools.grants.create",
    tags=["egressway"],
    opt=OPERATOR,
    status_code=200,
    sync_to_thread=True,
)
def create_grant(
    store: GivenStore,
    caller: GivenCaller,
    account_id: PathId,
    pool_id: PathId,
    data: JsonBody[PoolGrantCreate],
) -> Answer[PoolGrant]:
    """Lets another account's zones use the pool (operator only); repeating it changes nothing."""
    refuse_unknown(data.members, ("account_id",))
    grantee = AccountId(as_text(data.members.get("account_id"), "/account_id", limit=32))
    with store.write(caller.actor) as write:
        pool = write.pools.get(AccountId(account_id), PoolId(pool_id))
        _grant(write, pool.id, grantee)
    return answer(PoolGrant(pool.id, grantee))


@delete(
    "/accounts/{account_id:str}/egressway/pools/{pool_id:str}/grants/{grantee_id:str}",
    operation_id="egressway.pools.grants.delete",
    tags=["egressway"],
    opt=OPERATOR,
    status_code=200,
    sync_to_thread=True,
)
def delete_grant(
    store: GivenStore, caller: GivenCaller, account_id: PathId, pool_id: PathId, grantee_id: PathId
) -> Answer[Deleted]:
    """Ends a grant that no zone relies on any more (operator only)."""
    with store.write(caller.actor) as write:
        pool = write.pools.get(AccountId(account_id), PoolId(pool_id))
        write.pools.revoke(pool.id, AccountId(grantee_id))
    return answer(Deleted(grantee_id))


HANDLERS: Final[list[HTTPRouteHandler]] = [
    list_pools,
    create_pool,
    get_pool,
    edit_pool,
    delete_pool,
    list_grants,
    create_grant,
    delete_grant,
]


def _grant(write: Write, pool_id: PoolId, grantee: AccountId) -> None:
    """An account that is named in the body and unknown is a mistake in the body."""
    try:
        write.pools.grant(pool_id, grantee)
    except NotFound as error:
        raise Invalid(error.text, pointer="/account_id") from None


def _shown(pool: StoredPool) -> Pool:
    return Pool(
        id=pool.id,
        name=pool.name,
        source=pool.source.value,
        ips=list(map(str, pool.ips)),
        overflow=pool.overflow,
        account_id=pool.account_id,
        created_on=rfc3339(pool.created_on),
        modified_on=rfc3339(pool.modified_on),
    )
