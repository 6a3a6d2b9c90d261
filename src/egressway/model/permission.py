"""Of all paths: the one list of permissions, and the resources they are given for.

A resource is written as the API writes it:

    com.cloudflare.api.account.<account>: "*"                    the account and all its zones
    com.cloudflare.api.account.<account>: {<zone resource>: "*"} only zones of that account
    com.cloudflare.api.account.zone.<zone>: "*"                  one zone
    `*` in place of an identifier                                every one
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from egressway.model.errors import Invalid
from egressway.model.ids import AccountId, ZoneId, is_id
from egressway.model.members import as_object, pointer_to

__all__ = [
    "PERMISSION_GROUPS",
    "Permission",
    "PermissionGroup",
    "Resource",
    "parse_resources",
    "permission_of",
    "write_resources",
]


class Permission(StrEnum):
    """What a token may do. Whoever may write may read."""

    ZONE_READ = "Zone Read"
    ZONE_WRITE = "Zone Write"
    DNS_READ = "DNS Read"
    DNS_WRITE = "DNS Write"
    ZONE_SETTINGS_READ = "Zone Settings Read"
    ZONE_SETTINGS_WRITE = "Zone Settings Write"
    SSL_AND_CERTIFICATES_READ = "SSL and Certificates Read"
    SSL_AND_CERTIFICATES_WRITE = "SSL and Certificates Write"
    ACCOUNT_SETTINGS_READ = "Account Settings Read"
    ACCOUNT_SETTINGS_WRITE = "Account Settings Write"
    API_TOKENS_READ = "API Tokens Read"
    API_TOKENS_WRITE = "API Tokens Write"
    IP_PREFIXES_READ = "IP Prefixes Read"
    IP_PREFIXES_WRITE = "IP Prefixes Write"
    LEASED_IPS_READ = "Egressway Leased IPs Read"
    LEASED_IPS_WRITE = "Egressway Leased IPs Write"
    POOLS_READ = "Egressway Pools Read"
    POOLS_WRITE = "Egressway Pools Write"
    ACCOUNT_ANALYTICS_READ = "Account Analytics Read"

    @property
    def reading(self) -> Permission:
        """The permission to read what this one reads or writes."""
        return Permission(self.value.removesuffix("Write").removesuffix("Read") + "Read")

    @property
    def is_about_zones(self) -> bool:
        """Whether it is given for zones rather than for accounts."""
        return self.value.startswith(("Zone", "DNS", "SSL"))


@dataclass(frozen=True, slots=True)
class PermissionGroup:
    """A permission as the API lists it; the id is the same on every installation."""

    id: str
    permission: Permission

    @property
    def name(self) -> str:
        """As people know it."""
        return self.permission.value

    @property
    def scopes(self) -> tuple[str, ...]:
        """The kind of resource it is given for."""
        kind = "account.zone" if self.permission.is_about_zones else "account"
        return (f"com.cloudflare.api.{kind}",)


def _group(permission: Permission) -> PermissionGroup:
    digest = hashlib.sha256(f"permission group: {permission}".encode())
    return PermissionGroup(digest.hexdigest()[:32], permission)


PERMISSION_GROUPS: Final[tuple[PermissionGroup, ...]] = tuple(map(_group, Permission))
_BY_ID: Final = {group.id: group.permission for group in PERMISSION_GROUPS}


def permission_of(group_id: object, pointer: str) -> Permission:
    """The permission that a group's id stands for."""
    permission = _BY_ID.get(group_id) if isinstance(group_id, str) else None
    if permission is None:
        raise Invalid("There is no permission group of this id.", pointer=pointer)
    return permission


@dataclass(frozen=True, slots=True)
class Resource:
    """What a policy is about. None stands for every account, every zone.

    `zones_only` leaves out what belongs to the account itself.
    """

    account_id: AccountId | None = None
    zone_id: ZoneId | None = None
    zones_only: bool = False

    def covers(self, account_id: AccountId, zone_id: ZoneId | None) -> bool:
        """Whether the zone of that account, or with no zone the account itself, is meant."""
        if self.account_id is not None and self.account_id != account_id:
            return False
        if zone_id is None:
            return not self.zones_only
        return self.zone_id is None or self.zone_id == zone_id


_ACCOUNT: Final = "com.cloudflare.api.account."
_ZONE: Final = "com.cloudflare.api.account.zone."


def parse_resources(value: object, pointer: str) -> tuple[Resource, ...]:
    """The member `resources` of a policy."""
    members = as_object(value, pointer)
    if not members:
        raise Invalid("A policy needs at least one resource.", pointer=pointer)
    found: list[Resource] = []
    for name, inner in members.items():
        at = pointer_to(pointer, name)
        if isinstance(inner, Mapping) and not name.startswith(_ZONE):
            found += _parse_zones(_parse_account(name, at), inner, at)
        elif inner == "*":
            found.append(_parse_plain(name, at))
        else:
            raise Invalid('A resource must be "*" or an object of zones.', pointer=at)
    return tuple(found)


def write_resources(resources: tuple[Resource, ...]) -> dict[str, object]:
    """The same, as the API writes it."""
    written: dict[str, object] = {}
    for resource in resources:
        zone = f"{_ZONE}{resource.zone_id or '*'}"
        account = f"{_ACCOUNT}{resource.account_id or '*'}"
        if not resource.zones_only:
            written[account] = "*"
        elif resource.account_id is None:
            written[zone] = "*"
        else:
            inner = written.setdefault(account, {})
            if isinstance(inner, dict):
                inner[zone] = "*"
    return written


def _parse_plain(name: str, at: str) -> Resource:
    if name.startswith(_ZONE):
        return Resource(zone_id=_parse_zone(name, at), zones_only=True)
    return Resource(account_id=_parse_account(name, at))


def _parse_zones(
    account_id: AccountId | None, members: Mapping[str, object], at: str
) -> list[Resource]:
    found = []
    for name, inner in members.items():
        below = pointer_to(at, name)
        if inner != "*":
            raise Invalid('A zone in a resource must be "*".', pointer=below)
        found.append(Resource(account_id, _parse_zone(name, below), zones_only=True))
    if not found:
        raise Invalid("An account in a resource needs at least one zone.", pointer=at)
    return found


def _parse_account(name: str, at: str) -> AccountId | None:
    found = _identifier(name, _ACCOUNT, at)
    return None if found is None else AccountId(found)


def _parse_zone(name: str, at: str) -> ZoneId | None:
    found = _identifier(name, _ZONE, at)
    return None if found is None else ZoneId(found)


def _identifier(name: str, kind: str, at: str) -> str | None:
    identifier = name.removeprefix(kind)
    if identifier == "*" and name != "*":
        return None
    if identifier == name or not is_id(identifier):
        raise Invalid(f"Not a resource: write {kind}<id> or {kind}*.", pointer=at)
    return identifier
