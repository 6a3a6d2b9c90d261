"""The gate in front of every handler: which token, from where, how often, and may it.

CONFIG 1 of 5, the first stage. Every handler declares in `opt` what it needs; the gate refuses
handlers that declare nothing, so a forgotten declaration is a closed door. Accounts are walled: an
object of somebody else is answered exactly as one that does not exist.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv6Address
from typing import Any, Final

import anyio.to_thread
from litestar import Request
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from egressway.api.headers import set_allowance
from egressway.api.problems import RateLimited
from egressway.api.rate_limit import RateLimiter
from egressway.api.settings import ApiSettings
from egressway.api.token_use import TokenUse
from egressway.model.address import IPAddress
from egressway.model.errors import Forbidden, NotFound, Unauthenticated
from egressway.model.ids import AccountId, ZoneId
from egressway.model.permission import Permission
from egressway.model.token import Principal
from egressway.model.zone import Zone
from egressway.store import Read, Store

__all__ = [
    "ANY_TOKEN",
    "OPERATOR",
    "PROBE",
    "PUBLIC",
    "Access",
    "Gate",
    "Reach",
    "access_of",
    "caller_of",
    "in_account",
    "in_zone",
    "require",
    "somewhere",
    "token_of",
    "zone_of",
]

Connection = ASGIConnection[Any, Any, Any, Any]

_KEY: Final = "access"
_CALLER: Final = "egressway.caller"
_ZONE: Final = "egressway.zone"
_SCHEME: Final = "bearer "
_MAX_TOKEN: Final = 512


class Reach(StrEnum):
    """About what the permission must be held."""

    PUBLIC = "public"
    ANYONE = "whoever holds a token"
    SOMEWHERE = "filtered by the handler"
    ACCOUNT = "the account in the path"
    ZONE = "the zone in the path"
    OPERATOR = "the operator"


@dataclass(frozen=True, slots=True)
class Access:
    """What a handler needs; `permission` is None exactly when the reach says it all."""

    reach: Reach
    permission: Permission | None = None
    is_counted: bool = True
    """Whether requests use up the quotas."""

    def __post_init__(self) -> None:
        needs_permission = self.reach in (Reach.SOMEWHERE, Reach.ACCOUNT, Reach.ZONE)
        if needs_permission != (self.permission is not None):
            raise ValueError(f"{self!r} is no declaration")


PUBLIC: Final[dict[str, Access]] = {_KEY: Access(Reach.PUBLIC)}
"""No token is asked for."""

PROBE: Final[dict[str, Access]] = {_KEY: Access(Reach.PUBLIC, is_counted=False)}
"""Public, and never limited: a supervisor must get its answer also while somebody floods us."""

ANY_TOKEN: Final[dict[str, Access]] = {_KEY: Access(Reach.ANYONE)}
"""A token that may do anything at all, about itself."""

OPERATOR: Final[dict[str, Access]] = {_KEY: Access(Reach.OPERATOR)}
"""The operator's token."""


def in_account(permission: Permission) -> dict[str, Access]:
    """The permission for the account `account_id` of the path."""
    return {_KEY: Access(Reach.ACCOUNT, permission)}


def in_zone(permission: Permission) -> dict[str, Access]:
    """The permission for the zone `zone_id` of the path."""
    return {_KEY: Access(Reach.ZONE, permission)}


def somewhere(permission: Permission) -> dict[str, Access]:
    """No object in the path: the handler filters by the permission or calls `require`."""
    return {_KEY: Access(Reach.SOMEWHERE, permission)}


def access_of(handler: BaseRouteHandler) -> Access | None:
    """What a handler has declared."""
    declared = handler.opt.get(_KEY)
    return declared if isinstance(declared, Access) else None


def require(
    caller: Principal,
    permission: Permission,
    account_id: AccountId,
    *,
    zone: Zone | None = None,
    pointer: str | None = None,
) -> None:
    """Refuses a caller that does not hold `permission` there."""
    if not caller.may(permission, account_id, zone.id if zone else None):
        place = f"zone `{zone.name}`" if zone else f"account `{account_id}`"
        raise Forbidden(
            f"The token lacks the permission `{permission}` for the {place}.", pointer=pointer
        )


def caller_of(request: Request[Any, Any, Any]) -> Principal:
    """Who asks, as the gate has found out."""
    caller = request.scope["state"][_CALLER]
    assert isinstance(caller, Principal)
    return caller


def zone_of(request: Request[Any, Any, Any]) -> Zone:
    """The zone of the path, as the gate has read it."""
    zone = request.scope["state"][_ZONE]
    assert isinstance(zone, Zone)
    return zone


