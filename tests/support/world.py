"""Desired state for a plane, said in a few words and encoded as a snapshot.

The layout is `data-plane/snapshot/src/wire.rs`; it is written out here a second time on purpose, so that
these tests notice when the product's two twins drift together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from tests.support.addresses import egress_ip, listening_port
from tests.support.certificates import Leaf

WIRE = 2
SHARED = "shared"
SLICE = (10_000, 59_999)


Entry = dict[str, Any]


def origin(
    port: int,
    *,
    ip: str = "127.0.0.1",
    scheme: str = "http",
    verify: str = "off",
    **more: Any,
) -> Entry:
    """An origin of a host; `more` are `sni`, `host`, `http2`, `h2_max_streams`."""
    return {"address": ip, "port": port, "scheme": scheme, "verify": verify, **more}


def address(
    ip: str, *, cap: int = 40_000, slices: Sequence[tuple[int, int]] | None = None
) -> Entry:
    """An egress address of a pool."""
    if slices is None:
        slices = (SLICE,)
    cap = min(cap, sum(last - first + 1 for first, last in slices))
    return {"ip": ip, "slices": [list(each) for each in slices], "cap": cap}


@dataclass
class World:
    """Everything a snapshot says; change it and apply it again.

    It begins with one plain and one TLS listener on 127.0.0.1 and a shared pool of both families.
    """

    settings: Entry = field(default_factory=dict)
    shared_ip: str = field(default_factory=egress_ip)
    listeners: list[Entry] = field(default_factory=list)
    pools: dict[str, Entry] = field(default_factory=dict)
    zones: dict[str, Entry] = field(default_factory=dict)
    fleet: Entry = field(default_factory=dict)
    revision: int = 0

    def __post_init__(self) -> None:
        self.settings = {
            "allowed_origins": ["127.0.0.0/8", "::1/128"],
            "max_connections_per_client": 100_000,
            **self.settings,
        }
        if not self.listeners:
            self.listen(tls=False)
            self.listen(tls=True)
        self.pool(SHARED, address(self.shared_ip), address("::1"))

    def listen(
        self, *, tls: bool, ip: str = "127.0.0.1", proxy_protocol_from: list[str] | None = None
    ) -> int:
        """Add a listener; returns its port."""
        port = listening_port(ip)
        self.listeners.append(
            {
                "address": ip,
                "port": port,
                "tls": tls,
                "proxy_protocol_from": proxy_protocol_from,
            }
        )
        return port

    def pool(self, name: str, *addresses: Entry) -> str:
        """Set a pool; returns its name. What the shared pool has of its addresses leaves that."""
        self.pools[name] = {"id": name, "addresses": list(addresses)}
        if name != SHARED:
            ips = {each["ip"] for each in addresses}
            shared = self.pools[SHARED]
            shared["addresses"] = [each for each in shared["addresses"] if each["ip"] not in ips]
        return name

    def zone(
        self,
        host: str,
        *origins: Entry,
        pool: str | None = None,
        certificates: Sequence[Leaf] = (),
        tls_to_clients: bool = True,
        account: str = "account-1",
        also: Sequence[str] = (),
    ) -> None:
        """Set the zone of a hostname (or wildcard), and of others `also`, with their origins."""
        self.zones[host] = {
            "id": f"zone-{host}",
            "account": account,
            "name": host,
            "pool": pool,
            "tls_to_clients": tls_to_clients,
            "hosts": [{"name": name, "origins": list(origins)} for name in (host, *also)],
            "certificates": [certificate(leaf) for leaf in certificates],
        }

    def snapshot(self) -> bytes:
        """Everything, as the next revision."""
        return self._encode(list(self.zones.values()))

    def difference(self, *changed: str, removed: Sequence[str] = ()) -> bytes:
        """Some zones, as the difference to the revision before."""
        zones = [self.zones[host] for host in changed]
        base = self.revision
        return self._encode(
            zones, base_revision=base, removed_zones=[f"zone-{host}" for host in removed]
        )

    def _encode(self, zones: list[Entry], **more: Any) -> bytes:
        self.revision += 1
        return msgspec.msgpack.encode(
            {
                "wire": WIRE,
                "revision": self.revision,
                "settings": self.settings,
                "listeners": self.listeners,
                "pools": list(self.pools.values()),
                "shared_pool": SHARED,
                "zones": zones,
                "fleet": self.fleet,
                **more,
            }
        )


def certificate(leaf: Leaf) -> Entry:
    """A certificate as zones carry it."""
    return {
        "id": f"certificate-{'-'.join(leaf.names)}",
        "hosts": list(leaf.names),
        "chain": leaf.chain,
        "key": leaf.key,
    }
