"""Of all paths: API tokens, who holds one (the principal), and what that allows.

A policy with `deny` wins over all others. A token that belongs to an account reaches nothing outside it,
whatever its policies say. The operator's token may do everything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from egressway.model.address import IPAddress, IPNetwork, parse_network
from egressway.model.clock import parse_moment
from egressway.model.errors import Invalid
from egressway.model.ids import AccountId, TokenId, ZoneId
from egressway.model.members import as_choice, as_list, as_object, as_text, refuse_unknown
from egressway.model.permission import (
    PERMISSION_GROUPS,
    Permission,
    Resource,
    parse_resources,
    permission_of,
    write_resources,
)

__all__ = [
    "OPERATOR",
    "Effect",
    "Policy",
    "Principal",
    "RequestIp",
    "Token",
    "TokenDraft",
    "TokenStatus",
]

_READ_ONLY = frozenset({"id", "issued_on", "modified_on", "last_used_on"})
_GROUP_ID = {group.permission: group.id for group in PERMISSION_GROUPS}


class TokenStatus(StrEnum):
    """Only an active token opens anything."""

    ACTIVE = "active"
    DISABLED = "disabled"
    EXPIRED = "expired"


class Effect(StrEnum):
    """Whether a policy gives or takes."""

    ALLOW = "allow"
    DENY = "deny"


@dataclass(frozen=True, slots=True)
class Policy:
    """Permissions for resources, given or taken."""

    effect: Effect
    permissions: frozenset[Permission]
    resources: tuple[Resource, ...]

    def concerns(
        self, permission: Permission, account_id: AccountId, zone_id: ZoneId | None
    ) -> bool:
        """Whether this policy decides the question."""
        return self.names(permission) and any(
            resource.covers(account_id, zone_id) for resource in self.resources
        )

    def members(self) -> dict[str, object]:
        """As the API writes it."""
        return {
            "effect": self.effect.value,
            "permission_groups": [
                {"id": _GROUP_ID[permission], "name": permission.value}
                for permission in sorted(self.permissions)
            ],
            "resources": write_resources(self.resources),
        }

    @classmethod
    def parse(cls, value: object, pointer: str) -> Policy:
        """One item of `policies`."""
        members = as_object(value, pointer)
        refuse_unknown(members, ("id", "effect", "permission_groups", "resources"), pointer)
        at = f"{pointer}/permission_groups"
        groups = as_list(members.get("permission_groups"), at, limit=100)
        if not groups:
            raise Invalid("A policy needs at least one permission group.", pointer=at)
        return cls(
            effect=as_choice(Effect, members.get("effect"), f"{pointer}/effect"),
            permissions=frozenset(
                permission_of(as_object(group, f"{at}/{i}").get("id"), f"{at}/{i}/id")
                for i, group in enumerate(groups)
            ),
            resources=parse_resources(members.get("resources"), f"{pointer}/resources"),
        )

    def names(self, permission: Permission) -> bool:
        """Whether this policy decides about `permission`, for whichever resource."""
        if permission in self.permissions:
            return True
        if self.effect is Effect.DENY:  # who may not read may not write either
            return permission.reading in self.permissions
        return any(each.reading is permission for each in self.permissions)


@dataclass(frozen=True, slots=True)
class RequestIp:
    """Networks a token may be used from. Without any it may be used from everywhere."""

    within: tuple[IPNetwork, ...] = ()
    not_within: tuple[IPNetwork, ...] = ()

    def admits(self, client: IPAddress) -> bool:
        """Whether the token may be used from there."""
        if any(client in network for network in self.not_within):
            return False
        return not self.within or any(client in network for network in self.within)

    def members(self) -> dict[str, object]:
        """As the API writes it."""
        return {"in": list(map(str, self.within)), "not_in": list(map(str, self.not_within))}

    @classmethod
    def parse(cls, value: object, pointer: str = "/condition") -> RequestIp:
        """The member `condition` of a token."""
        if value is None:
            return cls()
        condition = as_object(value, pointer)
        refuse_unknown(condition, ("request_ip",), pointer)
        at = f"{pointer}/request_ip"
        members = as_object(condition.get("request_ip") or {}, at)
        refuse_unknown(members, ("in", "not_in"), at)
        return cls(_networks(members, "in", at), _networks(members, "not_in", at))


@dataclass(frozen=True, slots=True)
class Token:
    """A token without its value, which nobody knows but its holder.

    `account_id` is None for a user's token. `status` is as of when it was read.
    """

    id: TokenId
    account_id: AccountId | None
    name: str
    status: TokenStatus
    policies: tuple[Policy, ...]
    request_ip: RequestIp
    not_before: datetime | None
    expires_on: datetime | None
    issued_on: datetime
    modified_on: datetime
    last_used_on: datetime | None = None
    """To the minute or so; None when it never was, or is the operator's."""
    is_operator: bool = False


