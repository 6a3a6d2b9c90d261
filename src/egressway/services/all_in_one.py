"""API, store, distribution, node and data plane in one process, wired in the order of the CONFIG
path.

Invariants: `start` brings everything up or nothing stays; `stop` takes everything down in the
reverse order, the data plane within its drain deadline; both are for one thread. A change that the
API has acknowledged is in the store, so a start after any end serves it.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass

from litestar import Litestar

from egressway.aggregation.receive import receive
from egressway.analytics.usage import UsageLedger
from egressway.api.app import create_app
from egressway.data_plane.handle import DataPlaneHandle
from egressway.distribution.push import Distributor
from egressway.model.errors import StoreError
from egressway.node.access_log import AccessLogWriter, NoAccessLog, RotatingFile, StreamAccessLog
from egressway.node.apply import Applier, NodeState
from egressway.node.metrics import Metrics
from egressway.node.report import Reporter
from egressway.services.api_server import ApiServer, listen
from egressway.services.configuration import Configuration
from egressway.services.data_directory import DataDirectory
from egressway.services.node_health import NodeHealth
from egressway.services.open_files import raise_open_files
from egressway.services.private_file import write_private
from egressway.services.server_settings import api_settings, origin_networks, server_settings
from egressway.services.start_error import StartError
from egressway.store import Store

__all__ = ["AllInOne", "MakeDataPlane"]

MakeDataPlane = Callable[[Configuration], DataPlaneHandle]
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Node:
    """The data plane and the agent beside it."""

    data_plane: DataPlaneHandle
    applier: Applier
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
        return f"http://{_reachable(str(self._configuration.api.address))}:{self._api.port}"

    def ingress(self, *, tls: bool) -> list[tuple[str, int]]:
        """Where clients connect: reachable address and real port of each listener."""
        assert self._node is not None, "start first"
        listeners = self._node.data_plane.status().listeners
        return [(_reachable(each.address), each.port) for each in listeners if each.tls == tls]

    def start(self, *, roll_operator_token: bool = False) -> None:
        """Bring everything up; raises `StartError` and leaves nothing behind."""
        with ExitStack() as started:
            data = DataDirectory(self._configuration.data)
            started.callback(data.close)
            _check_open_files(self._configuration)
            settings = server_settings(self._configuration)
            bound = listen(self._configuration.api.address, self._configuration.api.port)
            started.callback(bound.close)
            store = self._open_store(started)
            _ensure_operator_token(store, data, roll=roll_operator_token)
            node = self._make_node(data)
            distributor = Distributor(store, settings, node.applier.receive)
            api = ApiServer(self._make_app(store, node, distributor), bound)
            # Health can be asked until the data plane has drained, so the API goes after it.
            started.callback(api.stop)
            self._start_node(started, node)
            self._start_distribution(started, store, node, distributor)
            api.start()
            self._node, self._api = node, api
            self._running = started.pop_all()

    def stop(self) -> None:
        """Take everything down; a second call does nothing."""
        self._running.close()

    def _open_store(self, started: ExitStack) -> Store:
        try:
            store = Store.open(
                self._configuration.store_url, origin_networks=origin_networks(self._configuration)
            )
        except StoreError as failure:
            raise StartError(failure.text) from failure
        started.callback(store.close)
        return store

    def _make_node(self, data: DataDirectory) -> _Node:
        access_log = _access_log(self._configuration, data)
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
        return _Node(data_plane, applier, reporter, metrics, ledger)

    def _make_app(self, store: Store, node: _Node, distributor: Distributor) -> Litestar:
        return create_app(
            store,
            usage=node.ledger,
            health=NodeHealth(node.data_plane, lambda: node.applier.state, distributor),
            settings=api_settings(self._configuration),
            registry=node.metrics.registry,
        )

    def _start_node(self, started: ExitStack, node: _Node) -> None:
        node.reporter.start()
        started.callback(node.reporter.stop)
        started.callback(self._drain, node.data_plane)

    def _start_distribution(
        self, started: ExitStack, store: Store, node: _Node, distributor: Distributor
    ) -> None:
        distributor.push_once()
        _check_served(node.applier.state, distributor)
        unsubscribe = store.on_change(lambda _revision: distributor.wake())
        distributor.start()
        started.callback(distributor.stop)
        started.callback(unsubscribe)

    def _drain(self, data_plane: DataPlaneHandle) -> None:
        cut = data_plane.stop(self._configuration.data_plane.drain_seconds)
        if cut:
            _log.warning("%d connections were cut at the drain deadline", cut)


def _check_served(state: NodeState, distributor: Distributor) -> None:
    """A zone at fault is withheld and told by `/readyz`; what is left is the machine's own fault."""
    if state.refusal is not None and state.refusal.kind == "listener":
        raise StartError(
            f"clients cannot be listened for: {state.refusal.reason}. End what uses the port, or "
            "change `[ingress]` in the configuration."
        )
    if state.applied is None and not distributor.withheld:
        raise StartError(
            f"nothing can be served: {distributor.failure}. Correct it in the configuration, then "
            "start again."
        )


def _reachable(address: str) -> str:
    """An address to connect to for one to listen on, as it stands in a URL."""
    shown = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address, address)  # noqa: S104
    return f"[{shown}]" if ":" in shown else shown


def _check_open_files(configuration: Configuration) -> None:
    shortage = raise_open_files(configuration.egress.connection_cap).shortage
    if shortage:
        _log.warning("%s", shortage)


def _ensure_operator_token(store: Store, data: DataDirectory, *, roll: bool) -> None:
    # Written before the transaction ends: a crash in between leaves a file that the next start
    # replaces, never a token that nobody knows.
    try:
        with store.write("start") as write:
            value = write.tokens.ensure_operator_token()
            if value is None and roll:
                value = write.tokens.roll_operator_token()
            if value is not None:
                write_private(data.operator_token, value)
                _log.info("the operator's token is in %s", data.operator_token)
    except StoreError as failure:
        raise StartError(failure.text) from failure
    except OSError as failure:
        raise StartError(
            f"the operator's token `{data.operator_token}` cannot be written: {failure.strerror}. "
            "Make its directory writable for this user, or give another with `--data`."
        ) from failure


def _access_log(configuration: Configuration, data: DataDirectory) -> AccessLogWriter:
    settings = configuration.access_log
    if settings.to == "off":
        return NoAccessLog()
    if settings.to == "stdout":
        return StreamAccessLog(sys.stdout.buffer)
    try:
        return RotatingFile(data.access_log, settings.max_bytes, settings.keep)
    except OSError as failure:
        raise StartError(
            f"the access log `{data.access_log}` cannot be written: {failure.strerror}. Make it "
            "writable for this user, or set `access_log.to`."
        ) from failure
