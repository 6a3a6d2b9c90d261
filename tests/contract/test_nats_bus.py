"""What only a bus over a network goes through: servers that restart, hang, lose their files, or encrypt."""

from __future__ import annotations

import asyncio
import ssl

import nats
import pytest
import trustme

from egressway.bus import nats_connection
from egressway.bus.bus import BusError, Unavailable, Whole
from egressway.bus.nats import NatsBus
from egressway.bus.nats_connection import NatsUrl
from tests.support.nats import NatsServer
from tests.support.waiting import eventually


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(nats_connection, "PING_SECONDS", 1)
    monkeypatch.setattr(nats_connection, "LOOK_SECONDS", 0.5)
    monkeypatch.setattr(nats_connection, "STORE_SECONDS", 2.0)


@pytest.fixture
def server(tmp_path):
    with NatsServer.with_jetstream(tmp_path / "nats") as running:
        yield running


@pytest.fixture
def open_bus():
    opened: list[NatsBus] = []

    def opening(url: str, **settings) -> NatsBus:
        opened.append(NatsBus(url, **settings))
        return opened[-1]

    yield opening
    for bus in opened:
        bus.close()


def publish(bus: NatsBus, revision: int) -> None:
    bus.publish_config("all", b"x", revision=revision, base_revision=None, expect_last=None)


def published(bus: NatsBus, revision: int) -> bool:
    try:
        publish(bus, revision)
    except Unavailable:
        return False
    return True


def test_bus_that_is_not_there_yet_is_used_as_soon_as_it_is(tmp_path, open_bus):
    server = NatsServer.with_jetstream(tmp_path / "nats")
    bus = open_bus(server.url, manage=True)
    seen = []
    bus.watch_config("all", 0, lambda message: seen.append(message.revision))
    assert not bus.is_connected
    with pytest.raises(Unavailable):
        bus.last_config("all")
    with server:
        eventually(lambda: bus.is_connected, within=30)
        publish(bus, 1)
        eventually(lambda: seen == [1])


def test_watches_go_on_after_a_restart_without_losing_or_doubling_anything(server, open_bus):
    control, node = open_bus(server.url, manage=True), open_bus(server.url)
    eventually(lambda: control.is_connected and node.is_connected)
    seen, gates = [], []
    node.watch_config("all", 0, lambda message: seen.append(message.revision))
    node.watch_gate(lambda value: gates.append(value.content))
    publish(control, 1)
    eventually(lambda: seen == [1])
    for restart in (2, 3):
        server.stop(kill=restart == 3)
        server.start()
        eventually(lambda r=restart: published(control, r), within=30, pause=0.2)
    number = control.get_gate().number
    control.put_gate(b"open", expect=number)
    eventually(lambda: sorted(set(seen)) == [1, 2, 3] and gates == [b"open"], within=30)
    assert seen == sorted(seen)


def test_what_was_published_while_a_server_was_cut_off_is_read_afterwards(server, open_bus):
    control, node = open_bus(server.url, manage=True), open_bus(server.url)
    eventually(lambda: control.is_connected)
    publish(control, 1)
    seen = []
    node.watch_config("all", 0, lambda message: seen.append(message.revision))
    eventually(lambda: seen == [1])
    asyncio.run_coroutine_threadsafe(_cut(node), node._loop).result(5)
    publish(control, 2)
    publish(control, 3)
    eventually(lambda: seen == [1, 2, 3], within=30)


async def _cut(bus: NatsBus) -> None:
    """As if the network had reset the connection."""
    bus._connection._client._transport.close()


def test_watch_that_begins_while_the_bus_is_away_is_kept_until_it_is_back(server, open_bus):
    control, node = open_bus(server.url, manage=True), open_bus(server.url)
    eventually(lambda: control.is_connected and node.is_connected)
    server.stop(kill=True)
    eventually(lambda: not node.is_connected, within=30)
    seen = []
    node.watch_config("all", 0, lambda message: seen.append(message.revision))
    server.start()
    eventually(lambda: published(control, 1), within=30, pause=0.2)
    eventually(lambda: seen == [1], within=30)


def test_server_that_hangs_is_noticed(server, open_bus):
    bus = open_bus(server.url, manage=True)
    eventually(lambda: bus.is_connected)
    publish(bus, 1)
    server.pause()
    try:
        with pytest.raises(Unavailable):
            publish(bus, 2)
        eventually(lambda: not bus.is_connected, within=30)
    finally:
        server.resume()
    eventually(lambda: bus.is_connected, within=30)


