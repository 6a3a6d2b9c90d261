"""`/accounts`: who owns zones and leases.

CONFIG 1 of 5. Only the operator creates and deletes accounts; a token sees those it has rights in.
"""

from __future__ import annotations

from typing import Final, Literal

from litestar import delete, get, post, put
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromQuery
from msgspec import UNSET, Struct, UnsetType

from egressway.api.access import OPERATOR, in_account, somewhere
from egressway.api.envelope import Answer, Deleted, ResultPage, Timestamp, answer
from egressway.api.paging import DirectionName, PageNumber, PageSize, page_of, paging
from egressway.api.parameters import GivenCaller, GivenStore, JsonBody, PathId
from egressway.model.account import Account as StoredAccount
from egressway.model.account import AccountChange, AccountDraft
from egressway.model.clock import rfc3339
from egressway.model.errors import Forbidden
from egressway.model.ids import AccountId
from egressway.model.paging import TextFilter
from egressway.model.permission import Permission

__all__ = ["HANDLERS"]


class AccountSettings(Struct, frozen=True):
    """Kept for clients of the API; they decide nothing here."""

    abuse_contact_email: str | None
    enforce_twofactor: bool


class Account(Struct, frozen=True):
    """Who owns zones and leases."""

    id: str
    name: str
    type: Literal["standard", "enterprise"]
    settings: AccountSettings
    created_on: Timestamp
    modified_on: Timestamp


class AccountSettingsBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Settings to change; the others stay."""

    abuse_contact_email: str | UnsetType = UNSET
    enforce_twofactor: bool | UnsetType = UNSET


class AccountCreate(Struct, frozen=True, forbid_unknown_fields=True):
    """A new account."""

    name: str
    type: Literal["standard", "enterprise"] = "standard"
    settings: AccountSettingsBody | UnsetType = UNSET


class AccountUpdate(Struct, frozen=True, forbid_unknown_fields=True):
    """What to change of an account; the rest stays."""

    name: str | UnsetType = UNSET
    type: Literal["standard", "enterprise"] | UnsetType = UNSET
    settings: AccountSettingsBody | UnsetType = UNSET


@get(
    "/accounts",
    operation_id="accounts.list",
    tags=["accounts"],
    opt=somewhere(Permission.ACCOUNT_SETTINGS_READ),
    sync_to_thread=True,
)
def list_accounts(
    store: GivenStore,
    caller: GivenCaller,
    name: FromQuery[str | None] = None,
    page: PageNumber = 1,
    per_page: PageSize = 20,
    direction: DirectionName = "asc",
) -> ResultPage[Account]:
    """The accounts that the token may see."""
    part = paging(page, per_page, direction=direction)
    wanted = None if name is None else TextFilter.parse(name)
    with store.read() as read:
        accounts, total = read.accounts.list(part, name=wanted, principal=caller)
    return page_of(accounts, total, part, _shown)


@post(
    "/accounts",
    operation_id="accounts.create",
    tags=["accounts"],
    opt=OPERATOR,
    status_code=200,
    sync_to_thread=True,
)
def create_account(
    store: GivenStore, caller: GivenCaller, data: JsonBody[AccountCreate]
) -> Answer[Account]:
    """Opens an account (operator only)."""
    draft = AccountDraft.parse(data.members)
    with store.write(caller.actor) as write:
        account = write.accounts.create(draft)
    return answer(_shown(account))


@get(
    "/accounts/{account_id:str}",
    operation_id="accounts.get",
    tags=["accounts"],
    opt=in_account(Permission.ACCOUNT_SETTINGS_READ),
    sync_to_thread=True,
)
def get_account(store: GivenStore, account_id: PathId) -> Answer[Account]:
    """One account."""
    with store.read() as read:
        account = read.accounts.get(AccountId(account_id))
    return answer(_shown(account))


@put(
    "/accounts/{account_id:str}",
    operation_id="accounts.update",
    tags=["accounts"],
    opt=in_account(Permission.ACCOUNT_SETTINGS_WRITE),
    sync_to_thread=True,
)
def update_account(
    store: GivenStore, caller: GivenCaller, account_id: PathId, data: JsonBody[AccountUpdate]
) -> Answer[Account]:
    """Changes name, type or settings; only the operator changes the type."""
    change = AccountChange.parse(data.members)
    with store.write(caller.actor) as write:
        stored = write.accounts.get(AccountId(account_id))
        if change.type not in (None, stored.type) and not caller.is_operator:
            raise Forbidden("Only the operator's token may change the type.", pointer="/type")
        account = write.accounts.update(stored.id, change)
    return answer(_shown(account))


@delete(
    "/accounts/{account_id:str}",
    operation_id="accounts.delete",
    tags=["accounts"],
    opt=OPERATOR,
    status_code=200,
    sync_to_thread=True,
)
def delete_account(store: GivenStore, caller: GivenCaller, account_id: PathId) -> Answer[Deleted]:
    """Closes an account that owns nothing any more (operator only)."""
    with store.write(caller.actor) as write:
        write.accounts.delete(AccountId(account_id))
    return answer(Deleted(account_id))


HANDLERS: Final[list[HTTPRouteHandler]] = [
    list_accounts,
    create_account,
    get_account,
    update_account,
    delete_account,
]


def _shown(account: StoredAccount) -> Account:
    return Account(
        id=account.id,
        name=account.name,
        type=account.type.value,
        settings=AccountSettings(account.abuse_contact_email, account.enforce_twofactor),
        created_on=rfc3339(account.created_on),
        modified_on=rfc3339(account.modified_on),
    )
