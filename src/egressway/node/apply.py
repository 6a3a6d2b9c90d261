"""Brings the data plane to the desired state (CONFIG 4 of 5).

Desired and applied revision differ exactly while the last snapshot was refused. A refusal changes
nothing, is remembered for `health`, and is over with the next snapshot that is taken.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import msgspec

from egressway.data_plane.handle import (
    Applied,
    DataPlaneHandle,
    ListenerUnavailable,
    SnapshotRefused,
    Unbindable,
)
from egressway.wire.acknowledgement import Acknowledgement
from egressway.wire.consistency import zone_at_fault
from egressway.wire.snapshot import Snapshot

__all__ = ["Applier", "NodeState", "Refusal"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A snapshot the data plane did not take."""

    revision: int
    kind: str
    """`snapshot` or `listener`."""
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class NodeState:
    """What is wanted of this server and what runs."""

    desired_revision: int = 0
    applied: Applied | None = None
    refusal: Refusal | None = None
    applied_total: int = 0
    refused_total: int = 0

    @property
    def applied_revision(self) -> int:
        """Revision that runs; 0 before the first."""
        return self.applied.revision if self.applied else 0

    @property
    def unbindable(self) -> tuple[Unbindable, ...]:
        """Egress addresses of the running revision that this server cannot use."""
        return self.applied.unbindable if self.applied else ()


def _now() -> datetime:
    return datetime.now(UTC)


class Applier:
    """Serialises `apply`; its state may be read from any thread."""

    def __init__(self, data_plane: DataPlaneHandle, clock: Callable[[], datetime] = _now) -> None:
        self._data_plane = data_plane
        self._clock = clock
        self._one_at_a_time = threading.Lock()
        self._state = NodeState()
        self._last: Snapshot | None = None  # what runs, without its zones

    @property
    def state(self) -> NodeState:
        """The newest state, immutable."""
        return self._state

    def apply(self, snapshot: Snapshot) -> Applied:
        """Make `snapshot` what runs; a refusal is remembered and raised on."""
        with self._one_at_a_time:
            self._state = replace(self._state, desired_revision=snapshot.revision)
            try:
                applied = self._data_plane.apply(snapshot)
            except SnapshotRefused as refused:
                self._remember(snapshot, "snapshot", refused)
                raise
            except ListenerUnavailable as refused:
                self._remember(snapshot, "listener", refused)
                raise
            self._last = msgspec.structs.replace(
                snapshot, base_revision=snapshot.revision, zones=(), removed_zones=()
            )
            self._warn_of(applied)
            self._state = replace(
                self._state,
                applied=applied,
                refusal=None,
                applied_total=self._state.applied_total + 1,
            )
            return applied

    def again(self) -> None:
        """Apply what runs once more: the data plane's part of the ports has changed."""
        if self._last is not None:
            self.apply(self._last)

    def receive(self, snapshot: Snapshot) -> Acknowledgement:
        """As `apply`, for a sender: a refusal is an answer, not an error."""
        try:
            return Acknowledgement(self.apply(snapshot).revision)
        except (SnapshotRefused, ListenerUnavailable) as refused:
            reason = str(refused)
            return Acknowledgement(self._state.applied_revision, reason, zone_at_fault(reason))

    def _warn_of(self, applied: Applied) -> None:
        """Once per address: it stays unbindable over many revisions."""
        known = {address.ip for address in self._state.unbindable}
        for address in applied.unbindable:
            if address.ip not in known:
                _log.warning(
                    "the egress address %s cannot be used on this server: %s",
                    address.ip,
                    address.reason,
                )

    def _remember(self, snapshot: Snapshot, kind: str, reason: Exception) -> None:
        refusal = Refusal(snapshot.revision, kind, str(reason), self._clock())
        self._state = replace(
            self._state, refusal=refusal, refused_total=self._state.refused_total + 1
        )
