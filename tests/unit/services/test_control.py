"""A replica of the control plane starts whole or not at all, with or without its bus."""

from __future__ import annotations

import socket
import threading
from contextlib import closing
from dataclasses import replace

import httpx
import pytest

from egressway.identity.names import CONTROL_NAME
from egressway.identity.tls import client_context
from egressway.services.configuration import Configuration
from egressway.services.configuration.types import Api, Bus, Fleet
from egressway.services.control import Control
from egressway.services.enrolment import shared_authority
from egressway.services.start_error import StartError
from egressway.services.store_start import open_store
from tests.support.addresses import listening_port
from tests.support.enrolment import EnrolmentDesk

THREADS = {"api", "enrolment", "distribution", "control-identity", "nats"}


@pytest.fixture
def configuration(tmp_path) -> Configuration:
    """With a bus that nobody is at."""
    return Configuration(
        data=tmp_path / "data",
        api=Api(port=0),
        fleet=Fleet(enrolment_port=0),
        bus=Bus(url=f"nats://127.0.0.1:{listening_port()}"),
    )


def our_threads() -> set[str]:
    return {thread.name for thread in threading.enumerate()} & THREADS


def fleet(control: Control, data) -> dict:
    token = (data / "admin-token").read_text(encoding="ascii").strip()
    url = f"{control.api_url}/client/v4/egressway/fleet"
    answer = httpx.get(url, headers={"Authorization": f"Bearer {token}"})
    return answer.json()["result"]


def test_control_plane_takes_changes_while_its_bus_is_away(configuration):
    control = Control(configuration)
    control.start()
    assert our_threads() == THREADS
    assert httpx.get(f"{control.api_url}/readyz").json() == {"is_ready": True, "reasons": []}
    told = fleet(control, configuration.data)
    assert not told["is_bus_connected"]
    assert "egressway_bus_connected 0.0" in httpx.get(f"{control.api_url}/metrics").text
    control.stop()
    control.stop()
    assert our_threads() == set()


def test_missing_bus_is_told(configuration):
    with pytest.raises(StartError, match=r"`bus\.url` or `EGRESSWAY_BUS`"):
        Control(replace(configuration, bus=Bus())).start()
    assert our_threads() == set()


def test_url_that_is_no_bus_is_told(configuration):
    with pytest.raises(StartError, match=r"`bus\.url` cannot be used"):
        Control(replace(configuration, bus=Bus(url="http://192.0.2.1"))).start()
    assert our_threads() == set()


def test_taken_enrolment_port_fails_the_start_and_leaves_nothing_behind(configuration):
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        busy = replace(configuration, fleet=Fleet(enrolment_port=port))
        with pytest.raises(StartError, match=rf"port {port}.*`fleet\.enrolment_port`"):
            Control(busy).start()
    assert our_threads() == set()


def test_every_replica_has_the_same_authority(configuration):
    with open_store(configuration) as first, open_store(configuration) as second:
        assert shared_authority(first).pin == shared_authority(second).pin


def test_authority_is_never_written_to_a_log(configuration, caplog):
    with caplog.at_level("DEBUG"), open_store(configuration) as store:
        authority = shared_authority(store)
    told = caplog.text
    assert authority.pin in told
    assert "PRIVATE" not in told
    assert authority.key_der.hex() not in told


def shown_certificate(desk: EnrolmentDesk) -> bytes:
    """What the listener shows to a new connection."""
    context = client_context(desk.authority.certificate_pem)
    tcp = socket.create_connection(desk.address)
    with closing(tcp), context.wrap_socket(tcp, server_hostname=CONTROL_NAME) as wrapped:
        shown = wrapped.getpeercert(binary_form=True)
    assert shown
    return shown


def test_replica_renews_the_certificate_that_it_shows(tmp_path):
    with EnrolmentDesk(tmp_path) as desk:
        first = shown_certificate(desk)
        assert shown_certificate(desk) == first
        desk.identity.renew()
        assert shown_certificate(desk) != first
