"""API, store, distribution, node and data plane in one process, wired in the order of the CONFIG
path.

Invariants: `start` brings everything up or nothing stays; `stop` takes everything down in the
reverse order, the data plane within its drain deadline; both are for one thread. A change that the
API has acknowledged is in the store, so a start after any end serves it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final

from litestar import Litestar

from egressway.aggregation.receive import receive
from egressway.analytics.usage import UsageLedger
from egressway.api.app import create_app
from egressway.bus.in_process import InProcessBus
from egressway.data_plane.handle import DataPlaneHandle
from egressway.distribution.publish import Publisher
from egressway.distribution.rollout import Rollouts
from egressway.node.apply import Applier
from egressway.node.follow import Follower
from egressway.node.metrics import Metrics
from egressway.node.report import Reporter
from egressway.services.access_log_file import open_access_log
from egressway.services.api_server import ApiServer, listen
from egressway.services.configuration import Configuration
from egressway.services.data_directory import DataDirectory
from egressway.services.node_health import NodeHealth
from egressway.services.open_files import prepare_open_files
from egressway.services.process import reachable
from egressway.services.server_settings import api_settings, fleet_settings, node_settings
from egressway.services.start_error import StartError
from egressway.services.store_start import ensure_operator_token, open_store
from egressway.store import Store

__all__ = ["AllInOne", "MakeDataPlane"]

MakeDataPlane = Callable[[Configuration], DataPlaneHandle]
FIRST_SNAPSHOT_SECONDS: Final = 300.0
"""For the largest store on a slow machine; a start that takes longer has failed."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Node:
    """The data plane and the agent beside it."""

    data_plane: DataPlaneHandle
    applier: Applier
    follower: Follower
    reporter: Reporter
    metrics: Metrics
    ledger: UsageLedger


class AllInOne:
    """One machine's whole Egressway."""

    def __init__(self, configuration: Configuration, make_data_plane: MakeDataPlane) -> None:
        self._configuration = configuration
        self._make_data_plane = make_data_plane
        self._running = ExitStack()
        self._node: _Node | None = None
        self._api: ApiServer | None = None

    @property
    def api_url(self) -> str:
        """Root of the API as this machine reaches it."""
        assert self._api is not None, "start first"
        return f"http://{reachable(str(self._configuration.api.address))}:{self._api.port}"

    def ingress(self, *, tls: bool) -> list[tuple[str, int]]:
        """Where clients connect: reachable address and real port of each listener."""
        assert self._node is not None, "start first"
        listeners = self._node.data_plane.status().listeners
        return [(reachable(each.address), each.port) for each in listeners if each.tls == tls]

    def start(self, *, roll_operator_token: bool = False) -> None:
        """Bring everything up; raises `StartError` and leaves nothing behind."""
        with ExitStack() as started:
            data = DataDirectory(self._configuration.data)
            started.callback(data.close)
            prepare_open_files(self._configuration.egress.connection_cap)
            settings = fleet_settings(self._configuration)
            bound = listen(self._configuration.api.address, self._configuration.api.port)
            started.callback(bound.close)
            store = open_store(self._configuration)
            started.callback(store.close)
            ensure_operator_token(store, data, roll=roll_operator_token)
            bus = InProcessBus()
            started.callback(bus.close)
            node = self._make_node(data, bus)
            publisher = Publisher(store, bus, settings, poll_seconds=None, whole_every=None)
            api = ApiServer(self._make_app(store, node, publisher, Rollouts(bus)), bound)
            # Health can be asked until the data plane has drained, so the API goes after it.
            started.callback(api.stop)
            self._start_node(started, node)
            self._start_distribution(started, store, node, publisher)
            api.start()
            self._node, self._api = node, api
            self._running = started.pop_all()

    def stop(self) -> None:
        """Take everything down; a second call does nothing."""
        self._running.close()

    def _make_node(self, data: DataDirectory, bus: InProcessBus) -> _Node:
        access_log = open_access_log(self._configuration.access_log, data)
        data_plane = self._make_data_plane(self._configuration)
        ledger, metrics = UsageLedger(), Metrics()
        applier = Applier(data_plane)
        reporter = Reporter(
            server=self._configuration.ingress.server_name,
            data_plane=data_plane,
            state=lambda: applier.state,
            access_log=access_log,
            send=lambda report: receive(report, ledger),
            metrics=metrics,
        )
        follower = Follower(bus, node_settings(self._configuration), applier, data_plane)
        metrics.watch(lambda: follower.state)
        return _Node(data_plane, applier, follower, reporter, metrics, ledger)

    def _make_app(
        self, store: Store, node: _Node, publisher: Publisher, rollouts: Rollouts
    ) -> Litestar:
        return create_app(
            store,
            usage=node.ledger,
            health=NodeHealth(
                node.data_plane,
                lambda: node.applier.state,
                lambda: node.follower.state,
                publisher,
            ),
            settings=api_settings(self._configuration),
            registry=node.metrics.registry,
            rollouts=rollouts,
        )

    def _start_node(self, started: ExitStack, node: _Node) -> None:
        node.reporter.start()
        started.callback(node.reporter.stop)
        started.callback(self._drain, node.data_plane)

    def _start_distribution(
        self, started: ExitStack, store: Store, node: _Node, publisher: Publisher
    ) -> None:
        node.follower.start()
        started.callback(node.follower.stop)
        if publisher.publish_once():
            node.follower.wait(FIRST_SNAPSHOT_SECONDS)
        _check_served(node, publisher)
        unsubscribe = store.on_change(lambda _revision: publisher.wake())
        publisher.start()
        started.callback(publisher.stop)
        started.callback(unsubscribe)

    def _drain(self, data_plane: DataPlaneHandle) -> None:
        cut = data_plane.stop(self._configuration.data_plane.drain_seconds)
        if cut:
            _log.warning("%d connections were cut at the drain deadline", cut)


def _check_served(node: _Node, publisher: Publisher) -> None:
    """A zone at fault is withheld and told by `/readyz`; what is left is the machine's own fault."""
    refusal = node.applier.state.refusal
    if refusal is not None and refusal.kind == "listener":
        raise StartError(
            f"clients cannot be listened for: {refusal.reason}. End what uses the port, or "
            "change `[ingress]` in the configuration."
        )
    if node.applier.state.applied is None:
        reason = refusal.reason if refusal else publisher.failure or node.follower.state.alarm
        raise StartError(
            f"nothing can be served: {reason}. Correct it in the configuration, then start again."
        )
