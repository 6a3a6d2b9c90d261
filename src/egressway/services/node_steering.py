"""Return steering of a node: the fleet's state, what others still hold, and the kernel kept to both.

A thread of its own: the kernel may take its time, and what the follower does must not wait for it. It
looks every second, and at once when something has changed.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import msgspec

from egressway.bus.bus import Bus, BusError, Cancel
from egressway.data_plane.handle import Held
from egressway.node.steering import (
    Situation,
    SlicesOverlap,
    Steering,
    SteeringBusy,
    SteeringError,
    SteeringSettings,
    TunnelSettings,
)
from egressway.node.steering.desired import Owner
from egressway.node.steering.from_fleet import keeping, move_sources, owned, situation
from egressway.services.configuration.types import Node
from egressway.services.start_error import StartError
from egressway.wire.fleet import FleetPool, Topology
from egressway.wire.fleet_state import FleetState
from egressway.wire.held import HeldPorts, HeldTuples, decode

__all__ = ["NodeSteering", "steering_of"]

LOOK_SECONDS: Final = 1.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Seen:
    """What of the fleet steering depends on, as it was at one revision."""

    topology: Topology
    pools: dict[str, FleetPool]


class NodeSteering:
    """Between `start` and `stop`; `note` and the steps of `Beside` may come before.

    While the data plane is brought from one state to the next, the ports of both are this server's:
    those that leave until it opens nothing in them any more, those that come before it does.
    """

    def __init__(
        self,
        steering: Steering,
        server: str,
        bus: Bus,
        held: Callable[[], Iterable[Held]],
    ) -> None:
        self._steering = steering
        self._server = server
        self._bus = bus
        self._held = held
        self._one_at_a_time = threading.RLock()
        self._seen: _Seen | None = None
        self._applied: Situation | None = None
        self._told: dict[str, HeldTuples] = {}
        self._told_here: dict[str, HeldTuples] = {}
        """Of moves to this server: exactly what the data plane goes by."""
        self._kept: tuple[Owner, ...] | None = None
        """What the data plane has had until now, while it is brought to something else."""
        self._watches: dict[str, Cancel] = {}
        self._changed = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="steering", daemon=True)

    def note(self, state: FleetState) -> None:
        """The fleet is like this now. Returns at once."""
        self._seen = _Seen(state.topology, dict(state.pools))
        self._changed.set()

    def before(self, state: FleetState, told: Mapping[str, HeldTuples]) -> None:
        """The data plane will be brought to this."""
        with self._one_at_a_time:
            if self._kept is None:
                self._kept = owned(self._applied) if self._applied else ()
            self._told_here = dict(told)
            self.note(state)
            self._look()

    def after(self) -> None:
        """It has been."""
        with self._one_at_a_time:
            self._kept = None
            self._look()

    def heard(self, told: Mapping[str, HeldTuples]) -> None:
        """Tuples that have been given back may be used at once."""
        with self._one_at_a_time:
            self._told_here = dict(told)
            self._look()

    def telling(self) -> None:
        """Nothing is to come here any more for connections that have ended."""
        self._look()

    def start(self) -> None:
        """Follow from now on; what was noted before is in force on return."""
        self._look()
        self._steering.check()
        self._thread.start()

    def stop(self, *, hand_over: bool) -> None:
        """Leave the host as it was; with `hand_over` leave it to the next process as it is."""
        self._stopping = True
        self._changed.set()
        if self._thread.ident is not None:
            self._thread.join()
        for source in tuple(self._watches):
            self._unwatch(source)
        with self._one_at_a_time:
            try:
                self._steering.stop(hand_over=hand_over)
            except SteeringError as failure:
                _log.error("the host is not as it was before: %s", failure)

    def _run(self) -> None:
        check_at = 0.0
        while not self._stopping:
            self._changed.wait(LOOK_SECONDS)
            self._changed.clear()
            if self._stopping:
                return
            try:
                self._look()
                if time.monotonic() >= check_at:
                    # As long as a change itself, so not after each of them.
                    check_at = time.monotonic() + LOOK_SECONDS
                    self._steering.check()
            except Exception:
                # What is in force goes on; the next look may be better.
                _log.exception("return packets could not be steered")

    def _look(self) -> None:
        with self._one_at_a_time:
            seen = self._seen
            if seen is None or self._stopping:
                return
            self._follow_sources(move_sources(seen.topology) - {self._server})
            wanted = self._situation(seen)
            if wanted is None:
                return
            if self._kept is not None:
                wanted = keeping(wanted, self._kept)
            if wanted != self._applied:
                self._apply(wanted)

    def _situation(self, seen: _Seen) -> Situation | None:
        return situation(
            seen.topology,
            seen.pools,
            self._server,
            told={**self._told, **self._told_here},
            own_held=[HeldPorts(each.egress_ip, each.origin, each.ports) for each in self._held()],
            now=time.time(),
        )

    def _apply(self, wanted: Situation) -> None:
        try:
            self._steering.apply(wanted)
        except SlicesOverlap as defect:
            _log.error("return packets are steered as before: %s", defect)
        except SteeringError as failure:
            _log.warning("%s", failure)  # `check` tries again
        self._applied = wanted

    # What the sources of moves still hold.

    def _follow_sources(self, sources: frozenset[str]) -> None:
        for source in self._watches.keys() - sources:
            self._unwatch(source)
        for source in sources - self._watches.keys():
            with suppress(BusError):
                self._watches[source] = self._bus.watch_held(source, partial(self._hear, source))

    def _hear(self, source: str, content: bytes) -> None:
        try:
            self._told[source] = decode(content)
        except msgspec.MsgspecError as defect:
            _log.error("what server %s holds cannot be read: %s", source, defect)
        self._changed.set()

    def _unwatch(self, source: str) -> None:
        with suppress(BusError):
            self._watches.pop(source)()
        self._told.pop(source, None)


def steering_of(
    settings: Node,
    data: Path,
    server: str,
    bus: Bus,
    held: Callable[[], Iterable[Held]],
    make: Callable[[SteeringSettings], Steering] = Steering,
) -> NodeSteering | None:
    """As configured; None where the host's routes and rules are left alone.

    What this process or host cannot do is a failed start with `on`, and a remark with `auto`.
    """
    if settings.steering == "off":
        return None
    tunnel = TunnelSettings(settings.tunnel_port, settings.tunnel_network, settings.tunnel_mtu)
    steering = make(SteeringSettings(data / "steering.json", tunnel))
    try:
        steering.start()
    except SteeringBusy as busy:
        _log.info("%s", busy)
    except SteeringError as failure:
        if settings.steering == "on":
            raise StartError(f"{failure} Or set `node.steering` to `off`.") from failure
        _log.warning("%s What one server holds alone works without.", failure)
    return NodeSteering(steering, server, bus, held)
