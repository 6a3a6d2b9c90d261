"""Servers of one fleet, each a data plane of its own in this process, that share zones and pools.

What each of them is told follows from one description, as the node agent of the product derives it.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from tests.support.addresses import egress_ip, listening_port
from tests.support.certificates import Authority
from tests.support.plane import Plane
from tests.support.waiting import eventually
from tests.support.world import Entry, World, address, origin

LINK_IP = "127.0.0.1"


@dataclass(frozen=True)
class Spot:
    """Where a server stands."""

    data_center: str = "ams-1"
    location: str = "ams"


HERE, NEAR, BESIDE, FAR, FURTHER = "here", "near", "beside", "far", "further"
SPOTS = {
    HERE: Spot("ams-1", "ams"),
    NEAR: Spot("ams-1", "ams"),
    BESIDE: Spot("ams-2", "ams"),
    FAR: Spot("fra-1", "fra"),
    FURTHER: Spot("par-1", "par"),
}
"""One server at each distance from `here`."""


@dataclass
class Placed:
    """A pool: what each server holds of it."""

    held: dict[str, list[Entry]]
    overflow: bool = False


@dataclass
class Fleet:
    """Change it and `apply`; within its block every server of `spots` runs."""

    spots: dict[str, Spot]
    settings: Entry = field(default_factory=dict)
    authority: Authority = field(default_factory=Authority)
    workers: int = 1
    pools: dict[str, Placed] = field(default_factory=dict)
    zones: list[dict[str, Any]] = field(default_factory=list)
    regions: dict[str, list[str]] = field(default_factory=dict)
    region_of: dict[str, str] = field(default_factory=dict)
    links: dict[str, int] = field(default_factory=dict)
    planes: dict[str, Plane] = field(default_factory=dict)
    revoked: set[str] = field(default_factory=set)
    apart: set[str] = field(default_factory=set)
    """Servers that a test runs itself, in a process of their own."""

    def __post_init__(self) -> None:
        # A machine under load may take its time; tests of dead peers say otherwise.
        self.settings = {"link_dial_ms": 5_000, "link_dead_ms": 5_000, **self.settings}
        for name in self.spots:
            self.links[name] = listening_port(LINK_IP)
            self.planes[name] = Plane(World(settings=dict(self.settings)), workers=self.workers)
        self._running = ExitStack()

    def pool(self, name: str, *, overflow: bool = False, **held: list[Entry]) -> str:
        """Place a pool; `held` is by server."""
        self.pools[name] = Placed(dict(held), overflow)
        return name

    def zone(self, host: str, *origins: Entry, **more: Any) -> None:
        """A zone of all servers; see `World.zone`."""
        self.zones.append({"host": host, "origins": origins, **more})

    def identity(self, name: str, authority: Authority | None = None) -> tuple[bytes, bytes, bytes]:
        """Of one of its servers, or of one that another authority says is its own."""
        return node_identity(authority or self.authority, name)

    def __enter__(self) -> Self:
        for name in self.apart:
            self.planes[name].native.stop(0.0)
        for name, plane in self._here():
            plane.native.set_identity(*self.identity(name))
            self._describe(name)
            self._running.enter_context(plane)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._running.__exit__(kind, error, trace)

    def __getitem__(self, name: str) -> Plane:
        return self.planes[name]

    def apply(self, *names: str) -> None:
        """Tell the servers how the fleet is now; all of them unless some are named."""
        for name in names or [name for name, _ in self._here()]:
            self._describe(name)
            self.planes[name].apply()

    def _here(self) -> list[tuple[str, Plane]]:
        return [(name, plane) for name, plane in self.planes.items() if name not in self.apart]

    def snapshot(self, name: str) -> bytes:
        """What a server is told next."""
        self._describe(name)
        return self.planes[name].world.snapshot()

    def wait_up(self, server: str, peer: str) -> None:
        """Wait until `server` takes `peer` for alive."""
        eventually(lambda: self.peer(server, peer)["state"] == "up")

    def peer(self, server: str, peer: str) -> dict[str, Any]:
        """A row of the peers in a server's status."""
        rows = self.planes[server].status()["peers"]
        found: dict[str, Any] = next(row for row in rows if row["server"] == peer)
        return found

    def _describe(self, name: str) -> None:
        world, here = self.planes[name].world, self.spots[name]
        peers = [each for each in self.spots if each != name and each not in self.revoked]
        for pool, placed in self.pools.items():
            world.pool(pool, *placed.held.get(name, []))
            world.pools[pool] |= {
                "overflow": placed.overflow,
                "elsewhere": self._elsewhere(here, placed, peers),
            }
        world.zones.clear()
        for zone in self.zones:
            more = {key: value for key, value in zone.items() if key not in {"host", "origins"}}
            world.zone(zone["host"], *zone["origins"], **more)
        for entry in world.zones.values():
            for host in entry["hosts"]:
                self._place(name, entry, host)
        world.fleet = {
            "server": name,
            "data_center": here.data_center,
            "location": here.location,
            "link": {"address": LINK_IP, "port": self.links[name]},
            "peers": [self._peer(each) for each in peers],
            "regions": [
                {"key": key, "servers": [s for s in servers if s not in self.revoked]}
                for key, servers in self.regions.items()
            ],
        }

    def _place(self, server: str, zone: Entry, host: Entry) -> None:
        """A server outside of a host's region knows neither its origins nor its keys."""
        region = host["region"] = self.region_of.get(host["name"])
        if region is not None and server not in self.regions[region]:
            host["origins"] = []
            zone["certificates"] = [
                each for each in zone["certificates"] if host["name"] not in each["hosts"]
            ]

    def _peer(self, name: str) -> Entry:
        spot = self.spots[name]
        return {
            "server": name,
            "data_center": spot.data_center,
            "location": spot.location,
            "address": LINK_IP,
            "port": self.links[name],
        }

    def _elsewhere(self, here: Spot, placed: Placed, peers: list[str]) -> list[Entry]:
        rungs: dict[tuple[int, str], list[str]] = {}
        for peer in peers:
            addresses = placed.held.get(peer, [])
            if not any(":" not in each["ip"] and not each.get("draining") for each in addresses):
                continue
            spot = self.spots[peer]
            distance = 2 if spot.location != here.location else spot.data_center != here.data_center
            rungs.setdefault((int(distance), spot.location), []).append(peer)
        names = ("data_center", "location", "closest")
        # Locations are as near as they were named early; the sort keeps that order.
        return [
            {"rung": names[distance], "location": location, "servers": servers}
            for (distance, location), servers in sorted(rungs.items(), key=lambda each: each[0][0])
        ]


def node_identity(authority: Authority, name: str) -> tuple[bytes, bytes, bytes]:
    """Authority, chain and key of a server's certificate, in PEM."""
    issued = authority.issue(f"{name}.node.egressway.internal").issued
    chain = b"".join(blob.bytes() for blob in issued.cert_chain_pems)
    return authority.pem.encode(), chain, issued.private_key_pem.bytes()


def spots(*names: str) -> dict[str, Spot]:
    """Some of `SPOTS`."""
    return {name: SPOTS[name] for name in names}


def pair(host: str, port: int, **settings: object) -> tuple[Fleet, str]:
    """Requests come to `here` and leave from `near`; the address they leave from."""
    fleet = Fleet(spots(HERE, NEAR), settings=dict(settings))
    ip = egress_ip()
    fleet.zone(host, origin(port), pool=fleet.pool("p", near=[address(ip)]))
    return fleet, ip
