"""Of all paths: regions, inside which a hostname's requests are decrypted and leave for their origin.

A location names the regions that it lies in; those that follow from geography need not be named: what lies
in France lies in the European Union. What somebody has certified follows from nothing.

The keys `au`, `ca`, `eu` and `us` are those that clients know from elsewhere. The other keys are ours, since
none are published; clients are to read the list.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from egressway.model.errors import Invalid

__all__ = [
    "REGIONS",
    "REGION_KEYS",
    "Region",
    "RegionKind",
    "parse_region_key",
    "regions_of_country",
    "with_implied",
]


class RegionKind(StrEnum):
    """What makes a place belong to a region."""

    COUNTRY = "country"
    STATE = "state"
    GROUP = "group"
    CERTIFICATION = "certification"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Region:
    """A managed region. Countries are written as in ISO 3166-1, two capital letters.

    With `countries` it lies inside them, with `without` everywhere but there, with neither geography
    says nothing about it.
    """

    key: str
    label: str
    kind: RegionKind
    countries: frozenset[str] = frozenset()
    without: frozenset[str] = frozenset()

    @property
    def is_geographic(self) -> bool:
        """Whether a country alone makes a place belong to it."""
        return self.kind in (RegionKind.COUNTRY, RegionKind.GROUP)

    def has_country(self, country: str) -> bool:
        """Whether all of a country is inside."""
        if not self.is_geographic:
            return False
        return country in self.countries or (bool(self.without) and country not in self.without)


def _countries(codes: str) -> frozenset[str]:
    return frozenset(codes.split())


_EU: Final = _countries(
    "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK"
)
_NATO: Final = _countries(
    "AL BE BG CA CZ DE DK EE ES FI FR GB GR HR HU IS IT LT LU LV ME MK NL NO PL PT RO SE SI SK TR US"
)
_COUNTRIES: Final = (
    ("au", "Australia"),
    ("at", "Austria"),
    ("br", "Brazil"),
    ("ca", "Canada"),
    ("fr", "France"),
    ("de", "Germany"),
    ("hk", "Hong Kong"),
    ("in", "India"),
    ("it", "Italy"),
    ("jp", "Japan"),
    ("nl", "Netherlands"),
    ("ru", "Russia"),
    ("sa", "Saudi Arabia"),
    ("sg", "Singapore"),
    ("za", "South Africa"),
    ("kr", "South Korea"),
    ("es", "Spain"),
    ("ch", "Switzerland"),
    ("tw", "Taiwan"),
    ("tr", "Turkey"),
    ("ae", "United Arab Emirates"),
    ("gb", "United Kingdom"),
    ("us", "USA"),
)
_US: Final = frozenset({"US"})

REGIONS: Final[tuple[Region, ...]] = (
    *(
        Region(key, label, RegionKind.COUNTRY, frozenset({key.upper()}))
        for key, label in _COUNTRIES
    ),
    Region("us-ca", "California", RegionKind.STATE, _US),
    Region("us-fl", "Florida", RegionKind.STATE, _US),
    Region("us-tx", "Texas", RegionKind.STATE, _US),
    Region("eu", "Europe", RegionKind.GROUP, _EU),
    Region("nato", "NATO", RegionKind.GROUP, _NATO),
    Region(
        "not-hk-mo",
        "Exclusive of Hong Kong and Macau",
        RegionKind.GROUP,
        without=frozenset({"HK", "MO"}),
    ),
    Region(
        "not-ru-by",
        "Exclusive of Russia and Belarus",
        RegionKind.GROUP,
        without=frozenset({"RU", "BY"}),
    ),
    Region("fedramp-domestic", "FedRAMP Moderate domestic", RegionKind.CERTIFICATION, _US),
    Region("fedramp-international", "FedRAMP Moderate international", RegionKind.CERTIFICATION),
    Region("iso-27001-eu", "ISO 27001 EU", RegionKind.CERTIFICATION, _EU),
    Region("irap", "IRAP Protected", RegionKind.CERTIFICATION, frozenset({"AU"})),
    Region("green", "Green Energy", RegionKind.OTHER),
)
_BY_KEY: Final = {region.key: region for region in REGIONS}
REGION_KEYS: Final = frozenset(_BY_KEY)


def parse_region_key(value: object, pointer: str = "/region_key") -> str:
    """The key of a managed region; a custom one cannot be used for hostnames."""
    if not isinstance(value, str) or value not in _BY_KEY:
        raise Invalid(
            f"There is no region of this key; the keys are: {', '.join(sorted(_BY_KEY))}.",
            pointer=pointer,
        )
    return value


def regions_of_country(country: str) -> tuple[str, ...]:
    """Keys of the regions that all of a country lies in, for instance `FR`."""
    return tuple(region.key for region in REGIONS if region.has_country(country))


def with_implied(keys: Iterable[str]) -> tuple[str, ...]:
    """The regions of a place, and those that follow from them; keys of custom regions stay as they are."""
    named = dict.fromkeys(keys)
    for key in tuple(named):
        region = _BY_KEY.get(key)
        if region is not None and region.countries:
            around = [set(regions_of_country(country)) for country in region.countries]
            named |= dict.fromkeys(sorted(set.intersection(*around)))
    return tuple(named)
