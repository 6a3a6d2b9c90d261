"""The fleet as one server stands in it (CONFIG 4 of 5): its own place, who is near, who may be asked.

Pure: made from a topology and the server's own name, once for every topology.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from egressway.model.location import LocationDraft, LocationName, distance_km
from egressway.model.region import REGION_KEYS
from egressway.node.settings import NodeSettings
from egressway.wire.fleet import FleetLocation, FleetServer, Topology
from egressway.wire.fleet_consistency import parse_link
from egressway.wire.snapshot import Distance, Fleet, Link, Peer, Region, Rung

__all__ = ["Standing", "Surroundings", "surroundings"]

Standing: TypeAlias = Literal["active", "draining", "revoked", "fenced", "unknown"]
"""How this server stands to the fleet. `fenced`: another has taken up its name; `unknown`: there is
no server of its name.
"""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the place of one server in the fleet comes to."""

    own: FleetServer | None
    standing: Standing
    fleet: Fleet
    """As the data plane is told it."""
    holders: dict[str, FleetServer]
    """Other servers that requests may be forwarded to, by name."""
    nearest: tuple[str, ...]
    """Other locations, the closest first; ties by name."""

    @property
    def may_open(self) -> bool:
        """New connections may leave from dedicated addresses of this server."""
        return self.standing == "active"

    def ladder(self, servers: Iterable[str]) -> tuple[Rung, ...]:
        """Those of `servers` that may be asked, in the order in which they are."""
        if self.own is None:
            return ()
        rungs: dict[tuple[Distance, str], list[str]] = {}
        for name in sorted(set(servers)):
            holder = self.holders.get(name)
            if holder is not None:
                rungs.setdefault((self._distance(holder), holder.location), []).append(name)
        order: list[tuple[Distance, str]] = [
            ("data_center", self.own.location),
            ("location", self.own.location),
            *(("closest", location) for location in self.nearest),
        ]
        return tuple(Rung(key[0], key[1], tuple(rungs[key])) for key in order if key in rungs)

    def _distance(self, other: FleetServer) -> Distance:
        assert self.own is not None
        if other.location != self.own.location:
            return "closest"
        return "data_center" if other.data_center == self.own.data_center else "location"


def surroundings(topology: Topology, settings: NodeSettings) -> Surroundings:
    """The fleet around the server that `settings` are of."""
    own = next((each for each in topology.servers if each.name == settings.server), None)
    if own is None:
        return Surroundings(None, "unknown", Fleet(), {}, ())
    others = {
        each.name: each
        for each in topology.servers
        if each is not own and each.state != "revoked" and each.link is not None
    }
    holders = {name: each for name, each in others.items() if each.state == "active"}
    nearest = _nearest(topology.locations, own.location)
    fleet = Fleet(
        server=own.name,
        data_center=own.data_center,
        location=own.location,
        link=settings.link or _link(own),
        peers=tuple(_peer(each) for each in others.values()),
        regions=_regions(topology, own, holders, (own.location, *nearest)),
    )
    return Surroundings(own, _standing(own, settings), fleet, holders, nearest)


def _standing(own: FleetServer, settings: NodeSettings) -> Standing:
    return "fenced" if own.epoch > settings.epoch else own.state


def _nearest(locations: Iterable[FleetLocation], here: str) -> tuple[str, ...]:
    """All but `here`."""
    places = {each.name: _place(each) for each in locations}
    own = places.pop(here)
    return tuple(sorted(places, key=lambda name: (distance_km(own, places[name]), name)))


def _place(location: FleetLocation) -> LocationDraft:
    return LocationDraft(LocationName(location.name), location.latitude, location.longitude)


def _link(server: FleetServer) -> Link | None:
    parsed = None if server.link is None else parse_link(server.link)
    return None if parsed is None else Link(*parsed)


def _peer(server: FleetServer) -> Peer:
    link = _link(server)
    assert link is not None, "a checked fleet has readable links"
    return Peer(server.name, server.data_center, server.location, link.address, link.port)


def _regions(
    topology: Topology, own: FleetServer, holders: dict[str, FleetServer], order: tuple[str, ...]
) -> tuple[Region, ...]:
    """This server is inside as long as its location is, also while it drains: clients are on it.

    Regions without a regional hostname, or without a location, are there with nobody in them: a name
    of one that comes by another way than expected is then served nowhere, and not everywhere.
    """
    inside = {own.name: own, **holders}
    rank = {location: number for number, location in enumerate(order)}
    by_distance = sorted(inside.values(), key=lambda each: (rank[each.location], each.name))
    locations: dict[str, set[str]] = {key: set() for key in REGION_KEYS.union(topology.regions)}
    for location in topology.locations:
        for key in set(location.regions).intersection(topology.regions):
            locations[key].add(location.name)
    return tuple(
        Region(key, tuple(each.name for each in by_distance if each.location in locations[key]))
        for key in sorted(locations)
    )
