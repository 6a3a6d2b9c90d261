"""Keeps the host's return steering at the desired state (CONFIG 4 of 5, before `apply`).

    steering = Steering(SteeringSettings(record=data_directory / "steering.json"))
    steering.start()            # raises SteeringError; the node goes on without
    steering.apply(situation)   # before the data plane is told: it binds what is local by then
    steering.check()            # every second: puts back what somebody else has taken away
    steering.stop()             # after the announcements are gone; the host is as before

Order matters within a step. What would let a packet reach the wrong socket comes last when it is added
and goes first when it is removed: an address is local only while the packet filter guards it.
"""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Literal

from egressway.node.steering.desired import (
    NextHop,
    Server,
    Situation,
    SlicesOverlap,
    SteeringState,
    steering_state,
)
from egressway.node.steering.errors import (
    SteeringBusy,
    SteeringError,
    SteeringFailed,
    SteeringRefused,
    SteeringUnavailable,
)
from egressway.node.steering.kernel_settings import KernelSettings
from egressway.node.steering.names import LOCK
from egressway.node.steering.netlink import NetlinkError, netlink
from egressway.node.steering.nft import Surroundings, render_change, render_gone, render_whole
from egressway.node.steering.packet_filter import PacketFilter
from egressway.node.steering.routing import Remembered, Route, Routing
from egressway.node.steering.tunnel import Tunnel, TunnelSettings, gateway_of

__all__ = ["Steering", "SteeringSettings", "SteeringStatus"]

_CAP_NET_ADMIN: Final = 12
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SteeringSettings:
    """What this server's own configuration says."""

    record: Path
    """File that keeps how the host's parameters were before; in the node's data directory."""
    tunnel: TunnelSettings = field(default_factory=TunnelSettings)


@dataclass(frozen=True, slots=True)
class SteeringStatus:
    """For health, metrics and people."""

    state: Literal["off", "on", "failing"] = "off"
    reason: str | None = None
    """Why it is off or failing; ends with what to do."""
    unreachable: tuple[str, ...] = ()
    """Servers whose packets are dropped here, since there is no way to them."""
    warnings: tuple[str, ...] = ()
    repairs_total: int = 0
    """How often something of ours was gone and has been put back."""


