"""Of all paths: a regional hostname, and which keys may leave its region because of it.

The most specific name counts: `www.example.com` before `*.example.com`. A wildcard stands for one label.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol, TypeVar

from egressway.model.errors import Invalid
from egressway.model.hostname import Hostname, covers, is_within, parse_hostname, wildcard_over
from egressway.model.ids import ZoneId
from egressway.model.members import as_text, refuse_unknown
from egressway.model.region import parse_region_key

__all__ = [
    "DEFAULT_ROUTING",
    "Keyed",
    "RegionalHostname",
    "RegionalHostnameDraft",
    "certificate_regions",
    "certificates_for",
    "confinement",
    "parse_regional_change",
    "region_of",
]

DEFAULT_ROUTING: Final = "dns"
_LONGEST_ROUTING: Final = 255
_READ_ONLY: Final = frozenset({"created_on"})


@dataclass(frozen=True, slots=True)
class RegionalHostname:
    """A name of a zone, or a one-level wildcard, that is served in one region only."""

    zone_id: ZoneId
    hostname: Hostname
    region_key: str
    routing: str
    created_on: datetime


@dataclass(frozen=True, slots=True)
class RegionalHostnameDraft:
    """A new regional hostname."""

    hostname: Hostname
    region_key: str
    routing: str = DEFAULT_ROUTING

    @classmethod
    def parse(cls, body: Mapping[str, object]) -> RegionalHostnameDraft:
        """From the body of a request: `hostname`, `region_key`, `routing`."""
        refuse_unknown(body, _READ_ONLY | {"hostname", "region_key", "routing"})
        routing = body.get("routing")
        return cls(
            hostname=parse_hostname(body.get("hostname"), "/hostname", wildcard=True),
            region_key=parse_region_key(body.get("region_key")),
            routing=DEFAULT_ROUTING
            if routing is None
            else as_text(routing, "/routing", limit=_LONGEST_ROUTING),
        )

    def check_within(self, zone_name: str) -> None:
        """Refuses a name of another zone."""
        if not is_within(self.hostname.removeprefix("*."), zone_name):
            raise Invalid(
                f"{self.hostname} is not a name of the zone {zone_name}.", pointer="/hostname"
            )


def parse_regional_change(body: Mapping[str, object]) -> str:
    """The new region; nothing else of a regional hostname can be changed."""
    refuse_unknown(body, ("region_key",))
    return parse_region_key(body.get("region_key"))


def region_of(name: str, regional: Mapping[str, str]) -> str | None:
    """The region that `name` is served in, None for everywhere; `regional` has keys by hostname.

    Of a wildcard it is what holds for the names below it that are not regional themselves.
    """
    exact = regional.get(name)
    return exact if exact is not None else regional.get(wildcard_over(name) or "")


class Keyed(Protocol):
    """A certificate with its key."""

    @property
    def hosts(self) -> Sequence[str]: ...
    @property
    def key(self) -> bytes: ...


_Keyed = TypeVar("_Keyed", bound=Keyed)


def certificates_for(
    regions: Collection[str], certificates: Sequence[_Keyed], regional: Mapping[str, str]
) -> tuple[_Keyed, ...]:
    """Those of a zone's certificates that may go to a server in these regions."""
    needed = confinement(certificates, regional)
    return tuple(
        each for each, inside in zip(certificates, needed, strict=True) if inside.issubset(regions)
    )


def confinement(
    certificates: Sequence[Keyed], regional: Mapping[str, str]
) -> tuple[frozenset[str], ...]:
    """For each of a zone's certificates the regions that a server must lie in to be given its key.

    Whoever holds a key can pretend to be any name that is in its certificate. So a key goes only where
    the server lies in the region of *every* regional hostname that one of its certificates covers; the
    same key in another certificate is the same key.
    """
    by_key: defaultdict[bytes, set[str]] = defaultdict(set)
    if regional:
        for each in certificates:
            by_key[each.key] |= certificate_regions(each.hosts, regional)
    return tuple(frozenset(by_key[each.key]) for each in certificates)


def certificate_regions(hosts: Iterable[str], regional: Mapping[str, str]) -> frozenset[str]:
    """The regions of all regional hostnames that a certificate for `hosts` covers."""
    found: set[str | None] = set()
    for host in hosts:
        found.add(region_of(host, regional))
        if host.startswith("*."):
            found |= {key for name, key in regional.items() if covers(host, name)}
    return frozenset(key for key in found if key is not None)
