"""`egressway control`: API, store, distribution and aggregation of a fleet, and the door its servers
come in by.

Any number of replicas work side by side on one store and one bus. None of them is special: each
answers everything, each publishes what it finds unpublished, and the bus lets one of them be first.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path
from typing import Final

from litestar import Litestar

from egressway.analytics.usage import UsageLedger
from egressway.api.app import create_app
from egressway.api.health import NodeStatus, NotReady
from egressway.bus.bus import Bus
from egressway.distribution.moves import MoveKeeper
from egressway.distribution.publish import Publisher
from egressway.distribution.rollout import Rollouts, RolloutWatch
from egressway.model.address import IPAddress
from egressway.model.errors import StoreError
from egressway.services.api_server import ApiServer, listen
from egressway.services.bus_start import open_bus
from egressway.services.bus_users import BusUsers
from egressway.services.configuration import (
    Configuration,
    ConfigurationError,
    load_configuration,
)
from egressway.services.data_directory import DataDirectory
from egressway.services.enrolment import ControlIdentity, enrolment_server, shared_authority
from egressway.services.fleet_watch import FleetWatch
from egressway.services.log import set_up_logging
from egressway.services.process import reachable, stop_signal, tell
from egressway.services.server_settings import api_settings, fleet_settings
from egressway.services.start_error import StartError
from egressway.services.store_start import ensure_operator_token, open_store
from egressway.store import Store

__all__ = ["Control", "run_control"]

BUS_SECONDS: Final = 2.0
POLL_SECONDS: Final = 0.01


def run_control(
    config: Path | None, data: Path | None, *, new_operator_token: bool
) -> Sequence[str]:
    """Serve until a signal; or everything that speaks against the start, one line each."""
    try:
        configuration = load_configuration(config, data, os.environ)
        set_up_logging(configuration.log)
        asked_to_stop = stop_signal()
        control = Control(configuration)
        control.start(roll_operator_token=new_operator_token)
        try:
            tell(control.lines())
            asked_to_stop.wait()
        finally:
            tell(["stopping"])
            control.stop()
    except ConfigurationError as refused:
        return refused.problems
    except StartError as failure:
        return [str(failure)]
    return []


class Control:
    """One replica."""

    def __init__(self, configuration: Configuration) -> None:
        self._configuration = configuration
        self._running = ExitStack()
        self._api: ApiServer | None = None
        self._enrolment: ApiServer | None = None

    @property
    def api_url(self) -> str:
        """Root of the API as this machine reaches it."""
        assert self._api is not None, "start first"
        return f"http://{reachable(str(self._configuration.api.address))}:{self._api.port}"

    @property
    def enrolment_url(self) -> str:
        """Where servers join."""
        assert self._enrolment is not None, "start first"
        address = reachable(str(self._configuration.fleet.enrolment_address))
        return f"https://{address}:{self._enrolment.port}"

    def lines(self) -> list[str]:
        """Where it is."""
        return [
            f"egressway {version('egressway')} control is up; Ctrl-C stops it",
            f"  API    {self.api_url}/client/v4",
            f"  join   {self.enrolment_url}",
            f"  data   {self._configuration.data} (operator token: admin-token)",
        ]

    def start(self, *, roll_operator_token: bool = False) -> None:
        """Bring everything up; raises `StartError` and leaves nothing behind."""
        configuration = self._configuration
        with ExitStack() as started:
            data = DataDirectory(configuration.data)
            started.callback(data.close)
            bound = listen(configuration.api.address, configuration.api.port)
            started.callback(bound.close)
            store = open_store(configuration)
            started.callback(store.close)
            ensure_operator_token(store, data, roll=roll_operator_token)
            authority = shared_authority(store)
            identity = ControlIdentity(authority, _addresses(configuration))
            identity.start()
            started.callback(identity.stop)
            bus = open_bus(
                configuration.bus.url, identity.client, name="egressway control", manage=True
            )
            started.callback(bus.close)
            api = ApiServer(self._start_distribution(started, store, bus), bound)
            started.callback(api.stop)
            enrolment = enrolment_server(configuration, store, authority, identity)
            started.callback(enrolment.stop)
            enrolment.start()
            api.start()
            self._api, self._enrolment = api, enrolment
            self._running = started.pop_all()

    def stop(self) -> None:
        """Take everything down; a second call does nothing."""
        self._running.close()

    def _start_distribution(self, started: ExitStack, store: Store, bus: Bus) -> Litestar:
        """What goes out to servers and comes back from them; the API over all of it."""
        publisher = Publisher(store, bus, fleet_settings(self._configuration))
        rollouts, ledger = Rollouts(bus), UsageLedger()
        watch = FleetWatch(bus, store, ledger, publisher)
        watch.start()
        started.callback(watch.stop)
        rollout_watch = RolloutWatch(bus, rollouts)
        rollout_watch.start()
        started.callback(rollout_watch.stop)
        moves = MoveKeeper(store, bus)
        moves.start()
        started.callback(moves.stop)
        _start_publishing(started, store, bus, publisher)
        self._start_bus_users(started, store)
        return create_app(
            store,
            usage=ledger,
            health=ControlHealth(store),
            settings=api_settings(self._configuration),
            registry=watch.registry,
            servers=watch,
            rollouts=rollouts,
        )

    def _start_bus_users(self, started: ExitStack, store: Store) -> None:
        if self._configuration.bus.files:
            users = BusUsers(store, Path(self._configuration.bus.files).expanduser())
            users.start()
            started.callback(users.stop)


def _start_publishing(started: ExitStack, store: Store, bus: Bus, publisher: Publisher) -> None:
    """A bus that is away is no reason not to start: changes are stored, and published later."""
    until = time.monotonic() + BUS_SECONDS
    while not bus.is_connected and time.monotonic() < until:
        time.sleep(POLL_SECONDS)
    publisher.wake()
    unsubscribe = store.on_change(lambda _revision: publisher.wake())
    publisher.start()
    started.callback(publisher.stop)
    started.callback(unsubscribe)


class ControlHealth:
    """Whether this replica can take changes. Zones and servers at fault are told by `/fleet`: taking
    all replicas out of service would help none of them.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def not_ready(self) -> Sequence[NotReady]:
        """The store can be read, or why not."""
        return list(self._reasons())

    def node_status(self) -> NodeStatus | None:
        """There is no data plane here."""
        return None

    def _reasons(self) -> Iterator[NotReady]:
        try:
            with self._store.read() as read:
                read.revision()
        except StoreError as failure:
            yield NotReady("store_unavailable", failure.text)


def _addresses(configuration: Configuration) -> list[IPAddress]:
    """Where this replica is; an address that means all of them is none that anybody asks for."""
    listened = (configuration.fleet.enrolment_address, configuration.api.address)
    return [address for address in dict.fromkeys(listened) if not address.is_unspecified]
