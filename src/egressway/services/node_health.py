"""The node's health in the API's words; the API knows no node, so this is the seam between them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from egressway.api.health import NodeListener, NodeStatus, NotReady, UnbindableAddress
from egressway.data_plane.handle import DataPlaneHandle, Status
from egressway.model.ids import ZoneId
from egressway.node.apply import NodeState
from egressway.node.follow import FollowerState
from egressway.node.health import readiness

__all__ = ["NodeHealth", "Publishing"]


class Publishing(Protocol):
    """As much of a publisher in the same process as health asks."""

    @property
    def failure(self) -> str | None:
        """Why the newest revision is not published."""
        ...

    @property
    def withheld(self) -> dict[ZoneId, str]:
        """Zones that are not published as they are stored, and why."""
        ...


class NodeHealth:
    """A `HealthSource` of the API."""

    def __init__(
        self,
        data_plane: DataPlaneHandle,
        state: Callable[[], NodeState],
        following: Callable[[], FollowerState],
        publishing: Publishing,
    ) -> None:
        self._data_plane = data_plane
        self._state = state
        self._following = following
        self._publishing = publishing

    def not_ready(self) -> Sequence[NotReady]:
        """Every reason against sending traffic here."""
        following = self._following()
        verdict = readiness(self._state(), self._data_plane.status(), following)
        of_node = [NotReady(each.code, each.message, each.subject) for each in verdict.reasons]
        return [*of_node, *self._not_published(following, is_told=bool(of_node))]

    def _not_published(self, following: FollowerState, *, is_told: bool) -> Iterator[NotReady]:
        """A failure on the way here is mostly a refusal that the node has told already."""
        failure = self._publishing.failure or following.alarm
        if failure is not None and not is_told:
            yield NotReady("not_distributed", f"The newest revision is not served: {failure}.")
        withheld = dict[str, str](self._publishing.withheld.items()) | following.withheld
        for zone_id, reason in withheld.items():
            message = f"The zone is not served as it is stored: {reason}. Change it."
            yield NotReady("zone_withheld", message, zone_id)

    def node_status(self) -> NodeStatus:
        """The data plane's own numbers."""
        return shown_status(self._data_plane.status())


def shown_status(status: Status) -> NodeStatus:
    """The data plane's numbers in the API's words."""

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
        listeners=[NodeListener(each.address, each.port, each.tls) for each in status.listeners],
        unbindable=[UnbindableAddress(each.ip, each.reason) for each in status.unbindable],
    )
