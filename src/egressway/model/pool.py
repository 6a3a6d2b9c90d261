"""Of all paths: a pool is a set of egress addresses out of one kind of source, never of both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from egressway.model.errors import Invalid
from egressway.model.ids import AccountId, PoolId
from egressway.model.lease import LeasedIP, parse_leased
from egressway.model.members import as_bool, as_choice, as_list, as_text, refuse_unknown

__all__ = ["Pool", "PoolChange", "PoolDraft", "PoolSource"]

_READ_ONLY = frozenset({"id", "created_on", "modified_on"})


class PoolSource(StrEnum):
    """Where a pool's addresses come from: lent by the provider, or the account's own prefix."""

    LEASED = "leased"
    BYOIP = "byoip"


@dataclass(frozen=True, slots=True)
class Pool:
    """A set of egress addresses. `ips` keeps the order it was given in.

    With `overflow`, a request that finds its location full may leave from the nearest other one.
    """

    id: PoolId
    account_id: AccountId
    name: str
    source: PoolSource
    ips: tuple[LeasedIP, ...]
    created_on: datetime
    modified_on: datetime
    overflow: bool = False


@dataclass(frozen=True, slots=True)
class PoolDraft:
    """A new pool, checked as far as it can be without the store."""

    name: str
    source: PoolSource
    ips: tuple[LeasedIP, ...] = ()
    overflow: bool = False

    @classmethod
    def parse(cls, body: Mapping[str, object]) -> PoolDraft:
        """From the body of a request: `name`, `source`, `ips`, `overflow`."""
        refuse_unknown(body, _READ_ONLY | {"name", "source", "ips", "overflow"})
        return cls(
            name=as_text(body.get("name"), "/name", limit=100),
            source=as_choice(PoolSource, body.get("source"), "/source"),
            ips=_parse_ips(body.get("ips")),
            overflow=as_bool(body.get("overflow", False), "/overflow"),
        )


@dataclass(frozen=True, slots=True)
class PoolChange:
    """What to change of a pool; None leaves a field as it is. The source stays for life."""

    name: str | None = None
    source: PoolSource | None = None
    ips: tuple[LeasedIP, ...] | None = None
    overflow: bool | None = None

    @classmethod
    def parse(cls, body: Mapping[str, object]) -> PoolChange:
        """From the body of a request: `name`, `ips`, `overflow`; `source` may only repeat what it is."""
        refuse_unknown(body, _READ_ONLY | {"name", "source", "ips", "overflow"})
        name, source, ips = body.get("name"), body.get("source"), body.get("ips")
        overflow = body.get("overflow")
        return cls(
            name=None if name is None else as_text(name, "/name", limit=100),
            source=None if source is None else as_choice(PoolSource, source, "/source"),
            ips=None if ips is None else _parse_ips(ips),
            overflow=None if overflow is None else as_bool(overflow, "/overflow"),
        )


def _parse_ips(value: object) -> tuple[LeasedIP, ...]:
    items = as_list(value, "/ips", limit=1000)
    ips = [parse_leased(item, f"/ips/{i}") for i, item in enumerate(items)]
    for i, ip in enumerate(ips):
        if ip in ips[:i]:
            raise Invalid(f"{ip} is listed twice.", pointer=f"/ips/{i}")
    return tuple(ips)
