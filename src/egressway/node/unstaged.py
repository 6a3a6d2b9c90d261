"""What no rollout holds back (beside CONFIG 4): how servers stand, and which addresses are drained.

A rollout guards against changes that do harm. To revoke a server, to fence the older of two, to drain
one or an address and to take a drain back is how harm is ended: that is in force as soon as it is heard
of, whatever else its message brings waits, and going back does not undo it.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from egressway.wire.fleet import (
    FleetAddress,
    FleetPool,
    FleetServer,
    FleetSnapshot,
    ServerState,
    Topology,
)
from egressway.wire.fleet_state import FleetState

__all__ = ["Unstaged"]


class Unstaged:
    """For the follower's thread. Remembers the newest word about what is not followed yet."""

    def __init__(self) -> None:
        self._revision = 0
        self._servers: dict[str, tuple[ServerState, int]] = {}
        self._draining: dict[str, bool] = {}

    def look(self, snapshot: FleetSnapshot) -> None:
        """A state or a difference that is not followed yet, or no longer."""
        servers = {
            each.name: (each.state, each.epoch)
            for each in (snapshot.topology.servers if snapshot.topology else ())
        }
        draining = {each.ip: each.draining for pool in snapshot.pools for each in pool.addresses}
        # Who is there no more stays as it was: a server is revoked before it is removed.
        if snapshot.revision >= self._revision:
            self._servers |= servers
            self._draining |= draining
        else:
            self._servers = servers | self._servers
            self._draining = draining | self._draining
        self._revision = max(self._revision, snapshot.revision)

    def forget(self, revision: int = 0) -> None:
        """What has been heard of is followed by now, up to `revision`; without one, it is void."""
        if not 0 < revision < self._revision:
            self._revision, self._servers, self._draining = 0, {}, {}

    def amended(self, snapshot: FleetSnapshot) -> FleetSnapshot:
        """As it is to be followed: older than what is known already, it must not undo that."""
        if snapshot.revision >= self._revision:
            return snapshot
        topology = self._topology(snapshot.topology) if snapshot.topology else None
        pools = tuple(self._pool(each) for each in snapshot.pools)
        if topology == snapshot.topology and pools == snapshot.pools:
            return snapshot
        return msgspec.structs.replace(snapshot, topology=topology, pools=pools)

    def over(self, state: FleetState) -> FleetSnapshot | None:
        """What makes `state` stand as was heard last; None where it does."""
        topology = self._topology(state.topology)
        pools = tuple(self._changed(state, topology))
        if topology == state.topology and not pools:
            return None
        return FleetSnapshot(
            revision=state.revision, base_revision=state.revision, topology=topology, pools=pools
        )

    def _changed(self, state: FleetState, topology: Topology) -> Iterable[FleetPool]:
        if _revoked(topology) != _revoked(state.topology):
            pools: Iterable[FleetPool] = state.pools.values()
        else:
            ids = {state.pool_of_ip(ip) for ip in self._draining}
            pools = (state.pools[pool_id] for pool_id in ids if pool_id is not None)
        for pool in pools:
            changed = self._pool(pool)
            if changed != pool:
                yield changed

    def _topology(self, topology: Topology) -> Topology:
        servers = tuple(self._server(each) for each in topology.servers)
        # Of a server that is revoked nothing is waited for.
        moves = tuple(each for each in topology.moves if not self._is_revoked(each.source))
        return msgspec.structs.replace(topology, servers=servers, moves=moves)

    def _server(self, server: FleetServer) -> FleetServer:
        state, epoch = self._servers.get(server.name, (server.state, server.epoch))
        return msgspec.structs.replace(server, state=state, epoch=epoch)

    def _pool(self, pool: FleetPool) -> FleetPool:
        addresses = tuple(self._address(each) for each in pool.addresses)
        return msgspec.structs.replace(pool, addresses=addresses)

    def _address(self, address: FleetAddress) -> FleetAddress:
        """Ports of a server that is revoked are nobody's."""
        return msgspec.structs.replace(
            address,
            slices=tuple(each for each in address.slices if not self._is_revoked(each.server)),
            draining=self._draining.get(address.ip, address.draining),
        )

    def _is_revoked(self, server: str) -> bool:
        return server in self._servers and self._servers[server][0] == "revoked"


def _revoked(topology: Topology) -> set[str]:
    return {each.name for each in topology.servers if each.state == "revoked"}
