"""A plugin of pytest that makes every `Plane` two servers.

Clients come to one, requests leave from the other: what is true of one server has to be true of two
(`python -m pytest -p tests.support.forwarded_plane tests/data_plane/test_websocket.py`). The first
keeps the IPv6 addresses, for which nothing is forwarded.
"""

from __future__ import annotations

import copy
from typing import Any

import msgspec

from egressway.data_plane._native import Applied, DataPlane
from tests.support import plane
from tests.support.addresses import listening_port
from tests.support.certificates import Authority
from tests.support.fleet import HERE, LINK_IP, NEAR, node_identity

Content = dict[str, Any]

_AUTHORITY = Authority()
_IDENTITIES = {name: node_identity(_AUTHORITY, name) for name in (HERE, NEAR)}
_PATIENCE = {"link_dial_ms": 5_000, "link_dead_ms": 10_000}
"""A machine under load may take its time."""


class TwoServers:
    """Driven like one data plane."""

    def __init__(self, **options: Any) -> None:
        self._ports = {name: listening_port(LINK_IP) for name in (HERE, NEAR)}
        self._planes = {name: DataPlane(**options) for name in (HERE, NEAR)}
        for name, native in self._planes.items():
            native.set_identity(*_IDENTITIES[name])

    def apply(self, snapshot: bytes) -> Applied:
        whole = msgspec.msgpack.decode(snapshot)
        self._planes[NEAR].apply(self._part(NEAR, HERE, {**whole, "listeners": []}))
        return self._planes[HERE].apply(self._part(HERE, NEAR, whole))

    def _part(self, name: str, other: str, content: Content) -> bytes:
        content = copy.deepcopy(content)
        content["settings"] = {**_PATIENCE, **content["settings"]}
        spot = {"data_center": "ams-1", "location": "ams"}
        peer = {"server": other, **spot, "address": LINK_IP, "port": self._ports[other]}
        link = {"address": LINK_IP, "port": self._ports[name]}
        content["fleet"] = {"server": name, **spot, "link": link, "peers": [peer], "regions": []}
        if name == HERE:
            for pool in content["pools"]:
                self._give_away(pool)
        return msgspec.msgpack.encode(content)

    def _give_away(self, pool: Content) -> None:
        given = [each for each in pool["addresses"] if ":" not in each["ip"]]
        pool["addresses"] = [each for each in pool["addresses"] if ":" in each["ip"]]
        if any(not each.get("draining") for each in given):
            pool["elsewhere"] = [{"rung": "data_center", "location": "ams", "servers": [NEAR]}]

    def status(self) -> bytes:
        here, near = (msgspec.msgpack.decode(native.status()) for native in self._planes.values())
        for name in ("egress", "unbindable", "foreign_egress", "panics", "waiting"):
            here[name] += near[name]
        here["origin_connections"] += near["origin_connections"]
        return msgspec.msgpack.encode(here)

    def drain_counters(self) -> bytes:
        here, near = (
            msgspec.msgpack.decode(native.drain_counters()) for native in self._planes.values()
        )
        here["egress"] += near["egress"]
        here["totals"]["foreign_egress"] += near["totals"]["foreign_egress"]
        return msgspec.msgpack.encode(here)

    def stop(self, deadline: float) -> int:
        cut = self._planes[HERE].stop(deadline)
        self._planes[NEAR].stop(0.0)
        return cut


plane.DataPlane = TwoServers  # type: ignore[assignment,misc]
