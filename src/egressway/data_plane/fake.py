"""A data plane in memory (CONFIG 5 of 5): takes and refuses the same snapshots, carries no traffic.

For tests and rehearsals of everything above it. Its host (which ports are taken, which addresses
cannot be bound) and its traffic are told to it; what it answers follows from them by the rules of
the native one, which `tests/contract/test_data_plane_conformance.py` runs on both.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from egressway.data_plane.handle import (
    ActiveListener,
    Applied,
    Drained,
    DrainedEgress,
    EgressInUse,
    Held,
    IdentityRefused,
    ListenerUnavailable,
    Part,
    PeerState,
    SnapshotRefused,
    Status,
    Totals,
    Unbindable,
)
from egressway.wire.consistency import inconsistencies
from egressway.wire.snapshot import EgressAddress, Snapshot, Zone

__all__ = ["FakeDataPlane", "FakeHost"]

FIRST_FREE_PORT = 49_152
LEAVING_KEEPS_ONE_OF = 16


@dataclass(frozen=True, slots=True)
class FakeHost:
    """The machine the fake runs on."""

    taken: frozenset[tuple[str, int]] = frozenset()
    """Addresses and ports other processes listen on."""
    unbindable: Mapping[str, str] = field(default_factory=dict)
    """Egress address to the reason why it cannot be bound."""


@dataclass(slots=True)
class _Use:
    """Connections of one egress address to one origin."""

    ports: list[int] = field(default_factory=list)
    peak: int = 0
    opened: int = 0
    refused: int = 0

    @property
    def current(self) -> int:
        return len(self.ports)

    @property
    def is_active(self) -> bool:
        return any((self.current, self.peak, self.opened, self.refused))


class FakeDataPlane:
    """Keeps the running snapshot and what it was told of traffic; thread-safe."""

    def __init__(self, host: FakeHost | None = None) -> None:
        self._host = host or FakeHost()
        self._lock = threading.Lock()
        self._running: Snapshot | None = None
        self._listeners: tuple[ActiveListener, ...] = ()
        self._is_draining = False
        self._uses: dict[tuple[str, str], _Use] = {}
        self._part: Part = "whole"
        self._next_part: Part = "whole"
        self._excluded: dict[tuple[str, str], set[int]] = {}
        self._requests: Counter[str] = Counter()
        self._log = bytearray()
        self.identity: tuple[bytes, bytes, bytes] | None = None
        """What `set_identity` was given last."""

    # The verbs.

    def apply(self, snapshot: Snapshot) -> Applied:
        """Check, then swap."""
        with self._lock:
            if self._is_draining:
                raise SnapshotRefused("the data plane is stopping")
            merged = self._merged(snapshot)
            if defect := next(inconsistencies(merged), None):
                raise SnapshotRefused(defect)
            self._listeners = self._listen(merged)
            self._running, self._part = merged, self._next_part
            return Applied(
                revision=merged.revision,
                zones=len(merged.zones),
                listeners=self._listeners,
                unbindable=self._unbindable(),
            )

    def drain_counters(self) -> Drained:
        """Counts since the call before; peaks start again from what is open."""
        with self._lock:
            drained = Drained(
                totals=Totals(requests=self._requests.total()),
                requests=dict(self._requests),
                egress=tuple(
                    self._drained(key, use) for key, use in self._uses.items() if use.is_active
                ),
                log=bytes(self._log),
            )
            self._requests.clear()
            self._log.clear()
            for use in self._uses.values():
                use.peak, use.opened, use.refused = use.current, 0, 0
            return drained

    def status(self) -> Status:
        """The running snapshot in numbers."""
        with self._lock:
            zones = self._running.zones if self._running else ()
            return Status(
                revision=self._running.revision if self._running else 0,
                zones=len(zones),
                hosts=sum(len(zone.hosts) for zone in zones),
                memory_table_bytes=0,
                workers=0,
                connections=0,
                origin_connections=sum(use.current for use in self._uses.values()),
                waiting=0,
                panics=0,
                foreign_egress=0,
                log_dropped=0,
                is_draining=self._is_draining,
                listeners=self._listeners,
                unbindable=self._unbindable(),
                egress=tuple(
                    EgressInUse(ip, origin, "tcp", use.current, self._capacity(ip))
                    for (ip, origin), use in self._uses.items()
                ),
                peers=self._peers(),
            )

    def held(self, *, everything: bool = False) -> tuple[Held, ...]:
        """Connections whose ports have left or are beyond the cap, or all."""
        with self._lock:
            rows = []
            for (ip, origin), use in self._uses.items():
                owned = set(self._ports(ip))
                inside = [port for port in use.ports if port in owned]
                outside = [port for port in use.ports if port not in owned]
                beyond = max(0, use.current - self._capacity(ip) - len(outside))
                ports = use.ports if everything else outside + inside[:beyond]
                if ports:
                    rows.append(Held(ip, origin, tuple(ports)))
            return tuple(rows)

    def set_part(self, part: Part) -> None:
        """The part of the server's ports from the next `apply` on."""
        with self._lock:
            self._next_part = part

    def exclude(self, held: tuple[Held, ...]) -> None:
        """Keep off what others hold."""
        with self._lock:
            self._excluded = {(row.egress_ip, row.origin): set(row.ports) for row in held}

    def cut(self, held: tuple[Held, ...]) -> int:
        """Close what has left."""
        with self._lock:
            count = 0
            for row in held:
                use = self._uses.get((row.egress_ip, row.origin), _Use())
                gone = set(row.ports).intersection(use.ports).difference(self._ports(row.egress_ip))
                use.ports = [port for port in use.ports if port not in gone]
                count += len(gone)
            return count

    def set_identity(self, ca_pem: bytes, chain_pem: bytes, key_pem: bytes) -> None:
        """Keep what could be an identity; whether the key is the certificate's is not looked at."""
        for what, pem in (("authority", ca_pem), ("certificate chain", chain_pem)):
            if b"-----BEGIN CERTIFICATE-----" not in pem:
                raise IdentityRefused(f"the {what}: there is no certificate in it")
        if b"PRIVATE KEY-----" not in key_pem:
            raise IdentityRefused("the key: there is no key in it")
        with self._lock:
            self.identity = (ca_pem, chain_pem, key_pem)

    def stop(self, deadline_seconds: float) -> int:  # noqa: ARG002 - nothing is open here
        """Close the listeners; the fake has no connections to cut."""
        with self._lock:
            self._is_draining = True
            self._listeners = ()
            return 0

    # What a test says about the world.

    def zone(self, zone_id: str) -> Zone | None:
        """The zone as it runs."""
        with self._lock:
            zones = self._running.zones if self._running else ()
            return next((zone for zone in zones if zone.id == zone_id), None)

    def connect(self, egress_ip: str, origin: str, connections: int = 1) -> None:
        """Open connections; those above the cap are refused."""
        with self._lock:
            use = self._uses.setdefault((egress_ip, origin), _Use())
            others = self._excluded.get((egress_ip, origin), set())
            room = max(0, self._capacity(egress_ip) - use.current - len(others))
            taken = others.union(use.ports)
            free = [port for port in self._ports(egress_ip) if port not in taken]
            ports = free[: min(connections, room)]
            opened = len(ports)
            use.ports += ports
            use.opened += opened
            use.refused += connections - opened
            use.peak = max(use.peak, use.current)

    def disconnect(self, egress_ip: str, origin: str, connections: int = 1) -> None:
        """Close connections."""
        with self._lock:
            use = self._uses[egress_ip, origin]
            del use.ports[:connections]

    def answer(self, kind: str, log_line: bytes = b"") -> None:
        """Count one answered request: `status:2xx`, `error:no_origin` ..."""
        with self._lock:
            self._requests[kind] += 1
            self._log += log_line

    # Rules.

    def _merged(self, snapshot: Snapshot) -> Snapshot:
        if snapshot.base_revision is None:
            return snapshot
        if self._running is None or self._running.revision != snapshot.base_revision:
            at = self._running.revision if self._running else 0
            raise SnapshotRefused(f"the base is revision {snapshot.base_revision}, but {at} runs")
        if defect := next(inconsistencies(snapshot), None):
            raise SnapshotRefused(defect)
        zones = {zone.id: zone for zone in self._running.zones}
        for removed in snapshot.removed_zones:
            zones.pop(removed, None)
        zones.update((zone.id, zone) for zone in snapshot.zones)
        return msgspec.structs.replace(
            snapshot, base_revision=None, zones=tuple(zones.values()), removed_zones=()
        )

    def _listen(self, snapshot: Snapshot) -> tuple[ActiveListener, ...]:
        free_port = FIRST_FREE_PORT
        link = snapshot.fleet.link
        if link and (link.address, link.port) in self._host.taken:
            raise ListenerUnavailable(f"{link.address} port {link.port}: address already in use")
        active = []
        for listener in snapshot.listeners:
            if (listener.address, listener.port) in self._host.taken:
                raise ListenerUnavailable(
                    f"{listener.address} port {listener.port}: address already in use"
                )
            port = listener.port or (free_port := free_port + 1)
            active.append(ActiveListener(listener.address, port, listener.tls))
        return tuple(active)

    def _peers(self) -> tuple[PeerState, ...]:
        peers = self._running.fleet.peers if self._running else ()
        return tuple(PeerState(each.server, "unknown") for each in peers)

    def _unbindable(self) -> tuple[Unbindable, ...]:
        return tuple(
            Unbindable(address.ip, self._host.unbindable[address.ip])
            for address in self._addresses()
            if address.ip in self._host.unbindable
        )

    def _addresses(self) -> list[EgressAddress]:
        pools = self._running.pools if self._running else ()
        by_ip = {address.ip: address for pool in pools for address in pool.addresses}
        return list(by_ip.values())

    def _capacity(self, egress_ip: str) -> int:
        cap = next((each.cap for each in self._addresses() if each.ip == egress_ip), 0)
        if self._part == "whole" or not cap:
            return cap
        kept = max(1, cap // LEAVING_KEEPS_ONE_OF)
        return min(kept if self._part == "leaving" else cap - kept, len(self._ports(egress_ip)))

    def _ports(self, egress_ip: str) -> list[int]:
        """Every port of the address that this server owns now."""
        slices = next((each.slices for each in self._addresses() if each.ip == egress_ip), ())
        ports = [port for low, high in slices for port in range(low, high + 1)]
        if self._part == "whole":
            return ports
        kept = max(1, len(ports) // LEAVING_KEEPS_ONE_OF)
        return ports[-kept:] if self._part == "leaving" else ports[:-kept]

    def _drained(self, key: tuple[str, str], use: _Use) -> DrainedEgress:
        ip, origin = key
        return DrainedEgress(
            egress_ip=ip,
            origin=origin,
            protocol="tcp",
            current=use.current,
            peak=use.peak,
            capacity=self._capacity(ip),
            opened=use.opened,
            refused=use.refused,
        )
