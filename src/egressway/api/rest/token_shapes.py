"""What API tokens look like in bodies and answers.

CONFIG 1 of 5. A token's value is answered twice in its life: when it is created and when it is
rolled; the store keeps only its digest.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, field

from egressway.api.envelope import Timestamp
from egressway.model.clock import rfc3339
from egressway.model.permission import PERMISSION_GROUPS, write_resources
from egressway.model.permission import PermissionGroup as StoredGroup
from egressway.model.token import Policy, RequestIp
from egressway.model.token import Token as StoredToken

__all__ = [
    "IssuedToken",
    "PermissionGroup",
    "Token",
    "TokenBody",
    "TokenState",
    "shown",
    "shown_group",
    "shown_issued",
    "shown_state",
]

StatusName = Literal["active", "disabled", "expired"]


class PermissionGroup(Struct, frozen=True):
    """A permission that a token can be given."""

    id: str
    name: str
    scopes: list[str]


class PermissionGroupReference(Struct, frozen=True):
    """A permission by the id of its group; `name` and `meta` are ignored."""

    id: str
    name: str | UnsetType = UNSET
    meta: dict[str, Any] | UnsetType = UNSET


class NamedPermissionGroup(Struct, frozen=True):
    """A permission of a policy."""

    id: str
    name: str


class TokenPolicy(Struct, frozen=True):
    """Permissions for resources, given or taken."""

    id: str
    effect: Literal["allow", "deny"]
    permission_groups: list[NamedPermissionGroup]
    resources: dict[str, Any]


class TokenPolicyBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Permissions for resources, to be given or taken."""

    effect: Literal["allow", "deny"]
    permission_groups: list[PermissionGroupReference]
    resources: Annotated[
        dict[str, Any],
        Meta(description='E.g. `{"com.cloudflare.api.account.<id>": "*"}`'),
    ]
    id: str | UnsetType = UNSET


class TokenRequestIp(Struct, frozen=True):
    """Networks that the token may and may not be used from."""

    within: list[str] = field(name="in", default_factory=list)
    not_in: list[str] = field(default_factory=list)


class TokenCondition(Struct, frozen=True):
    """Where the token may be used from."""

    request_ip: TokenRequestIp


class TokenState(Struct, frozen=True):
    """What a token hears about itself."""

    id: str
    status: StatusName
    not_before: Timestamp | UnsetType = UNSET
    expires_on: Timestamp | UnsetType = UNSET


class Token(Struct, frozen=True, kw_only=True):
    """A token without its value."""

    id: str
    name: str
    status: StatusName
    policies: list[TokenPolicy]
    condition: TokenCondition | UnsetType = UNSET
    not_before: Timestamp | UnsetType = UNSET
    expires_on: Timestamp | UnsetType = UNSET
    issued_on: Timestamp
    modified_on: Timestamp
    last_used_on: Annotated[Timestamp, Meta(description="To the minute")] | UnsetType = UNSET


class IssuedToken(Token, frozen=True, kw_only=True):
    """A new token with its value, which is never shown again."""

    value: str

    def __repr__(self) -> str:
        return f"IssuedToken(id={self.id!r}, name={self.name!r})"


class TokenBody(Struct, frozen=True, forbid_unknown_fields=True):
    """A token as a caller says it; also the whole replacement of one."""

    name: str
    policies: list[TokenPolicyBody]
    status: Literal["active", "disabled"] = "active"
    condition: TokenCondition | UnsetType = UNSET
    not_before: Timestamp | UnsetType = UNSET
    expires_on: Timestamp | UnsetType = UNSET


def shown(token: StoredToken) -> Token:
    """A token as answers carry it."""
    return Token(**_members(token))


def shown_issued(token: StoredToken, value: str) -> IssuedToken:
    """A token at the one moment its value is known."""
    return IssuedToken(value=value, **_members(token))


def shown_state(token: StoredToken) -> TokenState:
    """A token about itself."""
    return TokenState(
        id=token.id,
        status=token.status.value,
        not_before=_optional(token.not_before),
        expires_on=_optional(token.expires_on),
    )


def shown_group(group: StoredGroup) -> PermissionGroup:
    """A permission as lists carry it."""
    return PermissionGroup(id=group.id, name=group.name, scopes=list(group.scopes))


def _members(token: StoredToken) -> dict[str, Any]:
    return {
        "id": token.id,
        "name": token.name,
        "status": token.status.value,
        "policies": [_policy(token, i, policy) for i, policy in enumerate(token.policies)],
        "condition": UNSET if token.request_ip == RequestIp() else _condition(token.request_ip),
        "not_before": _optional(token.not_before),
        "expires_on": _optional(token.expires_on),
        "issued_on": rfc3339(token.issued_on),
        "modified_on": rfc3339(token.modified_on),
        "last_used_on": _optional(token.last_used_on),
    }


def _policy(token: StoredToken, place: int, policy: Policy) -> TokenPolicy:
    """A policy has no identity of its own; its place in the token gives it a stable id."""
    return TokenPolicy(
        id=hashlib.sha256(f"{token.id} policy {place}".encode()).hexdigest()[:32],
        effect=policy.effect.value,
        permission_groups=[
            NamedPermissionGroup(group.id, group.name)
            for group in PERMISSION_GROUPS
            if group.permission in policy.permissions
        ],
        resources=write_resources(policy.resources),
    )


def _condition(request_ip: RequestIp) -> TokenCondition:
    return TokenCondition(
        TokenRequestIp(
            within=list(map(str, request_ip.within)),
            not_in=list(map(str, request_ip.not_within)),
        )
    )


def _optional(moment: datetime | None) -> str | UnsetType:
    return UNSET if moment is None else rfc3339(moment)
