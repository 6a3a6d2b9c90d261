"""`egressway node`: one server of a fleet, the node agent and the data plane beside it.

Wired in the order of the CONFIG path: identity, bus, follower, data plane; then what tells of it. It
starts and serves from what is on its disk when neither the control plane nor the bus can be reached.
Started again while it runs, it takes over from the process that runs, see `node.takeover`.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.metadata import version
from typing import Final

import msgspec

from egressway.bus.bus import Bus, BusError
from egressway.data_plane.handle import DataPlaneHandle, Held
from egressway.identity.tls import client_context, load_pair
from egressway.model.enrolment import Refusal
from egressway.node.apply import Applier
from egressway.node.enrolment import ControlRefused
from egressway.node.exclusions import OLDER_PROCESS, Exclusions
from egressway.node.follow import Follower
from egressway.node.identity import Identity, IdentityFile
from egressway.node.last_good import LastGood
from egressway.node.membership import Membership, MembershipMetrics
from egressway.node.metrics import Metrics
from egressway.node.renewal import Renewal
from egressway.node.report import Reporter
from egressway.node.report_batch import ReportBatch
from egressway.node.takeover import Predecessor, SuccessorListener
from egressway.services.access_log_file import open_access_log
from egressway.services.api_server import ApiServer, listen
from egressway.services.bus_start import node_client, open_bus
from egressway.services.configuration import Configuration
from egressway.services.data_directory import DataDirectory
from egressway.services.fleet_node_health import FleetNodeHealth
from egressway.services.invitation import Invitation
from egressway.services.node_announce import announcements
from egressway.services.node_app import node_app
from egressway.services.node_identity import own_link, start_identity
from egressway.services.node_steering import NodeSteering, steering_of
from egressway.services.open_files import prepare_open_files
from egressway.services.process import reachable
from egressway.services.server_settings import node_settings
from egressway.services.start_error import StartError
from egressway.wire import usage_report
from egressway.wire.usage_report import UsageReport

__all__ = ["MakeDataPlane", "Node"]

MakeDataPlane = Callable[[Configuration], DataPlaneHandle]
FIRST_SNAPSHOT_SECONDS: Final = 10.0
LOOK_SECONDS: Final = 0.25
POLL_SECONDS: Final = 0.01
_ENDS: Final = {
    "revoked": "is revoked, for life. Give the machine another name, and join it again.",
    "fenced": (
        "has another node by now, so this one has ended. Join this machine under a name of its own, "
        "or again as this server: `egressway server token NAME`."
    ),
}
"""What a node does not outlive, by its standing in the fleet."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Agent:
    """What runs beside the data plane."""

    data_plane: DataPlaneHandle
    applier: Applier
    exclusions: Exclusions
    follower: Follower
    renewal: Renewal
    bus: Bus
    last_good: LastGood


