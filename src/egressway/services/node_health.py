"""The node's health in the API's words; the API knows no node, so this is the seam between them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from egressway.api.operate import NodeListener, NodeStatus, NotReady, UnbindableAddress
from egressway.data_plane.handle import DataPlaneHandle
from egressway.distribution.push import Distributor
from egressway.node.apply import NodeState
from egressway.node.health import readiness

__all__ = ["NodeHealth"]


class NodeHealth:
    """A `HealthSource` of the API."""

    def __init__(
        self,
        data_plane: DataPlaneHandle,
        state: Callable[[], NodeState],
        distributor: Distributor,
    ) -> None:
        self._data_plane = data_plane
        self._state = state
        self._distributor = distributor

    def not_ready(self) -> Sequence[NotReady]:
        """Every reason against sending traffic here."""
        verdict = readiness(self._state(), self._data_plane.status())
        of_node = [NotReady(each.code, each.message, each.subject) for each in verdict.reasons]
        return [*of_node, *self._not_distributed(is_told=bool(of_node))]

    def _not_distributed(self, *, is_told: bool) -> Iterator[NotReady]:
        """A failure of the distribution is mostly a refusal that the node has told already."""
        failure = self._distributor.failure
        if failure is not None and not is_told:
            yield NotReady("not_distributed", f"The newest revision is not served: {failure}.")
        for zone_id, reason in self._distributor.withheld.items():
            message = f"The zone is not served as it is stored: {reason}. Change it."
            yield NotReady("zone_withheld", message, zone_id)

    def node_status(self) -> NodeStatus:
        """The data plane's own numbers."""
        status = self._data_plane.status()
        return NodeStatus(
            revision=status.revision,
            zones=status.zones,
            hosts=status.hosts,
            workers=status.workers,
            connections=status.connections,
            origin_connections=status.origin_connections,
            waiting=status.waiting,
            panics=status.panics,
            foreign_egress=status.foreign_egress,
            log_dropped=status.log_dropped,
            is_draining=status.is_draining,
            memory_table_bytes=status.memory_table_bytes,
            listeners=[
                NodeListener(each.address, each.port, each.tls) for each in status.listeners
            ],
            unbindable=[UnbindableAddress(each.ip, each.reason) for each in status.unbindable],
        )