def test_streams_that_are_lost_are_made_again_and_followed_from_their_beginning(tmp_path, open_bus):
    first = NatsServer.with_jetstream(tmp_path / "first").start()
    control, node = open_bus(first.url, manage=True), open_bus(first.url)
    eventually(lambda: control.is_connected)
    for revision in range(1, 6):
        publish(control, revision)
    seen = []
    node.watch_config("all", 0, lambda message: seen.append(message.revision))
    eventually(lambda: seen == [1, 2, 3, 4, 5])
    first.stop()
    second = NatsServer.with_jetstream(tmp_path / "second")
    second.take_the_place_of(first)
    with second:
        eventually(lambda: published(control, 9), within=30, pause=0.2)
        eventually(lambda: seen[-1] == 9, within=30)


async def _tamper(url: str) -> None:
    connection = await nats.connect(url)
    bucket = await connection.jetstream().key_value("egressway-whole-all")
    keys = [key for key in await bucket.keys() if not key.endswith("head")]
    await connection.jetstream().purge_stream(
        "KV_egressway-whole-all", subject=f"$KV.egressway-whole-all.{keys[0]}"
    )
    await connection.close()


def test_whole_with_a_part_missing_is_not_given(server, open_bus):
    bus = open_bus(server.url, manage=True)
    eventually(lambda: bus.is_connected)
    bus.put_whole("all", Whole(1, 1, b"x" * 600_000))
    asyncio.run(_tamper(server.url))
    with pytest.raises(Unavailable, match="parts"):
        bus.get_whole("all")
    bus.put_whole("all", Whole(2, 1, b"y"))
    assert bus.get_whole("all") == Whole(2, 1, b"y")


def test_values_are_a_bucket_that_every_nats_client_can_read(server, open_bus):
    bus = open_bus(server.url, manage=True)
    eventually(lambda: bus.is_connected)
    bus.put_gate(b"open", expect=0)

    async def read() -> bytes:
        connection = await nats.connect(server.url)
        entry = await (await connection.jetstream().key_value("egressway")).get("gate")
        await connection.close()
        return entry.value

    assert asyncio.run(read()) == b"open"


# Encryption.


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def encrypted(tmp_path, authority):
    directory = tmp_path / "tls"
    directory.mkdir()
    own = authority.issue_cert("127.0.0.1", "localhost")
    own.private_key_pem.write_to_path(directory / "key.pem")
    own.cert_chain_pems[0].write_to_path(directory / "chain.pem")
    authority.cert_pem.write_to_path(directory / "ca.pem")
    tls = {
        "cert_file": str(directory / "chain.pem"),
        "key_file": str(directory / "key.pem"),
        "ca_file": str(directory / "ca.pem"),
        "verify": True,
    }
    with NatsServer.with_jetstream(tmp_path / "nats", tls=tls) as running:
        yield running


def context(trusted: trustme.CA, issuer: trustme.CA) -> ssl.SSLContext:
    made = ssl.create_default_context()
    trusted.configure_trust(made)
    issuer.issue_cert("ams-1-1").configure_cert(made)
    return made


def test_bus_is_reached_with_a_certificate_of_the_fleet_and_not_with_a_foreign_one(
    encrypted, open_bus, authority
):
    url = encrypted.url.replace("nats:", "tls:")
    good = open_bus(url, tls=context(authority, authority), manage=True)
    foreign = open_bus(url, tls=context(authority, trustme.CA()))
    misled = open_bus(url, tls=context(trustme.CA(), authority))
    eventually(lambda: good.is_connected, within=30)
    publish(good, 1)
    for bus in (foreign, misled):
        assert not bus.is_connected
        with pytest.raises(Unavailable):
            bus.last_config("all")


# Addresses.


def test_url_names_servers_domain_and_replicas():
    url = NatsUrl.parse("nats://192.0.2.1:4222, tls://192.0.2.2:4222?domain=hub&replicas=3")
    assert url == NatsUrl(("nats://192.0.2.1:4222", "tls://192.0.2.2:4222"), "hub", 3)


@pytest.mark.parametrize(
    "text", ["", "http://192.0.2.1", "nats://", "nats://x?replicas=y", "nats://x?domian=hub"]
)
def test_what_is_no_bus_is_refused(text):
    with pytest.raises(BusError, match="write it like"):
        NatsUrl.parse(text)
