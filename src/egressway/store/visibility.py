"""Beside CONFIG 2: `Principal.may` as a condition in SQL, so that lists are cut into pages afterwards.

A test holds the two together: a row is in the list exactly if the principal may read it.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, and_, false, not_, or_, true
from sqlalchemy.orm import InstrumentedAttribute

from egressway.model.permission import Permission, Resource
from egressway.model.token import Effect, Principal

__all__ = ["visible"]

_Column = InstrumentedAttribute[Any]


def visible(
    principal: Principal, permission: Permission, account_id: _Column, zone_id: _Column | None
) -> ColumnElement[bool]:
    """True for the rows for which `permission` is held; `zone_id` is None for accounts."""
    if principal.is_operator:
        return true()
    allowed = _any_of(principal, Effect.ALLOW, permission, account_id, zone_id)
    denied = _any_of(principal, Effect.DENY, permission, account_id, zone_id)
    own = true() if principal.account_id is None else account_id == principal.account_id
    return and_(own, allowed, not_(denied))


def _any_of(
    principal: Principal,
    effect: Effect,
    permission: Permission,
    account_id: _Column,
    zone_id: _Column | None,
) -> ColumnElement[bool]:
    conditions = [
        _covers(resource, account_id, zone_id)
        for policy in principal.policies
        if policy.effect is effect and policy.names(permission)
        for resource in policy.resources
    ]
    return or_(false(), *conditions)


def _covers(
    resource: Resource, account_id: _Column, zone_id: _Column | None
) -> ColumnElement[bool]:
    conditions: list[ColumnElement[bool]] = []
    if resource.account_id is not None:
        conditions.append(account_id == resource.account_id)
    if zone_id is None:
        if resource.zones_only:
            return false()
    elif resource.zone_id is not None:
        conditions.append(zone_id == resource.zone_id)
    return and_(true(), *conditions)
