"""Of all paths: a location is a metro of data centers, with the coordinates that distance is made of."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NewType

from egressway.model.errors import Invalid
from egressway.model.members import as_list, refuse_unknown
from egressway.model.place_name import parse_place_name

__all__ = [
    "EARTH_RADIUS_KM",
    "Location",
    "LocationChange",
    "LocationDraft",
    "LocationName",
    "distance_km",
]

LocationName = NewType("LocationName", str)

EARTH_RADIUS_KM: Final = 6371.0088
_READ_ONLY: Final = frozenset({"created_on", "modified_on"})
_REGION: Final = re.compile(r"[a-z0-9](?:[a-z0-9_-]{0,30}[a-z0-9])?\Z")


@dataclass(frozen=True, slots=True)
class Location:
    """A metro. `regions` are the keys of the regions it lies in, such as `eu`."""

    name: LocationName
    latitude: float
    longitude: float
    regions: tuple[str, ...]
    created_on: datetime
    modified_on: datetime


@dataclass(frozen=True, slots=True)
class LocationDraft:
    """A new location."""

    name: LocationName
    latitude: float
    longitude: float
    regions: tuple[str, ...] = ()

    @classmethod
    def parse(cls, body: Mapping[str, object]) -> LocationDraft:
        """From the body of a request: `name`, `latitude`, `longitude`, `regions`."""
        refuse_unknown(body, _READ_ONLY | {"name", "latitude", "longitude", "regions"})
        return cls(
            name=LocationName(parse_place_name(body.get("name"), "/name")),
            latitude=_degrees(body.get("latitude"), "/latitude", 90),
            longitude=_degrees(body.get("longitude"), "/longitude", 180),
            regions=_regions(body.get("regions", ())),
        )


@dataclass(frozen=True, slots=True)
class LocationChange:
    """What to change of a location; None leaves a field as it is. The name stays for life."""

    latitude: float | None = None
    longitude: float | None = None
    regions: tuple[str, ...] | None = None

    @classmethod
    def parse(cls, body: Mapping[str, object]) -> LocationChange:
        """From the body of a request: `latitude`, `longitude`, `regions`."""
        refuse_unknown(body, _READ_ONLY | {"latitude", "longitude", "regions"})
        latitude, longitude = body.get("latitude"), body.get("longitude")
        regions = body.get("regions")
        return cls(
            latitude=None if latitude is None else _degrees(latitude, "/latitude", 90),
            longitude=None if longitude is None else _degrees(longitude, "/longitude", 180),
            regions=None if regions is None else _regions(regions),
        )


def distance_km(first: Location | LocationDraft, second: Location | LocationDraft) -> float:
    """Along the great circle between the two."""
    north, south = math.radians(first.latitude), math.radians(second.latitude)
    apart = math.radians(second.longitude - first.longitude)
    haversine = (
        math.sin((south - north) / 2) ** 2
        + math.cos(north) * math.cos(south) * math.sin(apart / 2) ** 2
    )
    return 2 * EARTH_RADIUS_KM * math.asin(math.sqrt(min(1.0, haversine)))


def _degrees(value: object, pointer: str, limit: int) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Invalid("Must be a number of degrees.", pointer=pointer)
    if not -limit <= value <= limit:
        raise Invalid(f"Must be between -{limit} and {limit} degrees.", pointer=pointer)
    return float(value)


def _regions(value: object) -> tuple[str, ...]:
    found: list[str] = []
    for i, item in enumerate(as_list(value, "/regions", limit=100)):
        if not isinstance(item, str) or not _REGION.match(item):
            raise Invalid("A region key is a short word such as `eu`.", pointer=f"/regions/{i}")
        if item not in found:
            found.append(item)
    return tuple(found)