class Node:
    """One process of one server."""

    def __init__(
        self,
        configuration: Configuration,
        invitation: Invitation,
        make_data_plane: MakeDataPlane,
    ) -> None:
        self._configuration = configuration
        self._invitation = invitation
        self._make_data_plane = make_data_plane
        self._running = ExitStack()
        self._agent: _Agent | None = None
        self._admin: ApiServer | None = None
        self._leaves_to_newer = threading.Event()
        self._is_stopping = threading.Event()
        self._refused: ControlRefused | None = None
        self._successors: SuccessorListener | None = None
        self._health: FleetNodeHealth | None = None
        self._steering: NodeSteering | None = None

    @property
    def admin_url(self) -> str:
        """Where its health is told."""
        assert self._admin is not None, "start first"
        return f"http://{reachable(str(self._configuration.node.admin_address))}:{self._admin.port}"

    def ingress(self, *, tls: bool) -> list[tuple[str, int]]:
        """Where clients connect: reachable address and real port of each listener."""
        assert self._agent is not None, "start first"
        listeners = self._agent.data_plane.status().listeners
        return [(reachable(each.address), each.port) for each in listeners if each.tls == tls]

    def lines(self) -> list[str]:
        """Where it is."""
        assert self._agent is not None, "start first"
        http = [f"http://{address}:{port}" for address, port in self.ingress(tls=False)]
        https = [f"https://{address}:{port}" for address, port in self.ingress(tls=True)]
        server = self._agent.renewal.identity.server
        return [
            f"egressway {version('egressway')} node `{server}` is up; Ctrl-C stops it",
            f"  HTTP   {', '.join(http) or 'none before the first snapshot'}",
            f"  HTTPS  {', '.join(https) or 'none before the first snapshot'}",
            f"  admin  {self.admin_url}",
            f"  data   {self._configuration.data}",
        ]

    def serve_until(self, asked_to_stop: threading.Event) -> str | None:
        """Until a signal, a newer process, or the fleet that wants this node no more: then why."""
        while not asked_to_stop.wait(LOOK_SECONDS):
            if self._leaves_to_newer.is_set():
                return None
            if (reason := self._unwanted()) is not None:
                return reason
        return None

    def start(self) -> None:
        """Bring everything up; raises `StartError` and leaves nothing behind."""
        with ExitStack() as started:
            data = DataDirectory(self._configuration.data, may_wait=True)
            started.callback(data.close)
            predecessor = _predecessor(data)
            if predecessor is not None:
                started.callback(predecessor.close)
            prepare_open_files(self._configuration.egress.connection_cap)
            file = IdentityFile(data.path)
            identity = start_identity(self._configuration, file, self._invitation)
            self._agent = self._make_agent(started, data, file, identity)
            self._start_admin(started, data, self._agent)
            self._serve(started, data, self._agent, predecessor)
            if predecessor is None:
                self._await_successor(data, self._agent)
            else:
                self._take_over(predecessor, data, self._agent)
            self._running = started.pop_all()

    def stop(self) -> None:
        """Let open requests end, then take everything down; a second call does nothing."""
        self._is_stopping.set()
        if self._leaves_to_newer.is_set():
            # Whoever asks is to be told of the newer process, and it is to steer.
            if self._admin is not None:
                self._admin.stop()
            if self._steering is not None:
                self._steering.stop(hand_over=True)
        self._running.close()

    def _make_agent(
        self, started: ExitStack, data: DataDirectory, file: IdentityFile, identity: Identity
    ) -> _Agent:
        authority, chain, key = _pem_of(identity)
        tls = client_context(authority, chain, key)
        url = self._configuration.bus.url or identity.bus_url
        bus = open_bus(url, tls, name=node_client(identity.server))
        started.callback(bus.close)
        last_good = LastGood(data.path)
        started.callback(last_good.close)
        data_plane = self._make_data_plane(self._configuration)
        data_plane.set_identity(authority, chain, key)
        applier, exclusions = Applier(data_plane), Exclusions(data_plane.exclude)
        settings = node_settings(
            self._configuration,
            server=identity.server,
            epoch=identity.epoch,
            link=own_link(self._configuration),
        )
        follower = Follower(
            bus, settings, applier, data_plane, exclusions=exclusions, last_good=last_good
        )

        def use(renewed: Identity) -> None:
            authority, chain, key = _pem_of(renewed)
            load_pair(tls, chain, key)
            data_plane.set_identity(authority, chain, key)

        renewal = Renewal(identity, file, use, self._note_refusal)
        return _Agent(data_plane, applier, exclusions, follower, renewal, bus, last_good)

    def _start_admin(self, started: ExitStack, data: DataDirectory, agent: _Agent) -> None:
        """Health, metrics, access log and reports. Health can be asked until the end."""
        node = self._configuration.node
        bound = listen(
            node.admin_address,
            node.admin_port,
            what="this server's health",
            setting="node.admin_port",
            is_shared=True,
        )
        started.callback(bound.close)
        metrics = Metrics()
        metrics.watch(lambda: agent.follower.state)
        metrics.registry.register(MembershipMetrics(self._membership))
        health = FleetNodeHealth(
            agent.data_plane,
            lambda: agent.applier.state,
            lambda: agent.follower.state,
        )
        self._health = health
        self._admin = ApiServer(node_app(health, metrics.registry), bound, name="admin")
        started.callback(self._admin.stop)
        self._admin.start()
        started.callback(self._tell_successor)
        batch = ReportBatch(lambda report: _deliver(agent.bus, report))
        process = secrets.token_hex(4)
        reporter = Reporter(
            server=agent.renewal.identity.server,
            data_plane=agent.data_plane,
            state=lambda: agent.applier.state,
            access_log=open_access_log(self._configuration.access_log, data),
            send=lambda report: batch.add(msgspec.structs.replace(report, process=process)),
            metrics=metrics,
        )
        reporter.start()
        started.callback(batch.flush)
        started.callback(reporter.stop)

    def _serve(
        self,
        started: ExitStack,
        data: DataDirectory,
        agent: _Agent,
        predecessor: Predecessor | None,
    ) -> None:
        """From disk at once, if there is something; then what the bus says."""
        self._start_steering(started, data, agent)
        started.callback(self._drain, agent.data_plane)
        announcing = announcements(
            self._configuration.announce,
            agent.renewal.identity.server,
            agent.follower,
            self._is_ready,
        )
        if announcing is not None:
            # Withdrawn before it drains: nobody is to be sent here who would be turned away.
            started.callback(announcing.stop)
        if predecessor is not None:
            agent.exclusions.put(OLDER_PROCESS, _room_of(predecessor, data))
            agent.follower.instance = predecessor.instance or agent.follower.instance
            agent.data_plane.set_part("arriving")
        agent.follower.restore()
        self._check_wanted()
        if announcing is not None:
            announcing.start()
        agent.follower.start()
        started.callback(agent.follower.stop)
        agent.renewal.start()
        started.callback(agent.renewal.stop)
        self._await_first_snapshot(agent)

    def _start_steering(self, started: ExitStack, data: DataDirectory, agent: _Agent) -> None:
        """Addresses are this host's before the data plane binds them."""
        self._steering = steering_of(
            self._configuration.node,
            data.path,
            agent.renewal.identity.server,
            agent.bus,
            lambda: (*agent.data_plane.held(), *agent.exclusions.of(OLDER_PROCESS)),
        )
        if self._steering is None:
            return
        kept = agent.last_good.load()
        if kept is not None:
            self._steering.note(kept.state)
        agent.follower.keep_beside(self._steering)
        self._steering.start()
        started.callback(self._steering.stop, hand_over=False)

    def _await_first_snapshot(self, agent: _Agent) -> None:
        """A start that cannot listen is a failed start; one without a bus is none."""
        until = time.monotonic() + FIRST_SNAPSHOT_SECONDS
        while agent.applier.state.applied is None and time.monotonic() < until:
            refusal = agent.applier.state.refusal
            if refusal is not None and refusal.kind == "listener":
                raise StartError(
                    f"clients cannot be listened for: {refusal.reason}. End what uses the port, or "
                    "change `[ingress]` in the configuration; ports below 1024 need "
                    "CAP_NET_BIND_SERVICE."
                )
            time.sleep(POLL_SECONDS)
        if agent.applier.state.applied is None:
            _log.warning(
                "nothing is served yet: there is no snapshot on disk, and the bus has brought none"
            )

    def _take_over(self, predecessor: Predecessor, data: DataDirectory, agent: _Agent) -> None:
        """Both serve already; now the older one is told to leave, and followed until it has."""
        predecessor.leave()

        def follow() -> None:
            predecessor.follow(lambda held: agent.exclusions.put(OLDER_PROCESS, held))
            if self._is_stopping.is_set():
                return
            agent.data_plane.set_part("whole")
            agent.applier.again()
            data.wait()
            self._await_successor(data, agent)
            _log.info("the older process is gone")

        threading.Thread(target=follow, name="takeover-follow", daemon=True).start()

    def _await_successor(self, data: DataDirectory, agent: _Agent) -> None:
        """From now on a newer process finds this one; one at a time takes over."""

        def make_room(is_wanted: bool) -> None:
            agent.data_plane.set_part("leaving" if is_wanted else "whole")
            agent.applier.again()

        self._successors = SuccessorListener(
            data.path,
            make_room=make_room,
            held=agent.data_plane.held,
            leave=self._leaves_to_newer.set,
            instance=agent.follower.instance,
        )
        self._successors.start()

    def _tell_successor(self) -> None:
        """That nothing is held any more."""
        if self._successors is not None:
            self._successors.stop()

    def _drain(self, data_plane: DataPlaneHandle) -> None:
        node, plane = self._configuration.node, self._configuration.data_plane
        is_replaced = self._leaves_to_newer.is_set()
        cut = data_plane.stop(node.handover_seconds if is_replaced else plane.drain_seconds)
        if cut:
            _log.warning("%d connections were cut at the drain deadline", cut)

    # How the fleet sees it.

    def _is_ready(self) -> bool:
        return self._health is not None and not self._health.not_ready()

    def _membership(self) -> Membership:
        assert self._agent is not None, "start first"
        identity, follower = self._agent.renewal.identity, self._agent.follower.state
        return Membership(
            epoch=identity.epoch,
            is_bus_connected=follower.is_connected,
            certificate_ends_at=identity.not_after.timestamp(),
        )

    def _note_refusal(self, refused: ControlRefused) -> None:
        if refused.code in (Refusal.REVOKED, Refusal.SUPERSEDED):
            self._refused = refused

    def _unwanted(self) -> str | None:
        """Why this node must not go on as this server; None as long as it may."""
        if self._refused is not None:
            return f"the fleet wants this node no more: {self._refused}"
        assert self._agent is not None, "start first"
        why = _ENDS.get(self._agent.follower.state.standing)
        server = self._agent.renewal.identity.server
        return f"the server `{server}` {why}" if why else None

    def _check_wanted(self) -> None:
        if (reason := self._unwanted()) is not None:
            raise StartError(reason)


def _predecessor(data: DataDirectory) -> Predecessor | None:
    """The process that serves from this directory, if there is one that hands over."""
    if data.is_locked:
        return None
    found = Predecessor.find(data.path)
    if found is None:
        raise data.in_use
    return found


def _room_of(predecessor: Predecessor, data: DataDirectory) -> tuple[Held, ...]:
    """What it holds beyond the part it keeps; a process that does not answer has to be stopped."""
    try:
        return predecessor.make_room()
    except (OSError, msgspec.MsgspecError) as silence:
        raise StartError(
            f"{data.in_use} It does not hand over: {silence}. When it is being replaced already, "
            "start again when that is done."
        ) from silence


def _pem_of(identity: Identity) -> tuple[bytes, bytes, bytes]:
    """Authority, chain, key."""
    texts = (identity.authority, identity.certificate, identity.key)
    authority, chain, key = (text.encode("ascii") for text in texts)
    return authority, chain, key


def _deliver(bus: Bus, report: UsageReport) -> bool:
    try:
        bus.report(report.server, usage_report.encode(report))
    except BusError as failure:
        _log.debug("usage is told later: %s", failure)
        return False
    return True
