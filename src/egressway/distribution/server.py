"""What a snapshot says about its server that is not in the store (CONFIG 3 of 5): parsed, frozen."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from egressway.model.address import IPAddress
from egressway.model.port_slice import PortRange
from egressway.wire.snapshot import EgressAddress, Listener, Pool, Settings

__all__ = ["SHARED_POOL", "ServerSettings"]

SHARED_POOL = "shared"
"""Id of the shared pool. Ids of other pools are 32 hexadecimal digits, so it is never one of them."""


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """Listeners, limits, the shared pool, and the share that this server has of every address."""

    listeners: tuple[Listener, ...] = ()
    settings: Settings = field(default_factory=Settings)
    shared_ips: tuple[IPAddress, ...] = ()
    ports: PortRange = field(default=PortRange(20_000, 59_999))
    connection_cap: int = 40_000

    def egress_address(self, ip: IPAddress) -> EgressAddress:
        """One machine has the whole slice of every address; the cap is never above its length."""
        cap = min(self.connection_cap, len(self.ports))
        return EgressAddress(str(ip), ((self.ports.low, self.ports.high),), cap)

    def shared_pool(self, dedicated: Collection[IPAddress]) -> Pool:
        """For zones without dedicated addresses; what is dedicated to somebody is never shared."""
        ips = [ip for ip in self.shared_ips if ip not in dedicated]
        return Pool(SHARED_POOL, tuple(self.egress_address(ip) for ip in ips))
