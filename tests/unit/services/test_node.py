"""A node serves what is on its disk, says how it is, and takes everything down again."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from ipaddress import ip_address

import httpx
import pytest

from egressway.data_plane.fake import FakeDataPlane, FakeHost
from egressway.node.identity import IdentityFile
from egressway.node.last_good import LastGood
from egressway.services.configuration import Configuration
from egressway.services.configuration.types import Bus, Egress, Ingress, Node
from egressway.services.invitation import Invitation
from egressway.services.node import Node as NodeService
from egressway.services.node_identity import start_identity
from egressway.services.start_error import StartError
from egressway.wire.fleet import FleetLocation, FleetServer, FleetSnapshot, Topology
from egressway.wire.snapshot import Settings
from tests.support.addresses import listening_port
from tests.support.enrolment import EnrolmentDesk

THREADS = {"report", "follow", "admin", "renewal", "takeover", "nats", "last-good"}
HTTP_PORT = 18_080


@pytest.fixture
def desk(tmp_path) -> Iterator[EnrolmentDesk]:
    with EnrolmentDesk(tmp_path / "control") as running:
        yield running


@pytest.fixture
def configuration(tmp_path, desk) -> Configuration:
    """Of a server that has joined, and whose bus is away."""
    data = tmp_path / "node"
    data.mkdir(mode=0o700)
    made = Configuration(
        data=data,
        ingress=Ingress(http_port=HTTP_PORT, https_port=0),
        egress=Egress(shared_ips=(ip_address("127.0.0.1"),)),
        bus=Bus(url=f"nats://127.0.0.1:{listening_port()}"),
        node=Node(admin_port=0, steering="off"),
    )
    invitation = Invitation(desk.url, str(desk.token()), "s1")
    start_identity(made, IdentityFile(data), invitation)
    return made


def keep_on_disk(configuration: Configuration, **own: object) -> None:
    """A fleet of one server, at revision 7."""
    server = FleetServer(
        **{
            "name": "s1",
            "number": 1,
            "data_center": "lis1",
            "location": "lisbon",
            "epoch": 1,
            **own,
        }
    )
    topology = Topology(
        settings=Settings(),
        locations=(FleetLocation("lisbon", 38.7, -9.1),),
        servers=(server,),
    )
    last_good = LastGood(configuration.data)
    last_good.keep_whole(FleetSnapshot(revision=7, topology=topology), 3)
    last_good.close()


def our_threads() -> set[str]:
    return {thread.name for thread in threading.enumerate()} & THREADS


def node_of(configuration: Configuration, plane: FakeDataPlane | None = None) -> NodeService:
    return NodeService(configuration, Invitation(), lambda _: plane or FakeDataPlane())


def test_node_serves_from_disk_without_control_and_bus(configuration):
    keep_on_disk(configuration)
    node = node_of(configuration)
    node.start()
    assert our_threads() == THREADS
    assert node.ingress(tls=False) == [("127.0.0.1", HTTP_PORT)]
    assert httpx.get(f"{node.admin_url}/readyz").json() == {"is_ready": True, "reasons": []}
    assert httpx.get(f"{node.admin_url}/healthz").json() == {"is_alive": True}
    assert httpx.get(f"{node.admin_url}/status").json()["node"]["revision"] == 7
    metrics = httpx.get(f"{node.admin_url}/metrics").text
    assert "egressway_node_bus_connected 0.0" in metrics
    assert "egressway_node_epoch 1.0" in metrics
    assert httpx.get(f"{node.admin_url}/else").status_code == 404
    node.stop()
    node.stop()
    assert our_threads() == set()


@pytest.mark.parametrize(
    ("own", "told"),
    [({"state": "revoked"}, "is revoked, for life"), ({"epoch": 2}, "has another node by now")],
)
def test_node_that_the_fleet_wants_no_more_does_not_start(configuration, own, told):
    keep_on_disk(configuration, **own)
    with pytest.raises(StartError, match=told):
        node_of(configuration).start()
    assert our_threads() == set()


def test_node_that_is_refused_its_renewal_ends(configuration, desk):
    keep_on_disk(configuration)
    node = node_of(configuration)
    node.start()
    assert node._agent is not None
    desk.revoke()
    node._agent.renewal.renew_once()
    assert "is revoked" in (node.serve_until(threading.Event()) or "")
    node.stop()


def test_taken_port_is_a_failed_start_and_leaves_nothing_behind(configuration):
    keep_on_disk(configuration)
    plane = FakeDataPlane(FakeHost(frozenset({("127.0.0.1", HTTP_PORT)})))
    with pytest.raises(StartError, match=rf"port {HTTP_PORT}.*CAP_NET_BIND_SERVICE"):
        node_of(configuration, plane).start()
    assert our_threads() == set()
    assert plane.status().is_draining


def test_newer_process_takes_over_and_the_older_one_ends(configuration):
    keep_on_disk(configuration)
    older_plane, newer_plane = FakeDataPlane(), FakeDataPlane()
    older, newer = node_of(configuration, older_plane), node_of(configuration, newer_plane)
    older.start()
    newer.start()
    assert older.serve_until(threading.Event()) is None
    older.stop()
    assert older_plane.status().is_draining
    assert not newer_plane.status().is_draining
    assert httpx.get(f"{newer.admin_url}/readyz").json()["is_ready"]
    newer.stop()
    assert our_threads() == set()
