"""`/user/tokens`: tokens that belong to no account; the operator gives them.

CONFIG 1 of 5. Such a token may reach several accounts, so only the operator sees and issues them;
every token can ask what it is itself.
"""

from __future__ import annotations

from typing import Any, Final

from litestar import Request, delete, get, post, put
from litestar.handlers import HTTPRouteHandler

from egressway.api.access import ANY_TOKEN, OPERATOR, token_of
from egressway.api.envelope import Answer, Deleted, ResultPage, answer, single_page
from egressway.api.paging import DirectionName, PageNumber, PageSize, page_of, paging
from egressway.api.parameters import GivenCaller, GivenStore, JsonBody, PathId
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
from egressway.model.errors import Unauthenticated
from egressway.model.ids import TokenId
from egressway.model.permission import PERMISSION_GROUPS
from egressway.model.token import TokenDraft

__all__ = ["HANDLERS"]

_PATH: Final = "/user/tokens"
_OBJECT: Final = f"{_PATH}/{{token_id:str}}"


@get(
    _PATH,
    operation_id="user.tokens.list",
    tags=["user tokens"],
    opt=OPERATOR,
    sync_to_thread=True,
)
def list_tokens(
    store: GivenStore,
    page: PageNumber = 1,
    per_page: PageSize = 20,
    direction: DirectionName = "asc",
) -> ResultPage[Token]:
    """The tokens that belong to no account."""
    part = paging(page, per_page, direction=direction)
    with store.read() as read:
        tokens, total = read.tokens.list(None, part)
    return page_of(tokens, total, part, shown)


@post(
    _PATH,
    operation_id="user.tokens.create",
    tags=["user tokens"],
    opt=OPERATOR,
    status_code=200,
    sync_to_thread=True,
)
def create_token(
    store: GivenStore, caller: GivenCaller, data: JsonBody[TokenBody]
) -> Answer[IssuedToken]:
    """Issues a token; its value is answered now and never again."""
    draft = TokenDraft.parse(data.members)
    with store.write(caller.actor) as write:
        token, value = write.tokens.create(None, draft)
    return answer(shown_issued(token, value))


@get(
    f"{_PATH}/verify",
    operation_id="user.tokens.verify",
    tags=["user tokens"],
    opt=ANY_TOKEN,
    sync_to_thread=True,
)
def verify_token(store: GivenStore, request: Request[Any, Any, Any]) -> Answer[TokenState]:
    """What this very token is."""
    with store.read() as read:
        token = read.tokens.verify(token_of(request))
    if token is None:
        raise Unauthenticated("The token was revoked a moment ago.")
    return answer(shown_state(token))


@get(
    f"{_PATH}/permission_groups",
    operation_id="user.tokens.permissionGroups.list",
    tags=["user tokens"],
    opt=ANY_TOKEN,
    sync_to_thread=False,
)
def list_permission_groups() -> ResultPage[PermissionGroup]:
    """The permissions that a token can be given."""
    return single_page([shown_group(group) for group in PERMISSION_GROUPS])


@get(
    _OBJECT,
    operation_id="user.tokens.get",
    tags=["user tokens"],
    opt=OPERATOR,
    sync_to_thread=True,
)
def get_token(store: GivenStore, token_id: PathId) -> Answer[Token]:
    """One token."""
    with store.read() as read:
        token = read.tokens.get(None, TokenId(token_id))
    return answer(shown(token))


@put(
    _OBJECT,
    operation_id="user.tokens.update",
    tags=["user tokens"],
    opt=OPERATOR,
    sync_to_thread=True,
)
def update_token(
    store: GivenStore, caller: GivenCaller, token_id: PathId, data: JsonBody[TokenBody]
) -> Answer[Token]:
    """Replaces everything about a token but its value."""
    draft = TokenDraft.parse(data.members)
    with store.write(caller.actor) as write:
        token = write.tokens.update(None, TokenId(token_id), draft)
    return answer(shown(token))


@delete(
    _OBJECT,
    operation_id="user.tokens.delete",
    tags=["user tokens"],
    opt=OPERATOR,
    status_code=200,
    sync_to_thread=True,
)
def delete_token(store: GivenStore, caller: GivenCaller, token_id: PathId) -> Answer[Deleted]:
    """Revokes a token at once."""
    with store.write(caller.actor) as write:
        write.tokens.delete(None, TokenId(token_id))
    return answer(Deleted(token_id))


@put(
    f"{_OBJECT}/value",
    operation_id="user.tokens.roll",
    tags=["user tokens"],
    opt=OPERATOR,
    sync_to_thread=True,
)
def roll_token(store: GivenStore, caller: GivenCaller, token_id: PathId) -> Answer[str]:
    """Gives a token a new value; the old one ends at once."""
    with store.write(caller.actor) as write:
        value = write.tokens.roll(None, TokenId(token_id))
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
