"""Beside CONFIG 2: column types, so that rows hold the model's values on every database."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from ipaddress import IPv6Network, ip_address
from typing import Generic, TypeVar

from sqlalchemy import DateTime, Dialect, String
from sqlalchemy.types import TypeDecorator

from egressway.model.lease import LeasedIP

__all__ = ["Address", "Choice", "Moment"]

_E = TypeVar("_E", bound=StrEnum)


class Moment(TypeDecorator[datetime]):
    """UTC with microseconds; SQLite keeps no offset, so it is added when reading."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Address(TypeDecorator[LeasedIP]):
    """An IP address or range in its one canonical spelling, so that equal ones are equal texts."""

    impl = String(45)
    cache_ok = True

    def process_bind_param(self, value: LeasedIP | None, _dialect: Dialect) -> str | None:
        return None if value is None else str(value)

    def process_result_value(self, value: str | None, _dialect: Dialect) -> LeasedIP | None:
        if value is None:
            return None
        return IPv6Network(value) if "/" in value else ip_address(value)


class Choice(TypeDecorator[_E], Generic[_E]):
    """A member of an enumeration, kept as its text; a database's own enum would be hard to extend."""

    impl = String(32)
    cache_ok = True

    def __init__(self, kind: type[_E]) -> None:
        super().__init__()
        self.kind = kind

    def process_bind_param(self, value: _E | None, _dialect: Dialect) -> str | None:
        return None if value is None else self.kind(value).value

    def process_result_value(self, value: str | None, _dialect: Dialect) -> _E | None:
        return None if value is None else self.kind(value)
