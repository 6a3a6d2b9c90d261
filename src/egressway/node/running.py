"""The fleet's state as this server knows it, and its data plane brought to it (CONFIG 4 of 5).

A state that contradicts itself is refused as a whole. What the data plane refuses for the sake of one
zone is applied without it: the others must not wait, and what the data plane had of it goes on.
What it refuses for another reason stays wanted: the next change is sent together with it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from typing import Final

from egressway.data_plane.handle import ListenerUnavailable, SnapshotRefused
from egressway.node.apply import Applier
from egressway.node.localise import Localiser
from egressway.node.settings import NodeSettings
from egressway.node.surroundings import Surroundings
from egressway.wire.consistency import zone_at_fault
from egressway.wire.fleet import FleetSnapshot
from egressway.wire.fleet_consistency import fleet_inconsistencies
from egressway.wire.fleet_state import FleetState, difference
from egressway.wire.snapshot import Snapshot

__all__ = ["Contradiction", "Running"]

MOST_WITHHELD_AT_ONCE: Final = 50
MOST_TOLD: Final = 5
_OLDER_THAN_ANY: Final = -1
_log = logging.getLogger(__name__)


class Contradiction(ValueError):
    """A state that contradicts itself. What was there before goes on."""


class Running:
    """For the follower's thread.

    `before` is told of every state that gives the data plane other ports, before it has them, and
    `after` of the same once it has.
    """

    def __init__(
        self,
        settings: NodeSettings,
        applier: Applier,
        before: Callable[[FleetState], None] = lambda _: None,
        after: Callable[[], None] = lambda: None,
    ) -> None:
        self._settings = settings
        self._applier = applier
        self._before = before
        self._after = after
        self._localiser = Localiser(settings)
        self._state: FleetState | None = None
        self._waiting: frozenset[str] = frozenset()
        self._withheld: dict[str, str] = {}
        self._brought: int | None = None  # the data plane's revision, once it runs this state

    @property
    def state(self) -> FleetState | None:
        """The fleet's state that this server holds to; None before the first."""
        return self._state

    @property
    def revision(self) -> int:
        """Of that state; 0 before the first."""
        return self._state.revision if self._state else 0

    @property
    def around(self) -> Surroundings | None:
        """This server's place in it."""
        return self._localiser.around(self._state.topology) if self._state else None

    @property
    def withheld(self) -> dict[str, str]:
        """Zones that are not served as they were sent, and why."""
        return self._withheld

    @property
    def is_brought(self) -> bool:
        """The data plane runs this state."""
        return self._brought is not None

    def change(self, delta: FleetSnapshot, waiting: frozenset[str] | None = None) -> None:
        """Follow one difference; raises `BaseMismatch` or `Contradiction`, and nothing has changed."""
        state = self._state
        assert state is not None, "a difference needs something to differ from"
        undo = state.apply(delta)
        defects = list(islice(fleet_inconsistencies(state, delta), MOST_TOLD))
        if defects:
            state.take_back(undo)
            raise Contradiction(
                f"revision {delta.revision} contradicts itself: {'; '.join(defects)}"
            )
        for zone in delta.zones:
            self._withheld.pop(zone.id, None)
        for zone_id in delta.removed_zones:
            self._withheld.pop(zone_id, None)
        moves_differ = waiting is not None and waiting != self._waiting
        self._waiting = self._waiting if waiting is None else waiting
        self._bring(delta, ports_differ=moves_differ or _is_of_ports(delta))

    def become(self, state: FleetState) -> None:
        """Take over another state; raises `Contradiction`, and nothing has changed.

        Of a state that is there already only the difference reaches the data plane.
        """
        defects = list(islice(fleet_inconsistencies(state), MOST_TOLD))
        if defects:
            raise Contradiction(
                f"revision {state.revision} contradicts itself: {'; '.join(defects)}"
            )
        before, self._state = self._state, state
        delta = None if before is None or self._brought is None else difference(before, state)
        if delta is not None and self._withheld:
            changed = {zone.id for zone in delta.zones} | set(delta.removed_zones)
            self._withheld = {k: v for k, v in self._withheld.items() if k not in changed}
        self._bring(delta, ports_differ=delta is None or _is_of_ports(delta))

    def wait_for(self, waiting: frozenset[str]) -> None:
        """Use the ports of all moves to this server but those of `waiting`."""
        if waiting == self._waiting or self._state is None:
            return
        self._waiting = waiting
        delta = FleetSnapshot(revision=self.revision, base_revision=self.revision)
        self._bring(delta, ports_differ=True)

    def fence(self) -> None:
        """Another node has this server's identity: nothing more is opened from dedicated addresses."""
        self._settings = replace(self._settings, epoch=_OLDER_THAN_ANY)
        self._localiser = Localiser(self._settings)
        if self._state is not None:
            self._bring(None, ports_differ=True)

    def again(self) -> None:
        """Try once more what the data plane has refused."""
        if self._state is not None and self._brought is None:
            self._bring(None, ports_differ=True)

    # The data plane.

    def _bring(self, delta: FleetSnapshot | None, *, ports_differ: bool) -> None:
        assert self._state is not None
        # What was refused before comes along with this.
        ports_differ = ports_differ or self._brought is None
        if ports_differ:
            self._before(self._state)
        self._bring_data_plane(delta)
        if ports_differ and self._brought is not None:
            self._after()

    def _bring_data_plane(self, delta: FleetSnapshot | None) -> None:
        """By the difference where that is possible, else by everything."""
        if delta is not None and self._brought is not None and self._apply(delta):
            return
        self._localiser.forget()
        self._brought = None
        self._apply(None)

    def _apply(self, delta: FleetSnapshot | None) -> bool:
        assert self._state is not None
        for _ in range(MOST_WITHHELD_AT_ONCE):
            snapshot = self._snapshot(delta)
            try:
                self._applier.apply(snapshot)
            except (SnapshotRefused, ListenerUnavailable) as refused:
                if not self._withhold(str(refused)):
                    return False
            else:
                self._brought = snapshot.revision
                return True
        return False

    def _snapshot(self, delta: FleetSnapshot | None) -> Snapshot:
        assert self._state is not None
        if delta is None or self._brought is None:
            return self._localiser.whole(self._state, self._waiting, self._withheld.keys())
        return self._localiser.difference(
            self._state, delta, self._brought, self._waiting, self._withheld.keys()
        )

    def _withhold(self, reason: str) -> bool:
        """Whether the rest may be taken without the zone that the refusal is about."""
        zone_id = zone_at_fault(reason)
        if zone_id is None or zone_id in self._withheld:
            return False
        _log.error("zone %s is not served as it was sent, until it changes: %s", zone_id, reason)
        self._withheld[zone_id] = reason
        return True


def _is_of_ports(delta: FleetSnapshot) -> bool:
    return delta.topology is not None or bool(delta.pools or delta.removed_pools)
