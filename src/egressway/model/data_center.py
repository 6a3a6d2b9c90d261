"""Of all paths: a data center is a hall of servers in one location, and the PoP of measurements."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NewType

from egressway.model.location import LocationName
from egressway.model.members import refuse_unknown
from egressway.model.place_name import parse_place_name

__all__ = ["DataCenter", "DataCenterChange", "DataCenterDraft", "DataCenterName"]

DataCenterName = NewType("DataCenterName", str)

_READ_ONLY: Final = frozenset({"created_on", "modified_on"})


@dataclass(frozen=True, slots=True)
class DataCenter:
    """A hall. Servers in it reach each other without leaving it."""

    name: DataCenterName
    location: LocationName
    created_on: datetime
    modified_on: datetime


@dataclass(frozen=True, slots=True)
class DataCenterDraft:
    """A new data center."""

    name: DataCenterName
    location: LocationName

    @classmethod
    def parse(cls, body: Mapping[str, object]) -> DataCenterDraft:
        """From the body of a request: `name`, `location`."""
        refuse_unknown(body, _READ_ONLY | {"name", "location"})
        return cls(
            name=DataCenterName(parse_place_name(body.get("name"), "/name")),
            location=LocationName(parse_place_name(body.get("location"), "/location")),
        )


@dataclass(frozen=True, slots=True)
class DataCenterChange:
    """What to change of a data center; None leaves it as it is. The name stays for life."""

    location: LocationName | None = None

    @classmethod
    def parse(cls, body: Mapping[str, object]) -> DataCenterChange:
        """From the body of a request: `location`."""
        refuse_unknown(body, _READ_ONLY | {"location"})
        location = body.get("location")
        if location is None:
            return cls()
        return cls(location=LocationName(parse_place_name(location, "/location")))
