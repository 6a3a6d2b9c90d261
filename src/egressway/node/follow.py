"""Follows the bus: every change in order, as far as the rollout lets it (CONFIG 4 of 5).

    change fits what there is  -> applied, kept on disk, acknowledged
    change starts later        -> everything is fetched, and what came since
    not permitted yet          -> waits, in order, but for what no rollout holds back
    cannot be read             -> as if it were missing; told, and what runs goes on

The server starts from what is on disk and serves it for as long as nothing else can be reached. All
of it happens on one thread; the bus and others only put events into its queue.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Final

from egressway.bus.bus import Bus, BusError, Cancel, ConfigMessage, Value
from egressway.data_plane.handle import DataPlaneHandle
from egressway.node.apply import Applier
from egressway.node.beside import Alone, Beside, guarded
from egressway.node.exclusions import Exclusions
from egressway.node.gatekeeper import Gatekeeper
from egressway.node.handover import Handover
from egressway.node.inbox import Inbox
from egressway.node.instance import Instance
from egressway.node.keeping import Keeping
from egressway.node.last_good import LastGood
from egressway.node.running import Contradiction, Running
from egressway.node.settings import NodeSettings
from egressway.node.surroundings import Standing
from egressway.node.unstaged import Unstaged
from egressway.wire.acknowledgement import Acknowledgement
from egressway.wire.fleet import FleetMessageError, Topology, decode, encode
from egressway.wire.fleet_state import BaseMismatch, FleetState
from egressway.wire.region_class import EVERYWHERE, class_of

__all__ = ["Follower", "FollowerState"]

TICK_SECONDS: Final = 0.5
ACKNOWLEDGE_SECONDS: Final = 5.0
STUCK_SECONDS: Final = 2.0
SUPERSEDED: Final = "another node was started with the same identity"
SHUT_OUT_SECONDS: Final = 5.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FollowerState:
    """What health and metrics tell of the way here; immutable, readable from any thread."""

    revision: int = 0
    """Of the fleet's state that is held to; the data plane's is in `NodeState`."""
    waiting: int = 0
    """Changes that the rollout does not permit yet."""
    standing: Standing = "active"
    alarm: str | None = None
    """Why a message was not used. What runs goes on."""
    withheld: dict[str, str] = field(default_factory=dict)
    not_kept: str | None = None
    """Why what runs is not on disk."""
    is_connected: bool = False


@dataclass(frozen=True, slots=True)
class _Held:
    source: str
    content: bytes


@dataclass(frozen=True, slots=True)
class _Started:
    mark: bytes


@dataclass(frozen=True, slots=True)
class _Published:
    watch: int
    message: ConfigMessage


class Follower:
    """A thread between `start` and `stop`."""

    def __init__(
        self,
        bus: Bus,
        settings: NodeSettings,
        applier: Applier,
        data_plane: DataPlaneHandle,
        *,
        exclusions: Exclusions | None = None,
        last_good: LastGood | None = None,
    ) -> None:
        self._bus = bus
        self._settings = settings
        self._applier = applier
        self._cls = EVERYWHERE
        self._has_begun = False  # with this class
        self._events: queue.SimpleQueue[_Published | Value | _Held | _Started | None] = (
            queue.SimpleQueue()
        )
        self._inbox = Inbox(
            bus, lambda watch, message: self._events.put(_Published(watch, message))
        )
        self._beside: Beside = Alone()
        self._running = Running(
            settings,
            applier,
            before=self._before,
            after=self._after,
        )
        self._gate = Gatekeeper(last_good)
        self._keeping = Keeping(last_good, self._running, self._gate)
        self._unstaged = Unstaged()
        self._handover = Handover(
            bus,
            settings.server,
            data_plane,
            exclusions or Exclusions(data_plane.exclude),
            lambda source, content: self._events.put(_Held(source, content)),
            heard_of=self._heard_of,
            telling=self._telling,
        )
        self._instance = Instance(
            bus, settings.server, lambda mark: self._events.put(_Started(mark))
        )
        self._is_superseded = False
        self._sequence = 0
        self._stuck_until = 0.0
        self._alarm: str | None = None
        self._wants_whole = False
        self._acknowledged_at = 0.0
        self._again_at = 0.0
        self._class_at = 0.0
        self._cannot_begin = False
        self._cancel_gate: Cancel | None = None
        self._state = FollowerState()
        self._has_settled = threading.Event()
        self._listeners: list[Callable[[FleetState], None]] = []
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="follow", daemon=True)

    @property
    def state(self) -> FollowerState:
        """The newest, immutable."""
        return self._state

    @property
    def instance(self) -> str:
        """Mark of this node among those that have the same identity."""
        return self._instance.mark

    @instance.setter
    def instance(self, mark: str) -> None:
        """Go on as another process's; before `start` only."""
        self._instance.mark = mark

    def on_state(self, listener: Callable[[FleetState], None]) -> None:
        """Called in the follower's thread after each change of topology or pools; must return soon.

        For what is derived from the fleet and follows the data plane: announcements. Called before
        `start` only.
        """
        self._listeners.append(listener)

    def keep_beside(self, beside: Beside) -> None:
        """Have return steering in step with the data plane. Called before `restore` only."""
        self._beside = beside

    def restore(self) -> bool:
        """Serve what is on disk, before anything else is asked; false when there is nothing usable."""
        found = self._keeping.load()
        if found is None:
            return False
        try:
            self._running.become(found.state)
        except Contradiction as defect:
            self._raise_alarm(str(defect))
            return False
        self._sequence, self._has_begun = found.sequence, True
        self._cls = self._own_class()
        self._look_around()
        self._publish_state()
        _log.info("revision %d is served from disk", found.state.revision)
        return self._running.is_brought

    def start(self) -> None:
        """Follow from now on."""
        self._thread.start()

    def wait(self, seconds: float) -> bool:
        """Until something has been tried, served or not; whether it has."""
        return self._has_settled.wait(seconds)

    def stop(self) -> None:
        """Follow no longer; what runs goes on."""
        self._stopping = True
        self._events.put(None)
        if self._thread.ident is not None:
            self._thread.join()

    # The thread.

    def _run(self) -> None:
        next_tick = 0.0
        while not self._stopping:
            try:
                if time.monotonic() >= next_tick:
                    next_tick = time.monotonic() + TICK_SECONDS
                    self._tick()
                self._take(max(0.0, next_tick - time.monotonic()))
            except Exception:
                # The thread is the only way of a change to the data plane: it must outlive any defect.
                _log.exception("a message could not be followed")
        self._end()

    def _take(self, seconds: float) -> None:
        with suppress(queue.Empty):
            event = self._events.get(timeout=seconds)
            if isinstance(event, _Published):
                self._inbox.put(event.watch, event.message)
                self._look_ahead(event.message)
            elif isinstance(event, Value):
                self._gate.hear(event)
                self._go_back()
                self._inbox.look_again(self._sequence)
            elif isinstance(event, _Held):
                self._handover.hear(event.source, event.content)
                self._running.wait_for(self._handover.waiting())
                self._tell()
            elif isinstance(event, _Started):
                self._look_at_instance(event.mark)
            self._follow()
            self._publish_state()

    def _look_at_instance(self, mark: bytes) -> None:
        if self._is_superseded or not self._instance.is_superseded_by(mark):
            return
        self._is_superseded = True
        _log.error("%s; nothing more is opened from dedicated addresses", SUPERSEDED)
        self._running.fence()
        if self._running.state is not None:
            self._has_changed(is_around_other=True)

    def _tick(self) -> None:
        if not self._inbox.is_open:
            self._watch()
        self._instance.claim()
        self._look_for_class()
        if not self._running.is_brought and time.monotonic() >= self._again_at:
            self._again_at = time.monotonic() + STUCK_SECONDS
            self._running.again()
        self._running.wait_for(self._handover.waiting())
        self._follow()
        self._keeping.whole_if_wanted(self._sequence)
        self._tell()
        if time.monotonic() - self._acknowledged_at > ACKNOWLEDGE_SECONDS:
            self._acknowledge()
        self._publish_state()

    def _end(self) -> None:
        if self._cancel_gate is not None:
            with suppress(BusError):
                self._cancel_gate()
        self._inbox.close()
        self._instance.close()
        self._handover.close()

    # Watching.

    def _watch(self) -> None:
        """Begin with everything where there is nothing, then with what has come since."""
        if not self._gate.ask(self._bus):
            return
        try:
            if self._cancel_gate is None:
                # Before the configuration, so that after an interruption it is looked at first.
                self._cancel_gate = self._bus.watch_gate(self._events.put)
            if not self._has_begun and not self._begin():
                return
        except BusError as failure:
            _log.debug("the bus cannot be followed yet: %s", failure)
            self._cannot_begin = True
        else:
            self._cannot_begin = False
            self._inbox.open(self._cls, self._sequence)

    def _begin(self) -> bool:
        """With a whole, if there is one; a bus that is new has none, and nothing to miss."""
        cls, whole = self._cls, self._bus.get_whole(self._cls)
        if self._running.state is None:
            if whole is not None:
                self._take_whole(whole.content, whole.sequence)
            has_begun = whole is None or self._running.state is not None
        elif whole is not None and whole.revision >= self._running.revision:
            has_begun = self._take_whole(whole.content, whole.sequence)
        else:
            # What is older would take back what is served.
            has_begun, self._wants_whole = False, True
            self._acknowledge()
        # It may have told that this server is in another class, with which it is to begin then.
        self._has_begun = has_begun and self._cls == cls
        return self._has_begun

    def _look_at_class(self) -> None:
        """In another class everything has to be begun with that servers of it are sent."""
        own = self._own_class()
        if own != self._cls:
            _log.info("this server reads the configuration of class %s now", own)
            self._begin_with(own)

    def _begin_with(self, cls: str) -> None:
        self._cls, self._has_begun = cls, False
        self._inbox.close()

    def _look_for_class(self) -> None:
        """A server that is shut out from its class may be in another one by now.

        What everybody may read says which. If it is this one all the same, it will be let in soon.
        """
        is_shut_out = self._bus.is_denied(self._cls) or self._cannot_begin
        is_due = time.monotonic() - self._class_at > SHUT_OUT_SECONDS
        if not (is_shut_out and is_due) or self._cls == EVERYWHERE:
            return
        self._class_at = time.monotonic()
        try:
            whole, last = self._bus.get_whole(EVERYWHERE), self._bus.last_config(EVERYWHERE)
            content = decode(whole.content) if whole else None
        except (BusError, FleetMessageError) as failure:
            _log.debug("which class this server is in cannot be looked up: %s", failure)
            return
        if content is not None and content.revision >= self._running.revision:
            cls = self._class_in(content.topology)
            if cls != self._cls:
                _log.warning("this server may not read class %s any more, but %s", self._cls, cls)
                self._begin_with(cls)
                return
        if content is None or last is None or content.revision < last.revision:
            self._wants_whole = True
            self._acknowledge()

    def _class_in(self, topology: Topology | None) -> str:
        servers = topology.servers if topology else ()
        own = next((each for each in servers if each.name == self._settings.server), None)
        return class_of(own, topology) if own and topology else EVERYWHERE

    def _own_class(self) -> str:
        state, around = self._running.state, self._running.around
        if state is None or around is None or around.own is None:
            return self._cls
        return class_of(around.own, state.topology)

    def _read_again(self, sequence: int) -> None:
        """Have the bus send everything after `sequence` once more."""
        self._sequence = sequence
        self._inbox.open(self._cls, sequence)

    # Following.

    def _follow(self) -> None:
        while (message := self._inbox.first) and time.monotonic() >= self._stuck_until:
            if not self._is_permitted(message.revision):
                return
            try:
                is_done = self._take_message(message)
            except BusError as failure:
                _log.debug("what is missing cannot be fetched yet: %s", failure)
                is_done = False
            if is_done:
                self._inbox.take(message)
                continue
            if self._inbox.first is message:
                self._stuck_until = time.monotonic() + STUCK_SECONDS
            self._acknowledge()
            return

    def _is_permitted(self, revision: int) -> bool:
        permitted = self._permitted()
        # Something that is not permitted is better than nothing at all.
        return permitted is None or revision <= permitted or self._running.state is None

    def _permitted(self) -> int | None:
        around = self._running.around
        own = around.own if around else None
        data_center = own.data_center if own else ""
        return self._gate.rollout.permitted(self._settings.server, data_center)

    def _look_ahead(self, message: ConfigMessage) -> None:
        """What no rollout holds back does not wait with the rest of a message."""
        if self._running.state is None or self._is_permitted(message.revision):
            return
        try:
            content = message.content
            if message.base_revision is None:
                whole = self._bus.get_whole(self._cls)
                if whole is None:
                    return
                content = whole.content
            self._unstaged.look(decode(content))
        except (BusError, FleetMessageError) as defect:
            _log.warning("what waits cannot be looked at: %s", defect)
        self._stand()

    def _stand(self) -> None:
        """As was heard last, at whatever revision."""
        state = self._running.state
        assert state is not None
        change = self._unstaged.over(state)
        if change is None:
            return
        try:
            self._running.change(change, self._handover.waiting())
        except (Contradiction, BaseMismatch) as defect:
            self._raise_alarm(str(defect))
            return
        self._keeping.change(encode(change), self._sequence)
        self._has_changed(is_around_other=True)

    def _take_message(self, message: ConfigMessage) -> bool:
        """Whether the next one can follow."""
        running = self._running
        if message.base_revision is None:
            return self._begin_anew(message)
        if running.state is not None and message.revision < running.revision:
            return True  # what it brought is there already
        if running.state is None or message.base_revision > running.revision:
            return self._fetch(message, message.base_revision)
        try:
            self._take_change(message)
        except (FleetMessageError, Contradiction, BaseMismatch) as defect:
            self._raise_alarm(str(defect))
            return self._fetch(message, message.revision)
        return True

    def _take_change(self, message: ConfigMessage) -> None:
        sent = decode(message.content)
        change = self._unstaged.amended(sent)
        state = self._running.state
        assert state is not None
        self._gate.before_going_on(state, self._sequence, change.revision)
        # Before the ports are in force, who must not be disturbed by them has to be known.
        with self._looking_at(change.topology):
            self._running.change(change, self._handover.waiting())
        self._sequence = message.sequence
        self._alarm, self._wants_whole = None, False
        self._unstaged.forget(change.revision)
        self._keeping.change(
            message.content if change is sent else encode(change), message.sequence
        )
        self._has_changed(
            is_around_other=bool(change.topology or change.pools or change.removed_pools)
        )

    def _begin_anew(self, message: ConfigMessage) -> bool:
        """The message says that everything is to be fetched, whatever there is."""
        if message.revision == self._running.revision and self._sequence >= message.sequence:
            return True
        whole = self._bus.get_whole(self._cls)
        if whole and (whole.revision == message.revision or whole.sequence >= message.sequence):
            return self._take_whole(whole.content, max(whole.sequence, message.sequence))
        self._wants_whole = True
        return False

    def _fetch(self, message: ConfigMessage, needed: int) -> bool:
        """The whole, where it brings this server on towards the message or past it."""
        whole = self._bus.get_whole(self._cls)
        if whole is not None and not self._is_permitted(whole.revision):
            return False
        is_of_use = whole is not None and (
            self._running.state is None or self._running.revision < whole.revision
        )
        if whole is None or not is_of_use or not self._take_whole(whole.content, whole.sequence):
            self._wants_whole = True
            return False
        if whole.revision < needed:
            self._read_again(whole.sequence)
            return False
        return whole.revision >= message.revision or self._take_message(message)

    def _take_whole(self, content: bytes, sequence: int) -> bool:
        try:
            whole = decode(content)
            if not self._is_permitted(whole.revision):
                self._unstaged.look(whole)
                self._stand()
                return False
            if whole.revision < self._running.revision:
                self._unstaged.forget()  # the store was restored, and knows nothing newer
            self._running_whole(FleetState(self._unstaged.amended(whole)))
            self._unstaged.forget(whole.revision)
        except (FleetMessageError, Contradiction, BaseMismatch) as defect:
            self._raise_alarm(str(defect))
            return False
        self._sequence = max(sequence, 0)
        self._alarm, self._wants_whole = None, False
        self._keeping.whole(self._sequence)
        self._has_changed(is_around_other=True)
        return True

    def _running_whole(self, state: FleetState) -> None:
        if self._running.state is not None:
            self._gate.before_going_on(self._running.state, self._sequence, state.revision)
        with self._looking_at(state.topology):
            self._running.become(state)
        self._running.wait_for(self._handover.waiting())

    @contextmanager
    def _looking_at(self, topology: Topology | None) -> Iterator[None]:
        """What is refused changes nothing: the moves are those of what goes on running, too."""
        before = self._running.state.topology if self._running.state is not None else None
        if topology is not None:
            self._handover.look_at(topology)
        try:
            yield
        except BaseException:
            if before is not None:
                self._handover.look_at(before)
            raise

    def _go_back(self) -> None:
        """Where the rollout does not permit what runs."""
        permitted = self._permitted()
        if permitted is None or self._running.state is None or self._running.revision <= permitted:
            return
        found = self._gate.way_back(permitted)
        if found is None:
            self._raise_alarm(
                f"revision {permitted} is wanted back, and this server does not have it any more"
            )
            return
        _log.warning(
            "going back from revision %d to %d", self._running.revision, found.state.revision
        )
        self._unstaged.look(self._running.state.whole())
        self._running_whole(FleetState(self._unstaged.amended(found.state.whole())))
        self._keeping.whole(self._sequence)
        self._read_again(found.sequence)
        self._has_changed(is_around_other=True)

    # What follows from a change.

    def _has_changed(self, *, is_around_other: bool) -> None:
        if is_around_other:
            self._look_around()
            self._look_at_class()
        self._publish_state()
        self._acknowledge()

    def _look_around(self) -> None:
        state = self._running.state
        assert state is not None
        self._handover.look_at(state.topology)
        self._running.wait_for(self._handover.waiting())
        self._tell()
        for listener in self._listeners:
            try:
                listener(state)
            except Exception:
                _log.exception("what is derived from the fleet could not follow")

    def _before(self, state: FleetState) -> None:
        guarded(lambda: self._beside.before(state, self._handover.told))

    def _after(self) -> None:
        guarded(self._beside.after)

    def _telling(self) -> None:
        guarded(self._beside.telling)

    def _heard_of(self) -> None:
        guarded(lambda: self._beside.heard(self._handover.told))

    def _tell(self) -> None:
        """Of a move that the data plane has not taken, nobody must believe that it keeps it."""
        if self._is_superseded:
            return  # of this server the newer one speaks
        if self._running.is_brought:
            self._handover.close_overdue()
            self._handover.tell()

    def _raise_alarm(self, text: str) -> None:
        if text != self._alarm:
            _log.error("%s; revision %d goes on", text, self._running.revision)
        self._alarm = text

    def _acknowledge(self) -> None:
        self._acknowledged_at = time.monotonic()
        refusal = self._applier.state.refusal
        superseded = SUPERSEDED if self._is_superseded else None
        reason = self._alarm or superseded or (refusal.reason if refusal else None)
        with suppress(BusError):
            self._bus.acknowledge(
                Acknowledgement(
                    revision=self._applier.state.applied_revision,
                    reason=reason,
                    server=self._settings.server,
                    epoch=self._settings.epoch,
                    withheld=self._running.withheld,
                    wants_whole=self._wants_whole,
                )
            )

    def _publish_state(self) -> None:
        around = self._running.around
        self._state = FollowerState(
            revision=self._running.revision,
            waiting=len(self._inbox),
            standing=around.standing if around else "active",
            alarm=self._alarm,
            withheld=dict(self._running.withheld),
            not_kept=self._keeping.failure,
            is_connected=self._bus.is_connected,
        )
        if self._running.state is not None or self._alarm is not None:
            self._has_settled.set()
