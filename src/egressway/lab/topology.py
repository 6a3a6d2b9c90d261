"""What the lab is made of, parsed once: locations, data centers, servers, origins and egress addresses.

    location     lisbon    latitude=38.7 longitude=-9.1 regions=eu
    data-center  lisbon-1  location=lisbon
    server       lisbon-1a data-center=lisbon-1
    origin       shop      location=quito network=198.51.100.0/24 network6=2001:db8:a::/64 ports=8001-8004
    egress       192.0.2.0/28 2001:db8:e::/64

Every location has one client. A location lies on the backbone; a data center hangs on its location.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from typing import Final

from egressway.lab.errors import LabError
from egressway.lab.lines import Line, parse_line, whole_number

__all__ = [
    "DataCenter",
    "Location",
    "Origin",
    "Server",
    "Topology",
    "parse_topology",
]

_RESERVED: Final = ("core", "client", "uplink", "hall")


@dataclass(frozen=True, slots=True)
class Location:
    """A metro."""

    name: str
    latitude: float
    longitude: float
    regions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DataCenter:
    """A hall with a router."""

    name: str
    location: str


@dataclass(frozen=True, slots=True)
class Server:
    """A machine with a node on it."""

    name: str
    data_center: str


@dataclass(frozen=True, slots=True)
class Origin:
    """A customer's server in a network of its own; its processes share all of its ports."""

    name: str
    location: str
    network: IPv4Network
    network6: IPv6Network
    ports: tuple[int, ...]
    processes: int


@dataclass(frozen=True, slots=True)
class Topology:
    """All of it. Names are unique, and every name that is referred to exists."""

    locations: tuple[Location, ...]
    data_centers: tuple[DataCenter, ...]
    servers: tuple[Server, ...]
    origins: tuple[Origin, ...]
    egress: IPv4Network
    egress6: IPv6Network
    text: str
    """What it was read from."""

    def location_of(self, server: str) -> str:
        """Where a server is."""
        hall = self.data_center_of(server)
        return next(each.location for each in self.data_centers if each.name == hall)

    def data_center_of(self, server: str) -> str:
        """The hall a server stands in."""
        return next(each.data_center for each in self.servers if each.name == server)

    def servers_in(self, data_center: str) -> tuple[str, ...]:
        """Names of the servers of one data center."""
        return tuple(each.name for each in self.servers if each.data_center == data_center)

    def servers_at(self, location: str) -> tuple[str, ...]:
        """Names of the servers of one location."""
        return tuple(each.name for each in self.servers if self.location_of(each.name) == location)

    def origin(self, name: str) -> Origin:
        """The origin of this name."""
        return next(each for each in self.origins if each.name == name)


def parse_topology(text: str) -> Topology:
    """From its lines, or `LabError` with the line that is wrong."""
    reading = _Reading(text)
    for number, each in enumerate(text.splitlines(), 1):
        line = parse_line(each, number)
        if line is not None:
            reading.take(line)
    return reading.topology()


class _Reading:
    def __init__(self, text: str) -> None:
        self._text = text
        self._names: set[str] = set()
        self._locations: dict[str, Location] = {}
        self._data_centers: dict[str, DataCenter] = {}
        self._servers: dict[str, Server] = {}
        self._origins: dict[str, Origin] = {}
        self._egress: IPv4Network | None = None
        self._egress6: IPv6Network | None = None

    def take(self, line: Line) -> None:
        kinds: dict[str, Callable[[Line], None]] = {
            "location": self._location,
            "data-center": self._data_center,
            "server": self._server,
            "origin": self._origin,
            "egress": self._egress_networks,
        }
        kinds[line.word_of("kind of thing", tuple(kinds))](line)
        line.end()

    def topology(self) -> Topology:
        if not (self._servers and self._origins and self._egress and self._egress6):
            raise LabError(
                "a topology needs at least one `server`, one `origin` and the line `egress`."
            )
        return Topology(
            tuple(self._locations.values()),
            tuple(self._data_centers.values()),
            tuple(self._servers.values()),
            tuple(self._origins.values()),
            self._egress,
            self._egress6,
            self._text,
        )

    def _location(self, line: Line) -> None:
        name = self._new_name(line)
        regions = tuple(line.option("regions", "").split(",")) if "regions" in line.options else ()
        self._locations[name] = Location(
            name, line.parsed("latitude", float), line.parsed("longitude", float), regions
        )

    def _data_center(self, line: Line) -> None:
        name = self._new_name(line)
        location = line.one_of(line.option("location"), "location", tuple(self._locations))
        self._data_centers[name] = DataCenter(name, location)

    def _server(self, line: Line) -> None:
        name = self._new_name(line)
        halls = tuple(self._data_centers)
        self._servers[name] = Server(
            name, line.one_of(line.option("data-center"), "data center", halls)
        )

    def _origin(self, line: Line) -> None:
        name = self._new_name(line)
        self._origins[name] = Origin(
            name,
            line.one_of(line.option("location"), "location", tuple(self._locations)),
            line.parsed("network", IPv4Network),
            line.parsed("network6", IPv6Network),
            line.parsed("ports", _ports),
            line.parsed("processes", whole_number, 1),
        )

    def _egress_networks(self, line: Line) -> None:
        try:
            self._egress = ipaddress.IPv4Network(line.word("an IPv4 network"))
            self._egress6 = ipaddress.IPv6Network(line.word("an IPv6 network"))
        except ValueError as wrong:
            raise line.refused(str(wrong)) from wrong

    def _new_name(self, line: Line) -> str:
        name = line.word("a name")
        # Also the name of a namespace, of files, and after `to-` of an interface, which has 15 letters.
        if not re.fullmatch(r"[a-z][a-z0-9-]{0,11}", name):
            raise line.refused("a name has small letters, digits and `-`, 12 at most")
        if name in self._names or name in _RESERVED:
            raise line.refused(f"the name `{name}` is taken")
        self._names.add(name)
        return name


def _ports(text: str) -> tuple[int, ...]:
    first, _, last = text.partition("-")
    ports = tuple(range(int(first), int(last or first) + 1))
    if not ports or not 0 < ports[0] <= ports[-1] < 1 << 16:
        raise ValueError("ports are like 8001 or 8001-8004")
    return ports
