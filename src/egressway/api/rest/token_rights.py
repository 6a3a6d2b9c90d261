"""Nobody gives away more than they hold: rights of a new token against those of its giver.

CONFIG 1 of 5. Pure. Asked when a token is created, replaced or rolled, since each of these puts the
token's value or its rights into the caller's hands.
"""

from __future__ import annotations

from collections.abc import Sequence

from egressway.model.errors import Forbidden
from egressway.model.ids import AccountId
from egressway.model.permission import Permission, Resource
from egressway.model.token import Effect, Policy, Principal

__all__ = ["refuse_escalation"]


def refuse_escalation(
    giver: Principal, policies: Sequence[Policy], account_id: AccountId, pointer: str | None = None
) -> None:
    """Refuses policies of a token of the account that allow what `giver` does not hold there."""
    if giver.is_operator:
        return
    for policy in policies:
        if policy.effect is Effect.DENY:
            continue
        for permission in sorted(policy.permissions):
            for resource in policy.resources:
                if not _holds(giver, permission, resource, account_id):
                    raise Forbidden(
                        f"The token would get `{permission}`, which you do not hold yourself "
                        "for all of these resources.",
                        pointer=pointer,
                    )


def _holds(
    giver: Principal, permission: Permission, resource: Resource, account_id: AccountId
) -> bool:
    """Whether one policy of the giver covers the resource; any denial is taken as covering it."""
    named = [policy for policy in giver.policies if policy.names(permission)]
    if any(policy.effect is Effect.DENY for policy in named):
        return False
    return any(_covers(held, resource, account_id) for policy in named for held in policy.resources)


def _covers(held: Resource, asked: Resource, account_id: AccountId) -> bool:
    """`asked` belongs to a token of the account, so it means that account and no other."""
    if held.account_id not in (None, account_id):
        return False
    if held.zone_id is not None and held.zone_id != asked.zone_id:
        return False
    return asked.zones_only or not held.zones_only
