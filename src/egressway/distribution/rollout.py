"""Lets changes reach some servers before the others, and stops by itself (CONFIG 3 of 5).

The document lies on the bus, where each server reads how far it may follow: a step reaches all of them
as fast as a change does. `RolloutWatch` compares servers that have gone ahead with those that have not.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import msgspec

from egressway.bus.bus import ALL, Bus, BusError, Cancel, Value
from egressway.bus.bus import Conflict as AnotherWrote
from egressway.model.errors import Conflict, StoreUnavailable
from egressway.model.rollout import Rollout, RolloutMode, RolloutState, RolloutStep
from egressway.wire import gate, usage_report
from egressway.wire.acknowledgement import Acknowledgement

__all__ = ["RolloutWatch", "Rollouts", "Tally", "verdict"]

MOST_ATTEMPTS: Final = 10
LEAST_ERRORS: Final = 20
"""Fewer errors than this are no sign."""

LEAST_SHARE: Final = 0.01
"""A smaller share of errors above that of the others is none either."""

TIMES: Final = 2.0
EVERY_SECONDS: Final = 0.5
_log = logging.getLogger(__name__)


class Rollouts:
    """The document on the bus. Safe to use from many threads and replicas."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    def read(self) -> Rollout:
        """As it is now."""
        try:
            return gate.decode(self._bus.get_gate().content)
        except BusError as failure:
            raise _unavailable(failure) from failure

    def take(self, step: RolloutStep) -> Rollout:
        """Take a step from wherever the document is by now."""
        newest = self._newest()
        return self.change(lambda rollout: step.taken(rollout, newest))

    def change(self, into: Callable[[Rollout], Rollout]) -> Rollout:
        """Replace the document; again when somebody else has at the same time."""
        for _ in range(MOST_ATTEMPTS):
            try:
                value = self._bus.get_gate()
                changed = into(gate.decode(value.content))
                self._bus.put_gate(gate.encode(changed), expect=value.number)
            except AnotherWrote:
                continue
            except BusError as failure:
                raise _unavailable(failure) from failure
            return changed
        raise Conflict("Others change the rollout at the same time; look at it, then try again.")

    def _newest(self) -> int:
        try:
            last = self._bus.last_config(ALL)
        except BusError as failure:
            raise _unavailable(failure) from failure
        return last.revision if last else 0


def _unavailable(failure: BusError) -> StoreUnavailable:
    return StoreUnavailable(f"The rollout cannot be reached: {failure}. Try again later.")


@dataclass(slots=True)
class Tally:
    """What one server has answered since the rollout's last step."""

    requests: int = 0
    errors: int = 0


def verdict(
    rollout: Rollout, told: Iterable[Acknowledgement], tallies: Mapping[str, Tally]
) -> str | None:
    """Why the rollout should not go on; None while nothing speaks against it.

    A server is ahead when it says so, not when it may be.
    """
    if rollout.mode is not RolloutMode.STAGED or rollout.state is not RolloutState.ROLLING:
        return None
    known = list(told)
    ahead = {each.server for each in known if each.revision > rollout.stable}
    behind = [each for each in known if each.server not in ahead]
    common = {zone_id for each in behind for zone_id in each.withheld}
    for each in known:
        if each.reason is not None and _is_let_ahead(each, rollout):
            return f"server {each.server} refuses what it was sent: {each.reason}"
        if each.server in ahead and (refused := each.withheld.keys() - common):
            return f"server {each.server} does not take zone {min(refused)} as it was sent"
    return _errors(ahead, tallies)


def _is_let_ahead(told: Acknowledgement, rollout: Rollout) -> bool:
    """A refusal keeps a server where it was, so that it is named in a stage is what counts."""
    if told.revision > rollout.stable:
        return True
    return any(
        stage.is_everyone or told.server in stage.servers or stage.data_centers
        for stage in rollout.stages
    )


def _errors(ahead: set[str], tallies: Mapping[str, Tally]) -> str | None:
    gone = _sum(tally for server, tally in tallies.items() if server in ahead)
    stayed = _sum(tally for server, tally in tallies.items() if server not in ahead)
    if gone.errors < LEAST_ERRORS:
        return None
    here, there = _share(gone), _share(stayed)
    if here > max(TIMES * there, there + LEAST_SHARE):
        return (
            f"servers ahead answer {here:.1%} of their requests with errors of their own, "
            f"the others {there:.1%}"
        )
    return None


def _sum(tallies: Iterable[Tally]) -> Tally:
    found = Tally()
    for tally in tallies:
        found.requests += tally.requests
        found.errors += tally.errors
    return found


def _share(tally: Tally) -> float:
    return tally.errors / max(1, tally.requests)


class RolloutWatch:
    """A thread between `start` and `stop` that stops a rollout which does harm."""

    def __init__(self, bus: Bus, rollouts: Rollouts) -> None:
        self._bus = bus
        self._rollouts = rollouts
        self._lock = threading.Lock()
        self._rollout = Rollout()
        self._told: dict[str, Acknowledgement] = {}
        self._tallies: dict[str, Tally] = {}
        self._cancels: list[Cancel] = []
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="rollout", daemon=True)

    def start(self) -> None:
        """Watch from now on."""
        self._cancels = [
            self._bus.watch_gate(self._heard_gate),
            self._bus.acknowledgements(self._heard),
            self._bus.reports(self._reported),
        ]
        self._thread.start()

    def stop(self) -> None:
        """Watch no more."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()
        for cancel in self._cancels:
            cancel()

    def look(self) -> str | None:
        """Judge now, and stop what is under way if that is the verdict; the reason."""
        with self._lock:
            reason = verdict(self._rollout, self._told.values(), self._tallies)
        if reason is not None:
            _log.error("the rollout is stopped: %s", reason)
            self._rollouts.change(
                lambda now: now.stop(reason) if now.state is RolloutState.ROLLING else now
            )
        return reason

    def _run(self) -> None:
        while not self._stopping.wait(EVERY_SECONDS):
            try:
                self.look()
            except (Conflict, StoreUnavailable) as failure:
                _log.warning("the rollout could not be stopped, it is tried again: %s", failure)

    def _heard_gate(self, value: Value) -> None:
        try:
            rollout = gate.decode(value.content)
        except msgspec.MsgspecError as defect:
            _log.error("the rollout document cannot be read: %s", defect)
            return
        with self._lock:
            self._rollout = rollout
            # What was counted before the step says nothing about it.
            self._tallies.clear()

    def _heard(self, told: Acknowledgement) -> None:
        with self._lock:
            self._told[told.server] = told

    def _reported(self, server: str, content: bytes) -> None:
        try:
            report = usage_report.decode(content)
        except msgspec.MsgspecError:
            return  # whoever receives reports for their own sake tells it
        with self._lock:
            if self._rollout.mode is RolloutMode.STAGED:
                tally = self._tallies.setdefault(server, Tally())
                tally.requests += report.requests
                tally.errors += report.errors
