"""Of all paths: a pool is a set of egress addresses out of one kind of source, never of both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from egressway.model.address import IPAddress
from egressway.model.errors import Invalid
from egressway.model.ids import AccountId, PoolId
from egressway.model.lease import parse_leased_address
from egressway.model.members import as_choice, as_list, as_text, refuse_unknown

__all__ = ["Pool", "PoolChange", "PoolDraft", "PoolSource"]

_READ_ONLY = frozenset({"id", "created_on", "modified_on"})


class PoolSource(StrEnum):
    """Where a pool's addresses come from: lent by the provider, or the account's own prefix."""

    LEASED = "leased"
    BYOIP = "byoip"


@dataclass(frozen=True, slots=True)
class Pool:
    """A set of egress addresses. `ips` keeps the order it was given in."""

    id: PoolId
    account_id: AccountId
    name: str
    source: PoolSource
    ips: tuple[IPAddress, ...]
    created_on: datetime
    modified_on: datetime


@dataclass(frozen=True, slots=True)
class PoolDraft:
    """A new pool, checked as far as it can be without the store."""

    name: str
    source: PoolSource
    ips: tuple[IPAddress, ...] = ()

    @classmethod
    def parse(cls, body: Mapping[str, object]) -> PoolDraft:
        """From the body of a request: `name`, `source`, `ips`."""
        refuse_unknown(body, _READ_ONLY | {"name", "source", "ips"})
        return cls(
            name=as_text(body.get("name"), "/name", limit=100),
            source=as_choice(PoolSource, body.get("source"), "/source"),
            ips=_parse_ips(body.get("ips")),
        )


@dataclass(frozen=True, slots=True)
class PoolChange:
    """What to change of a pool; None leaves a field as it is. The source stays for life."""

    name: str | None = None
    source: PoolSource | None = None
    ips: tuple[IPAddress, ...] | None = None

    @classmethod
    def parse(cls, body: Mapping[str, object]) -> PoolChange:
        """From the body of a request: `name`, `ips`; `source` may only repeat what it is."""
        refuse_unknown(body, _READ_ONLY | {"name", "source", "ips"})
        name, source, ips = body.get("name"), body.get("source"), body.get("ips")
        return cls(
            name=None if name is None else as_text(name, "/name", limit=100),
            source=None if source is None else as_choice(PoolSource, source, "/source"),
            ips=None if ips is None else _parse_ips(ips),
        )


def _parse_ips(value: object) -> tuple[IPAddress, ...]:
    items = as_list(value, "/ips", limit=1000)
    ips = [parse_leased_address(item, f"/ips/{i}") for i, item in enumerate(items)]
    for i, ip in enumerate(ips):
        if ip in ips[:i]:
            raise Invalid(f"{ip} is listed twice.", pointer=f"/ips/{i}")
    return tuple(ips)
