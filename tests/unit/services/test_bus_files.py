"""The users of the bus are the servers of the fleet, each with its own words only."""

from __future__ import annotations

import json
import os
import signal
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509

from egressway.model.server import ServerDraft, ServerName
from egressway.services.bus_files import users_text, write_bus_files
from egressway.services.bus_users import BusUsers
from egressway.services.configuration import Configuration
from egressway.services.store_start import open_store
from egressway.store import Store
from egressway.wire.fleet import FleetLocation, FleetServer, Topology
from egressway.wire.snapshot import Settings


@pytest.fixture
def configuration(tmp_path) -> Configuration:
    return Configuration(data=tmp_path / "data")


@pytest.fixture
def store(configuration) -> Iterator[Store]:
    with open_store(configuration) as opened:
        with opened.write("test") as write:
            write.servers.create(ServerDraft(ServerName("s1"), "local"))
        yield opened


def users(directory: Path) -> dict[str, list[str]]:
    """Name to what it may publish; everything for who is not restricted."""
    text = (directory / "users.conf").read_text(encoding="utf-8")
    listed = json.loads(text.removeprefix("authorization: "))["users"]
    return {each["user"]: each.get("permissions", {}).get("publish", [">"]) for each in listed}


def test_files_are_for_their_owner_alone_and_name_the_host(configuration, store, tmp_path):
    write_bus_files(configuration, tmp_path / "bus", ["192.0.2.1", "bus.example.com"], 4222)
    files = {path.name: path for path in (tmp_path / "bus").iterdir()}
    assert files.keys() == {"authority.pem", "bus.key", "bus.pem", "nats.conf", "users.conf"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in files.values()} == {0o600}
    certificate = x509.load_pem_x509_certificate(files["bus.pem"].read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert "bus.example.com" in names.get_values_for_type(x509.DNSName)
    assert [str(ip) for ip in names.get_values_for_type(x509.IPAddress)] == ["192.0.2.1"]


def test_what_the_operator_has_changed_in_nats_conf_stays(configuration, store, tmp_path):
    write_bus_files(configuration, tmp_path / "bus", ["192.0.2.1"], 4222)
    (tmp_path / "bus" / "nats.conf").write_text("port: 1\n", encoding="utf-8")
    write_bus_files(configuration, tmp_path / "bus", ["192.0.2.1"], 4222)
    assert (tmp_path / "bus" / "nats.conf").read_text(encoding="utf-8") == "port: 1\n"


def test_server_may_say_its_own_and_control_everything(configuration, store, tmp_path):
    write_bus_files(configuration, tmp_path / "bus", ["192.0.2.1"], 4222)
    found = users(tmp_path / "bus")
    assert found["control.egressway.internal"] == [">"]
    said = found["s1.node.egressway.internal"]
    assert {"egressway.acknowledgement.s1", "egressway.report.s1"} <= set(said)
    assert not [subject for subject in said if subject.startswith("egressway.config")]


def test_revoked_server_is_a_user_no_more_and_the_bus_is_told(configuration, store, tmp_path):
    told: list[int] = []
    before = signal.signal(signal.SIGHUP, lambda number, _frame: told.append(number))
    try:
        directory = tmp_path / "bus"
        write_bus_files(configuration, directory, ["192.0.2.1"], 4222)
        (directory / "nats.pid").write_text(f"{os.getpid()}\n", encoding="ascii")
        keeper = BusUsers(store, directory)
        assert not keeper.look()
        with store.write("test") as write:
            write.servers.revoke(ServerName("s1"))
        assert keeper.look()
        assert not keeper.look()
        assert told == [signal.SIGHUP]
    finally:
        signal.signal(signal.SIGHUP, before)
    assert "s1.node.egressway.internal" not in users(directory)


def test_servers_may_hear_and_ask_for_no_class_with_keys_that_they_must_not_have():
    inside, outside = "inside.node.egressway.internal", "outside.node.egressway.internal"
    locations = (FleetLocation("ams", 52, 5, ("eu", "nl")), FleetLocation("bos", 42, -71, ("us",)))
    servers = (
        FleetServer("inside", 1, "ams-1", "ams"),
        FleetServer("outside", 2, "bos-1", "bos"),
        FleetServer("gone", 3, "bos-1", "bos", state="revoked"),
    )
    topology = Topology(Settings(), locations=locations, servers=servers, regions=("eu", "us"))
    text = users_text(topology, {"nl", "de"})
    listed = json.loads(text.removeprefix("authorization: "))["users"]
    may = {each["user"]: each["permissions"] for each in listed if "permissions" in each}
    assert may.keys() == {inside, outside}
    heard = {
        user: {each.rpartition(".")[2] for each in may[user]["subscribe"] if ".config." in each}
        for user in may
    }
    assert heard == {inside: {"all", "eu"}, outside: {"all", "us"}}
    assert not [each for each in may[outside]["publish"] if "-eu" in each]
    assert not [each for each in may[outside]["subscribe"] if "inside" in each]
