"""What a server outside a region does not get of the region's hostnames (CONFIG 4 of 5): keys and origins.

Its data plane then cannot end TLS for them, nor open a connection in their name; it passes connections
on as they came. Pure.
"""

from __future__ import annotations

from collections.abc import Set

import msgspec

from egressway.model.regional_hostname import certificates_for
from egressway.wire.snapshot import Fleet, Host, Zone

__all__ = ["confined", "is_regional", "regions_inside"]


def regions_inside(fleet: Fleet) -> frozenset[str]:
    """Keys of the regions that the server itself lies in."""
    return frozenset(region.key for region in fleet.regions if fleet.server in region.servers)


def is_regional(zone: Zone) -> bool:
    """Whether it is another for servers in other regions."""
    return any(host.region is not None for host in zone.hosts)


def confined(zone: Zone, inside: Set[str]) -> Zone:
    """The zone as a server in these regions gets it."""
    if not is_regional(zone):
        return zone
    regional = {host.name: host.region for host in zone.hosts if host.region is not None}
    return msgspec.structs.replace(
        zone,
        hosts=tuple(_host(host, inside) for host in zone.hosts),
        certificates=certificates_for(inside, zone.certificates, regional),
    )


def _host(host: Host, inside: Set[str]) -> Host:
    if host.region is None or host.region in inside:
        return host
    return msgspec.structs.replace(host, origins=())