class Steering:
    """For any thread; one step at a time."""

    def __init__(self, settings: SteeringSettings) -> None:
        self._settings = settings
        self._filter = PacketFilter()
        self._kernel_settings = KernelSettings(settings.record)
        self._one_at_a_time = threading.RLock()
        self._lock: socket.socket | None = None
        self._situation: Situation | None = None
        self._applied: SteeringState | None = None
        self._surroundings: Surroundings | None = None
        self._fingerprint: str | None = None
        self._generation = 0
        self._tunnel_problem: str | None = None
        self._tunnel_seen: tuple[object, int] | None = None
        self._remembered = Remembered()
        self._status = SteeringStatus()

    @property
    def status(self) -> SteeringStatus:
        """The newest, immutable."""
        return self._status

    def counters(self) -> Mapping[str, int]:
        """Packets sent on, dropped and refused since the table was made."""
        return self._filter.counters() if self._lock else {}

    def start(self) -> None:
        """Make sure that this host can and may be changed; changes nothing yet.

        What an earlier process has left behind is taken over: packets flow on meanwhile.
        """
        with self._one_at_a_time, self._told():
            if self._lock is None:
                self._require()
                self._lock = _take_lock()
                try:
                    self._look_for_objections()
                except BaseException:
                    self._let_go()
                    raise

    def apply(self, situation: Situation) -> None:
        """Lead the kernel to what `situation` asks for; differences only.

        Raises:
            SlicesOverlap: the situation contradicts itself; what was applied stays.
            SteeringError: it is not, or not wholly, in force; `check` tries again.
        """
        with self._one_at_a_time:
            before, self._situation = self._situation, situation
            try:
                if self._lock is None:
                    steering_state(situation)
                else:
                    with self._told():
                        self._converge()
            except SlicesOverlap:
                self._situation = before
                raise

    def check(self) -> bool:
        """Look whether all is still in place, and put it back; True when something was missing.

        Starts, too, once what was in the way is gone.
        """
        with self._one_at_a_time:
            try:
                self.start()
                if self._situation is None or self._lock is None:
                    return False
                self._remembered.forget()
                self._tunnel_seen = None
                with self._told():
                    is_repair = self._converge()
                    if self._fingerprint is None and self._filter.generation() == self._generation:
                        # Nobody has changed anything since we have: what is there is as it should be.
                        self._fingerprint = self._filter.fingerprint()
                    return is_repair
            except SteeringError:
                return False  # `status` says why

    def stop(self, *, hand_over: bool = False) -> None:
        """Leave the host as it was; with `hand_over` leave everything to the next process."""
        with self._one_at_a_time:
            if self._lock is None:
                return
            try:
                if not hand_over:
                    self._remove()
            finally:
                self._let_go()
                self._applied = None
                self._status = SteeringStatus(repairs_total=self._status.repairs_total)

    # Steps.

    def _require(self) -> None:
        if not _may_administrate():
            raise SteeringUnavailable(
                "the capability CAP_NET_ADMIN",
                "Run the node as root or give it the capability; until then, place every address on "
                "one server only and configure it on an interface.",
            )
        self._filter.require()

    def _look_for_objections(self) -> None:
        with netlink() as kernel:
            reason = (
                Routing(kernel, self._remembered).objection()
                or Tunnel(kernel, self._settings.tunnel).objection()
                or self._filter.objection()
            )
        if reason:
            raise SteeringRefused(f"return packets are not steered: {reason}")

    def _converge(self) -> bool:
        """From whatever the kernel holds to the situation; True when something of ours was missing."""
        assert self._situation is not None
        with netlink() as kernel:
            routing = Routing(kernel, self._remembered)
            after, routes = self._resolve(routing, Tunnel(kernel, self._settings.tunnel))
            if reason := routing.objection_to_tables(after.next_hops.keys() - self._known_marks()):
                raise SteeringRefused(f"return packets are not steered: {reason}")
            marks = after.next_hops.keys() | self._known_marks()
            routing.apply_rules(marks)
            routing.apply_routes({*routes, *self._routes_in_use(routing, after)})
            routing.apply_local(after.local, only_remove=True)
            lost = self._filter_packets(after)
            routing.apply_local(after.local)
            self._kernel_settings.apply(after.reserved_ports)
            routing.apply_rules(after.next_hops.keys())
            routing.apply_routes(routes)
            is_repair = self._applied == after and (lost or routing.changes > 0)
        self._applied = after
        self._note(after, is_repair)
        return is_repair

    def _resolve(self, routing: Routing, tunnel: Tunnel) -> tuple[SteeringState, frozenset[Route]]:
        """The state for the network as it is, with the routes to everybody."""
        assert self._situation is not None
        devices = _devices(self._situation, routing)
        after = steering_state(self._situation, [n for n, device in devices.items() if not device])
        index = 0
        try:
            index = self._tunnel_device(after, routing, tunnel)
            self._tunnel_problem = None
        except SteeringUnavailable as unavailable:
            self._tunnel_problem = str(unavailable)
            after = _without(after, _tunnelled(after))
        return after, frozenset(
            Route(mark, index, gateway_of(hop.number))
            if hop.through_tunnel
            else Route(mark, devices[hop.server] or 0, str(hop.underlay))
            for mark, hop in after.next_hops.items()
        )

    def _tunnel_device(self, after: SteeringState, routing: Routing, tunnel: Tunnel) -> int:
        """Index of the device; 0 when none is needed."""
        peers = _tunnelled(after)
        if not peers and not after.far:
            tunnel.remove()
            return 0
        own = after.own_underlay
        local = own if own is not None and routing.is_configured(own) else None
        if self._tunnel_seen is None or self._tunnel_seen[0] != (local, peers):
            index = tunnel.apply(after.own_number, local, peers.values())
            self._tunnel_seen = ((local, peers), index)
        return self._tunnel_seen[1]

    def _routes_in_use(self, routing: Routing, after: SteeringState) -> set[Route]:
        """Ways that packets take until the packet filter has changed."""
        leaving = self._known_marks() - after.next_hops.keys()
        return {route for route in routing.mark_routes() if route.table in leaving}

    def _known_marks(self) -> set[int]:
        return set(self._applied.next_hops) if self._applied else set()

    def _filter_packets(self, after: SteeringState) -> bool:
        """Bring the packet filter to `after`; True when our table was not as we left it."""
        surroundings = Surroundings(
            tunnel_port=self._settings.tunnel.port,
            tunnel_mtu=self._settings.tunnel.mtu,
            forwards_for_others=self._kernel_settings.was_router,
        )
        is_known = self._applied is not None and self._surroundings == surroundings
        lost = is_known and self._is_table_changed()
        if self._applied is None or not is_known or lost:
            text = render_whole(after, surroundings)
        else:
            text = render_change(self._applied, after)
        if text:
            self._filter.apply(text)
            self._surroundings = surroundings
            self._generation = self._filter.generation()
            self._fingerprint = None
        return lost

    def _is_table_changed(self) -> bool:
        """Others change their own tables all the time; listing ours is for then only."""
        generation = self._filter.generation()
        if generation == self._generation:
            return False
        self._generation = generation
        return self._filter.fingerprint() != self._fingerprint

    def _remove(self) -> None:
        with netlink() as kernel, self._told():
            routing = Routing(kernel, self._remembered)
            routing.apply_local(())
            routing.remove_rules()
            self._filter.apply(render_gone())
            routing.apply_routes(())
            Tunnel(kernel, self._settings.tunnel).remove()
            self._kernel_settings.restore()
        self._remembered.forget()
        self._tunnel_seen = None

    def _let_go(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    # What is told about it.

    def _note(self, after: SteeringState, is_repair: bool) -> None:
        if is_repair:
            _log.warning("somebody had changed the return steering; it has been put back")
        problems = [*self._kernel_settings.warnings]
        if self._tunnel_problem:
            problems.append(self._tunnel_problem)
        for new in set(problems) - set(self._status.warnings):
            _log.warning("%s", new)
        self._status = SteeringStatus(
            state="on",
            unreachable=after.unreachable,
            warnings=tuple(problems),
            repairs_total=self._status.repairs_total + is_repair,
        )

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Every failure leaves as a `SteeringError` and stands in `status`."""
        try:
            yield
        except (NetlinkError, OSError) as failure:
            told = SteeringFailed(f"the kernel refused a step of the return steering: {failure}")
            self._failing(told)
            raise told from failure
        except SteeringError as failure:
            self._failing(failure)
            raise

    def _failing(self, failure: SteeringError) -> None:
        if self._status.reason != str(failure):
            _log.error("%s", failure)
        state: Literal["off", "failing"] = "failing" if self._applied else "off"
        self._status = replace(self._status, state=state, reason=str(failure))


def _devices(situation: Situation, routing: Routing) -> dict[str, int | None]:
    """Interfaces towards the neighbours of the own data center; None when there is a router between."""
    own = next(server for server in situation.servers if server.name == situation.own)
    return {
        server.name: routing.device_towards(server.underlay)
        for server in situation.servers
        if _is_neighbour(own, server) and server.underlay is not None
    }


def _is_neighbour(own: Server, server: Server) -> bool:
    return server.data_center == own.data_center and server.name != own.name


def _tunnelled(state: SteeringState) -> dict[int, NextHop]:
    return {mark: hop for mark, hop in state.next_hops.items() if hop.through_tunnel}


def _without(state: SteeringState, lost: Mapping[int, NextHop]) -> SteeringState:
    """Marks without a way: what has them ends at the rule for lost packets."""
    return replace(
        state,
        next_hops={mark: hop for mark, hop in state.next_hops.items() if mark not in lost},
        unreachable=tuple(sorted({*state.unreachable, *(hop.server for hop in lost.values())})),
    )


def _take_lock() -> socket.socket:
    lock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        lock.bind(LOCK)
    except OSError as taken:
        lock.close()
        raise SteeringBusy(
            "another process steers return packets on this host. Nothing to do when it is the node "
            "that this one replaces; it is tried again every second."
        ) from taken
    return lock


def _may_administrate() -> bool:
    for line in Path("/proc/self/status").read_text("ascii").splitlines():
        if line.startswith("CapEff:"):
            return bool(int(line.split()[1], 16) >> _CAP_NET_ADMIN & 1)
    return False
