"""The health of a fleet's server in the API's words."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from egressway.api.health import NodeStatus, NotReady
from egressway.data_plane.handle import DataPlaneHandle
from egressway.node.apply import NodeState
from egressway.node.follow import FollowerState
from egressway.node.health import readiness
from egressway.services.node_health import shown_status

__all__ = ["FleetNodeHealth"]


class FleetNodeHealth:
    """A `HealthSource` of the node's own listener."""

    def __init__(
        self,
        data_plane: DataPlaneHandle,
        state: Callable[[], NodeState],
        follower: Callable[[], FollowerState],
    ) -> None:
        self._data_plane = data_plane
        self._state = state
        self._follower = follower

    def not_ready(self) -> Sequence[NotReady]:
        """Every reason against sending traffic here."""
        return list(self._reasons())

    def node_status(self) -> NodeStatus:
        """The data plane's own numbers."""
        return shown_status(self._data_plane.status())

    def _reasons(self) -> Iterator[NotReady]:
        following = self._follower()
        verdict = readiness(self._state(), self._data_plane.status(), following)
        for reason in verdict.reasons:
            yield NotReady(reason.code, reason.message, reason.subject)
