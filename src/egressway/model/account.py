"""Of all paths: an account owns zones, leases and pools."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from egressway.model.errors import Invalid
from egressway.model.ids import AccountId
from egressway.model.members import as_bool, as_choice, as_object, as_text, refuse_unknown

__all__ = ["Account", "AccountChange", "AccountDraft", "AccountType"]


class AccountType(StrEnum):
    """What the account has ordered; decides defaults of zone settings and the lowest TTL."""

    STANDARD = "standard"
    ENTERPRISE = "enterprise"


@dataclass(frozen=True, slots=True)
class Account:
    """Who owns zones and leases."""

    id: AccountId
    name: str
    type: AccountType
    abuse_contact_email: str | None
    enforce_twofactor: bool
    created_on: datetime
    modified_on: datetime


@dataclass(frozen=True, slots=True)
class AccountDraft:
    """A new account, checked."""

    name: str
    type: AccountType = AccountType.STANDARD
    abuse_contact_email: str | None = None
    enforce_twofactor: bool = False

    @classmethod
    def parse(cls, body: Mapping[str, object]) -> AccountDraft:
        """From the body of a request: `name`, optional `type` and `settings`."""
        change = AccountChange.parse(body)
        if change.name is None:
            raise Invalid("An account needs a name.", pointer="/name")
        return cls(
            name=change.name,
            type=change.type or AccountType.STANDARD,
            abuse_contact_email=change.abuse_contact_email,
            enforce_twofactor=bool(change.enforce_twofactor),
        )


@dataclass(frozen=True, slots=True)
class AccountChange:
    """What to change of an account; None leaves a field as it is."""

    name: str | None = None
    type: AccountType | None = None
    abuse_contact_email: str | None = None
    enforce_twofactor: bool | None = None

    @classmethod
    def parse(cls, body: Mapping[str, object]) -> AccountChange:
        """From the body of a request. The members that we issue ourselves are ignored."""
        refuse_unknown(
            body, ("id", "name", "type", "settings", "unit", "created_on", "modified_on")
        )
        email, twofactor = _parse_settings(body.get("settings"))
        name, kind = body.get("name"), body.get("type")
        return cls(
            name=None if name is None else as_text(name, "/name", limit=100),
            type=None if kind is None else as_choice(AccountType, kind, "/type"),
            abuse_contact_email=email,
            enforce_twofactor=twofactor,
        )


def _parse_settings(value: object) -> tuple[str | None, bool | None]:
    if value is None:
        return None, None
    settings = as_object(value, "/settings")
    refuse_unknown(settings, ("abuse_contact_email", "enforce_twofactor"), "/settings")
    email, twofactor = settings.get("abuse_contact_email"), settings.get("enforce_twofactor")
    return (
        None if email is None else as_text(email, "/settings/abuse_contact_email"),
        None if twofactor is None else as_bool(twofactor, "/settings/enforce_twofactor"),
    )
