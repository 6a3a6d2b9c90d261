"""`/accounts/{account_id}/tokens`: tokens that belong to an account and reach nothing outside it.

CONFIG 1 of 5. Nobody gives, changes or rolls a token that may do more than they may themselves.
"""

from __future__ import annotations

from typing import Final

from litestar import delete, get, post, put
from litestar.handlers import HTTPRouteHandler

from egressway.api.access import ANY_TOKEN, in_account
from egressway.api.envelope import Answer, Deleted, ResultPage, answer, single_page
from egressway.api.paging import DirectionName, PageNumber, PageSize, page_of, paging
from egressway.api.parameters import GivenCaller, GivenStore, JsonBody, PathId
from egressway.api.rest.token_rights import refuse_escalation
from egressway.api.rest.token_shapes import (
    IssuedToken,
    PermissionGroup,
    Token,
    TokenBody,
    TokenState,
    shown,
    shown_group,
    shown_issued,
    shown_state,
)
from egressway.model.errors import NotFound
from egressway.model.ids import AccountId, TokenId
from egressway.model.permission import PERMISSION_GROUPS, Permission
from egressway.model.token import TokenDraft

__all__ = ["HANDLERS"]

_PATH: Final = "/accounts/{account_id:str}/tokens"
_OBJECT: Final = f"{_PATH}/{{token_id:str}}"


@get(
    _PATH,
    operation_id="accounts.tokens.list",
    tags=["account tokens"],
    opt=in_account(Permission.API_TOKENS_READ),
    sync_to_thread=True,
)
def list_tokens(
    store: GivenStore,
    account_id: PathId,
    page: PageNumber = 1,
    per_page: PageSize = 20,
    direction: DirectionName = "asc",
) -> ResultPage[Token]:
    """The account's tokens."""
    part = paging(page, per_page, direction=direction)
    with store.read() as read:
        tokens, total = read.tokens.list(AccountId(account_id), part)
    return page_of(tokens, total, part, shown)


@post(
    _PATH,
    operation_id="accounts.tokens.create",
    tags=["account tokens"],
    opt=in_account(Permission.API_TOKENS_WRITE),
    status_code=200,
    sync_to_thread=True,
)
def create_token(
    store: GivenStore, caller: GivenCaller, account_id: PathId, data: JsonBody[TokenBody]
) -> Answer[IssuedToken]:
    """Issues a token; its value is answered now and never again."""
    draft = TokenDraft.parse(data.members)
    refuse_escalation(caller, draft.policies, AccountId(account_id), "/policies")
    with store.write(caller.actor) as write:
        token, value = write.tokens.create(AccountId(account_id), draft)
    return answer(shown_issued(token, value))


@get(
    f"{_PATH}/verify",
    operation_id="accounts.tokens.verify",
    tags=["account tokens"],
    opt=ANY_TOKEN,
    sync_to_thread=True,
)
def verify_token(store: GivenStore, caller: GivenCaller, account_id: PathId) -> Answer[TokenState]:
    """What this very token is; only a token of the account is known here."""
    if caller.token_id is None or caller.account_id != account_id:
        raise NotFound("The token does not belong to this account; see `/user/tokens/verify`.")
    with store.read() as read:
        token = read.tokens.get(AccountId(account_id), caller.token_id)
    return answer(shown_state(token))


@get(
    f"{_PATH}/permission_groups",
    operation_id="accounts.tokens.permissionGroups.list",
    tags=["account tokens"],
    opt=in_account(Permission.API_TOKENS_READ),
    sync_to_thread=False,
)
def list_permission_groups(account_id: PathId) -> ResultPage[PermissionGroup]:  # noqa: ARG001
    """The permissions that a token can be given."""
    return single_page([shown_group(group) for group in PERMISSION_GROUPS])


@get(
    _OBJECT,
    operation_id="accounts.tokens.get",
    tags=["account tokens"],
    opt=in_account(Permission.API_TOKENS_READ),
    sync_to_thread=True,
)
def get_token(store: GivenStore, account_id: PathId, token_id: PathId) -> Answer[Token]:
    """One token."""
    with store.read() as read:
        token = read.tokens.get(AccountId(account_id), TokenId(token_id))
    return answer(shown(token))


@put(
    _OBJECT,
    operation_id="accounts.tokens.update",
    tags=["account tokens"],
    opt=in_account(Permission.API_TOKENS_WRITE),
    sync_to_thread=True,
)
def update_token(
    store: GivenStore,
    caller: GivenCaller,
    account_id: PathId,
    token_id: PathId,
    data: JsonBody[TokenBody],
) -> Answer[Token]:
    """Replaces everything about a token but its value."""
    owner, draft = AccountId(account_id), TokenDraft.parse(data.members)
    refuse_escalation(caller, draft.policies, owner, "/policies")
    with store.write(caller.actor) as write:
        refuse_escalation(caller, write.tokens.get(owner, TokenId(token_id)).policies, owner)
        token = write.tokens.update(owner, TokenId(token_id), draft)
    return answer(shown(token))


@delete(
    _OBJECT,
    operation_id="accounts.tokens.delete",
    tags=["account tokens"],
    opt=in_account(Permission.API_TOKENS_WRITE),
    status_code=200,
    sync_to_thread=True,
)
def delete_token(
    store: GivenStore, caller: GivenCaller, account_id: PathId, token_id: PathId
) -> Answer[Deleted]:
    """Revokes a token at once."""
    with store.write(caller.actor) as write:
        write.tokens.delete(AccountId(account_id), TokenId(token_id))
    return answer(Deleted(token_id))


@put(
    f"{_OBJECT}/value",
    operation_id="accounts.tokens.roll",
    tags=["account tokens"],
    opt=in_account(Permission.API_TOKENS_WRITE),
    sync_to_thread=True,
)
def roll_token(
    store: GivenStore, caller: GivenCaller, account_id: PathId, token_id: PathId
) -> Answer[str]:
    """Gives a token a new value; the old one ends at once."""
    owner = AccountId(account_id)
    with store.write(caller.actor) as write:
        refuse_escalation(caller, write.tokens.get(owner, TokenId(token_id)).policies, owner)
        value = write.tokens.roll(owner, TokenId(token_id))
    return answer(value)


HANDLERS: Final[list[HTTPRouteHandler]] = [
    list_tokens,
    create_token,
    verify_token,
    list_permission_groups,
    get_token,
    update_token,
    delete_token,
    roll_token,
]
