"""Everything is started in order, and whatever fails leaves nothing behind."""

from __future__ import annotations

import socket
import sqlite3
import threading
from contextlib import closing
from dataclasses import replace
from ipaddress import ip_address

import httpx
import pytest

from egressway.data_plane.fake import FakeDataPlane, FakeHost
from egressway.services.all_in_one import AllInOne
from egressway.services.configuration.types import Api, Configuration, Egress, Ingress
from egressway.services.start_error import StartError

THREADS = {"report", "distribution", "api"}


@pytest.fixture
def configuration(tmp_path) -> Configuration:
    return Configuration(
        data=tmp_path / "data",
        api=Api(port=0),
        ingress=Ingress(http_port=18_080, https_port=0),
        egress=Egress(shared_ips=(ip_address("127.0.0.1"),)),
    )


def our_threads() -> set[str]:
    return {thread.name for thread in threading.enumerate()} & THREADS


def test_started_product_is_ready_and_stopped_leaves_no_thread(configuration):
    egressway = AllInOne(configuration, lambda _: FakeDataPlane())
    egressway.start()
    assert httpx.get(f"{egressway.api_url}/readyz").json() == {"is_ready": True, "reasons": []}
    assert our_threads() == THREADS
    egressway.stop()
    assert our_threads() == set()


def test_stopping_twice_or_without_a_start_is_harmless(configuration):
    egressway = AllInOne(configuration, lambda _: FakeDataPlane())
    egressway.stop()
    egressway.start()
    egressway.stop()
    egressway.stop()


def test_unavailable_listener_fails_the_start_and_leaves_nothing_behind(configuration):
    plane = FakeDataPlane(FakeHost(frozenset({("127.0.0.1", 18_080)})))
    with pytest.raises(StartError, match=r"127\.0\.0\.1 port 18080.*`\[ingress\]`"):
        AllInOne(configuration, lambda _: plane).start()
    assert our_threads() == set()
    assert plane.status().is_draining
    egressway = AllInOne(configuration, lambda _: FakeDataPlane())
    egressway.start()
    egressway.stop()


def test_taken_api_port_fails_before_anything_else_is_started(configuration):
    made: list[FakeDataPlane] = []

    def make(_: Configuration) -> FakeDataPlane:
        made.append(FakeDataPlane())
        return made[-1]

    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        busy = Configuration(data=configuration.data, api=Api(port=port))
        with pytest.raises(StartError, match=f"port {port}"):
            AllInOne(busy, make).start()
    assert made == []


def test_locked_store_is_a_failed_start_and_leaves_nothing_behind(configuration):
    first = AllInOne(configuration, lambda _: FakeDataPlane())
    first.start()
    first.stop()
    made: list[Configuration] = []
    with closing(
        sqlite3.connect(configuration.data / "store.sqlite", isolation_level=None)
    ) as held:
        held.execute("BEGIN IMMEDIATE")
        with pytest.raises(StartError, match="locked by another process"):
            AllInOne(configuration, made.append).start()
    assert made == []
    assert our_threads() == set()


def test_operator_token_that_cannot_be_written_is_a_failed_start(configuration):
    (configuration.data / "admin-token").mkdir(parents=True)
    with pytest.raises(StartError, match=r"admin-token` cannot be written.*`--data`"):
        AllInOne(configuration, lambda _: FakeDataPlane()).start()
    assert our_threads() == set()


def test_trust_roots_that_cannot_be_read_fail_before_a_data_plane_is_made(configuration):
    egress = replace(configuration.egress, trust_roots="/absent.pem")
    made: list[Configuration] = []
    with pytest.raises(StartError, match="trust_roots"):
        AllInOne(replace(configuration, egress=egress), made.append).start()
    assert made == []


def test_what_no_zone_is_to_blame_for_fails_the_start(configuration):
    ingress = Ingress(http_port=18_080, https_port=18_080)
    with pytest.raises(StartError, match=r"nothing can be served: .*18080 is given twice"):
        AllInOne(replace(configuration, ingress=ingress), lambda _: FakeDataPlane()).start()
    assert our_threads() == set()


def test_unbindable_address_does_not_stop_the_start_but_is_not_ready(configuration):
    plane = FakeDataPlane(FakeHost(unbindable={"127.0.0.1": "not on this machine"}))
    egressway = AllInOne(configuration, lambda _: plane)
    egressway.start()
    answer = httpx.get(f"{egressway.api_url}/readyz")
    egressway.stop()
    assert answer.status_code == 503
    assert [reason["subject"] for reason in answer.json()["reasons"]] == ["127.0.0.1"]


def test_usage_needs_the_accounts_own_lease(configuration):
    plane = FakeDataPlane()
    egressway = AllInOne(configuration, lambda _: plane)
    egressway.start()
    token = (configuration.data / "admin-token").read_text(encoding="ascii").strip()
    with httpx.Client(
        base_url=f"{egressway.api_url}/client/v4", headers={"Authorization": f"Bearer {token}"}
    ) as client:
        account = client.post("/accounts", json={"name": "Example"}).json()["result"]["id"]
        answer = client.get(f"/accounts/{account}/egressway/usage")
    egressway.stop()
    assert answer.json()["result"] == []