@dataclass(frozen=True, slots=True)
class TokenDraft:
    """What a caller says about a token; also its whole replacement."""

    name: str
    policies: tuple[Policy, ...]
    status: TokenStatus = TokenStatus.ACTIVE
    request_ip: RequestIp = RequestIp()
    not_before: datetime | None = None
    expires_on: datetime | None = None

    @classmethod
    def parse(cls, body: Mapping[str, object]) -> TokenDraft:
        """From the body of a request."""
        refuse_unknown(
            body,
            _READ_ONLY | {"name", "policies", "status", "condition", "not_before", "expires_on"},
        )
        policies = as_list(body.get("policies"), "/policies", limit=100)
        if not policies:
            raise Invalid("A token needs at least one policy.", pointer="/policies")
        draft = cls(
            name=as_text(body.get("name"), "/name", limit=120),
            policies=tuple(Policy.parse(each, f"/policies/{i}") for i, each in enumerate(policies)),
            status=_parse_status(body.get("status")),
            request_ip=RequestIp.parse(body.get("condition")),
            not_before=_moment(body, "not_before"),
            expires_on=_moment(body, "expires_on"),
        )
        if draft.not_before and draft.expires_on and draft.not_before >= draft.expires_on:
            raise Invalid("expires_on must be after not_before.", pointer="/expires_on")
        return draft


@dataclass(frozen=True, slots=True)
class Principal:
    """Who is asking: the holder of a valid token."""

    token_id: TokenId | None
    name: str
    account_id: AccountId | None = None
    is_operator: bool = False
    policies: tuple[Policy, ...] = ()
    request_ip: RequestIp = RequestIp()

    @property
    def actor(self) -> str:
        """Who the journal of changes names."""
        return "operator" if self.is_operator else f"token:{self.token_id}"

    def may(
        self, permission: Permission, account_id: AccountId, zone_id: ZoneId | None = None
    ) -> bool:
        """Whether `permission` is held for a zone of the account, or for the account itself."""
        if self.is_operator:
            return True
        if self.account_id is not None and self.account_id != account_id:
            return False
        effects = {
            policy.effect
            for policy in self.policies
            if policy.concerns(permission, account_id, zone_id)
        }
        return effects == {Effect.ALLOW}

    def may_come_from(self, client: IPAddress) -> bool:
        """Whether the token may be used from this address."""
        return self.request_ip.admits(client)


OPERATOR = Principal(token_id=None, name="operator", is_operator=True)
"""For the processes themselves; requests get theirs from the store."""


def _parse_status(value: object) -> TokenStatus:
    if value is None:
        return TokenStatus.ACTIVE
    status = as_choice(TokenStatus, value, "/status")
    # A token that is returned as it was read says "expired"; that follows from expires_on alone.
    return TokenStatus.DISABLED if status is TokenStatus.DISABLED else TokenStatus.ACTIVE


def _moment(body: Mapping[str, object], name: str) -> datetime | None:
    return None if body.get(name) is None else parse_moment(body[name], f"/{name}")


def _networks(members: Mapping[str, object], name: str, at: str) -> tuple[IPNetwork, ...]:
    items = as_list(members.get(name) or [], f"{at}/{name}", limit=100)
    return tuple(parse_network(item, f"{at}/{name}/{i}") for i, item in enumerate(items))
