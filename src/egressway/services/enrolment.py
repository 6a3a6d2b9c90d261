"""The enrolment listener of one replica of the control plane: the shared authority out of the store,
a certificate of its own, and the application behind both.

Replicas share the authority and nothing else; each signs its own certificate at every start and again
in good time, since the key to do so is at hand.
"""

from __future__ import annotations

import logging
import ssl
import threading
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import Final

from egressway.api.enrolment import RENEW_AFTER, Enrolment, create_enrolment_app
from egressway.identity.authority import Authority
from egressway.identity.node_key import NodeKey
from egressway.identity.tls import client_context, load_pair, server_context
from egressway.model.address import IPAddress
from egressway.model.enrolment import StoredAuthority
from egressway.model.errors import StoreError
from egressway.services.api_server import ApiServer, listen
from egressway.services.configuration import Configuration
from egressway.services.start_error import StartError
from egressway.store import Store

__all__ = ["ControlIdentity", "enrolment_server", "shared_authority"]

CONTROL_HOURS: Final = 24.0
_log = logging.getLogger(__name__)


def shared_authority(store: Store) -> Authority:
    """The fleet's authority; made by the first replica that ever starts."""
    try:
        with store.write("start") as write:
            stored = write.enrolment.ensure_authority(_new_authority)
    except StoreError as failure:
        raise StartError(failure.text) from failure
    return Authority.load(stored.certificate, stored.key)


def _new_authority() -> StoredAuthority:
    made = Authority.create(datetime.now(UTC))
    _log.info("made the fleet's certificate authority; its pin is %s", made.pin)
    return StoredAuthority(made.certificate_der, made.key_der)


class ControlIdentity:
    """Contexts that always show a certificate in date, between `start` and `stop`."""

    def __init__(
        self,
        authority: Authority,
        addresses: Collection[IPAddress],
        lifetime: timedelta = timedelta(hours=CONTROL_HOURS),
    ) -> None:
        self._authority = authority
        self._addresses = tuple(addresses)
        self._lifetime = lifetime
        chain, key = self._issue()
        self.server: ssl.SSLContext = server_context(chain, key)
        """For the enrolment listener."""
        self.client: ssl.SSLContext = client_context(authority.certificate_pem, chain, key)
        """For the bus."""
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="control-identity", daemon=True)

    def start(self) -> None:
        """Renew in good time from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Renew no more."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()

    def renew(self) -> None:
        """Show a new certificate on new connections."""
        chain, key = self._issue()
        for context in (self.server, self.client):
            load_pair(context, chain, key)

    def _run(self) -> None:
        while not self._stopping.wait(RENEW_AFTER * self._lifetime.total_seconds()):
            self.renew()

    def _issue(self) -> tuple[bytes, bytes]:
        key = NodeKey.generate()
        now = datetime.now(UTC)
        issued = self._authority.issue_control(self._addresses, key.public, now, self._lifetime)
        return issued.chain, key.pem


def enrolment_server(
    configuration: Configuration, store: Store, authority: Authority, identity: ControlIdentity
) -> ApiServer:
    """Listens already; answers from its `start` on."""
    fleet = configuration.fleet
    bound = listen(
        fleet.enrolment_address,
        fleet.enrolment_port,
        what="the enrolment of servers",
        setting="fleet.enrolment_port",
    )
    enrolment = Enrolment(
        authority=authority,
        lifetime=timedelta(hours=fleet.certificate_hours),
        bus_url=configuration.bus.node_url or configuration.bus.url,
    )
    app = create_enrolment_app(store, enrolment)
    return ApiServer(app, bound, name="enrolment", tls=identity.server)