class Gate:
    """The application's guard."""

    def __init__(self, store: Store, settings: ApiSettings) -> None:
        self._store = store
        self._operator_is_limited = settings.operator_is_limited
        self._by_token = RateLimiter("default", settings.token_quota)
        self._by_client = RateLimiter("burst", settings.ip_quota)
        self._use = TokenUse(store)

    async def __call__(self, connection: Connection, handler: BaseRouteHandler) -> None:
        """Lets the request pass or raises the reason against it."""
        access = access_of(handler)
        if access is None:
            raise Forbidden("This route has no declared permission, so nobody may use it.")
        if access.reach is Reach.PUBLIC:
            if access.is_counted:
                self._count_client(connection)
            return
        await anyio.to_thread.run_sync(self._pass, connection, access)
        self._use.write_when_due()

    def _pass(self, connection: Connection, access: Access) -> None:
        with self._store.read() as read:
            caller = self._authenticate(read, connection)
            connection.scope["state"][_CALLER] = caller
            self._count(connection, caller)
            if caller.token_id is not None and not caller.is_operator:
                self._use.note(caller.token_id)
            if access.reach is Reach.ZONE:
                _authorize_zone(read, connection, access, caller)
        if access.reach is Reach.ACCOUNT:
            _authorize_account(connection, access, caller)
        if access.reach is Reach.OPERATOR and not caller.is_operator:
            raise Forbidden("Only the operator's token may do this.")

    def _authenticate(self, read: Read, connection: Connection) -> Principal:
        try:
            caller = _principal(read, token_of(connection))
            _check_address(caller, connection)
        except (Unauthenticated, Forbidden):
            self._count_client(connection)
            raise
        return caller

    def _count(self, connection: Connection, caller: Principal) -> None:
        if caller.is_operator and not self._operator_is_limited:
            set_allowance(connection.scope, self._by_token.untouched())
            return
        self._count_client(connection)
        self._count_token(connection, caller)

    def _count_client(self, connection: Connection) -> None:
        client = connection.client
        allowance = self._by_client.take(client.host if client else "")
        set_allowance(connection.scope, allowance)
        if allowance.is_refused:
            raise RateLimited("Too many requests from this address. Wait, then send it again.")

    def _count_token(self, connection: Connection, caller: Principal) -> None:
        allowance = self._by_token.take(caller.actor)
        set_allowance(connection.scope, allowance)
        if allowance.is_refused:
            raise RateLimited("Too many requests with this token. Wait, then send it again.")


# --- who ---------------------------------------------------------------------------------------


def _principal(read: Read, value: str) -> Principal:
    caller = read.tokens.authenticate(value)
    if caller is not None:
        return caller
    if read.tokens.verify(value) is None:
        raise Unauthenticated("The token is not known. Check it, or ask for a new one.")
    raise Unauthenticated("The token is disabled, expired or not valid yet.")


def token_of(connection: Connection) -> str:
    """The token of the request; the answer never repeats any of it."""
    given = connection.headers.getall("authorization", [])
    if len(given) != 1:
        raise Unauthenticated("Send one header `Authorization: Bearer <token>`.")
    scheme, token = given[0][: len(_SCHEME)], given[0][len(_SCHEME) :].strip()
    if scheme.lower() != _SCHEME or not token or len(token) > _MAX_TOKEN:
        raise Unauthenticated("The header `Authorization` must be `Bearer <token>`.")
    return token


def _check_address(caller: Principal, connection: Connection) -> None:
    address = _client_address(connection)
    if address is not None and not caller.may_come_from(address):
        raise Forbidden("The token may not be used from this address.")


def _client_address(connection: Connection) -> IPAddress | None:
    """The peer; forwarding headers are not believed."""
    if connection.client is None:
        return None
    try:
        address = ipaddress.ip_address(connection.client.host)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


# --- may ---------------------------------------------------------------------------------------


def _authorize_account(connection: Connection, access: Access, caller: Principal) -> None:
    account_id = AccountId(connection.path_params["account_id"])
    if not caller.is_operator and not _sees_account(caller, account_id):
        raise NotFound("There is no such account, or the token may not see it.")
    assert access.permission is not None
    require(caller, access.permission, account_id)


def _authorize_zone(read: Read, connection: Connection, access: Access, caller: Principal) -> None:
    zone = _find_zone(read, ZoneId(connection.path_params["zone_id"]))
    if zone is None or not _sees_zone(caller, zone):
        raise NotFound("There is no such zone, or the token may not see it.")
    assert access.permission is not None
    require(caller, access.permission, zone.account_id, zone=zone)
    connection.scope["state"][_ZONE] = zone


def _find_zone(read: Read, zone_id: ZoneId) -> Zone | None:
    try:
        return read.zones.get(zone_id)
    except NotFound:
        return None


def _sees_account(caller: Principal, account_id: AccountId) -> bool:
    return caller.account_id == account_id or any(
        caller.may(permission, account_id) for permission in Permission
    )


def _sees_zone(caller: Principal, zone: Zone) -> bool:
    return any(caller.may(permission, zone.account_id, zone.id) for permission in Permission)
