"""On a bus that takes certificates only, servers say what is theirs to say, and revoked ones nothing."""

from __future__ import annotations

import asyncio
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import nats
import nats.errors
import pytest

from egressway.bus import nats_names as names
from egressway.bus.nats import NatsBus
from egressway.identity.authority import Authority
from egressway.identity.node_key import NodeKey
from egressway.identity.tls import client_context
from egressway.node.identity import Identity, IdentityFile
from egressway.services.bus_start import node_client
from tests.support.fleet_processes import Fleet, command, environment
from tests.support.nats import NatsServer
from tests.support.waiting import eventually

HOST = "example.com"


class PreparedNats(NatsServer):
    """A NATS server with the files that `egressway prepare-bus` has written."""

    def __init__(self, directory: Path, control_data: Path) -> None:
        super().__init__(directory)
        self.files = directory / "bus"
        self._file = self.files / "nats.conf"
        done = subprocess.run(
            command(
                "prepare-bus",
                *("--data", str(control_data), "--to", str(self.files)),
                *("--host", "127.0.0.1", "--port", str(self.port)),
            ),
            env=environment(),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr

    @property
    def url(self) -> str:
        return f"tls://127.0.0.1:{self.port}"


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    directory = tmp_path_factory.mktemp("fleet")
    prepared = PreparedNats(directory / "nats", directory / "control")
    with Fleet(directory, prepared, EGRESSWAY_BUS_FILES=str(prepared.files)) as running:
        running.place("lisbon", "lis1", "s1", "s2")
        yield running


@pytest.fixture(scope="module")
def node(fleet, origin):
    fleet.zone(HOST, origin.port)
    started = fleet.node("s1")
    eventually(lambda: started.answers(HOST), within=20)
    return started


class Member:
    """A plain NATS client with the certificate of a server, as somebody who has stolen it would use it."""

    def __init__(self, url: str, identity: Identity) -> None:
        texts = (identity.authority, identity.certificate, identity.key)
        self._context = client_context(*(text.encode("ascii") for text in texts))
        self._url = url
        self.errors: list[Exception] = []
        self.client: nats.NATS | None = None

    def refused(self) -> int:
        """How often the bus has said that it may not."""
        return sum("permissions violation" in str(error).lower() for error in self.errors)

    async def connect(self, **options: Any) -> nats.NATS:
        async def failed(error: Exception) -> None:
            self.errors.append(error)

        return await nats.connect(
            self._url,
            tls=self._context,
            allow_reconnect=False,
            connect_timeout=5,
            error_cb=failed,
            **options,
        )


def identity_of(data: Path) -> Identity:
    identity = IdentityFile(data).read()
    assert identity is not None
    return identity


def test_fleet_works_over_certificates(fleet, node):
    assert node.answers(HOST)
    eventually(lambda: fleet.servers()["s1"]["revision"] is not None)


def test_stranger_is_not_on_the_bus(fleet):
    async def stranger() -> None:
        await nats.connect(fleet.nats.url, allow_reconnect=False, connect_timeout=5)

    with pytest.raises((nats.errors.Error, OSError)):
        asyncio.run(stranger())


def test_server_does_not_publish_what_others_run(fleet, node):
    member = Member(fleet.nats.url, identity_of(node.data))

    async def try_to_lead_others() -> None:
        client = await member.connect()
        await client.publish("egressway.config.all", b"poison")
        await client.publish("egressway.live.config.all", b"poison")
        await client.publish("egressway.acknowledgement.s2", b"poison")
        async with asyncio.timeout(30):
            while member.refused() < 3:
                await asyncio.sleep(0.02)
        await client.close()

    before = fleet.servers()["s1"]["revision"]
    asyncio.run(try_to_lead_others())
    assert member.refused() == 3
    assert fleet.servers()["s1"]["revision"] == before


def test_server_can_neither_empty_the_values_nor_have_them_sent_to_others(fleet, node):
    member = Member(fleet.nats.url, identity_of(node.data))
    held, answers = "$KV.egressway.held.s1", names.inbox(node_client("s1"))

    async def try_to_reach_beyond_its_own() -> bytes | None:
        client = await member.connect(inbox_prefix=answers)
        forged = {"Egressway-Revision": "1000000"}
        await client.publish(held, b"poison", headers=forged)
        await client.publish(held, b"", headers={"Nats-Rollup": "all"})
        await client.publish(
            "$JS.API.DIRECT.GET.KV_egressway." + held, b"", reply="egressway.config.all"
        )
        async with asyncio.timeout(30):
            while not member.refused():
                await asyncio.sleep(0.02)
        kept = await client.jetstream().get_msg(names.VALUES, subject="$KV.egressway.instance.s1")
        await client.close()
        return kept.data

    before = fleet.servers()["s1"]["revision"]
    assert asyncio.run(try_to_reach_beyond_its_own())
    assert fleet.servers()["s1"]["revision"] == before


def test_revoked_server_is_off_the_bus_within_seconds(fleet):
    node = fleet.node("s2")
    identity = identity_of(node.data)
    member = Member(fleet.nats.url, identity)

    async def stay_until_thrown_out() -> None:
        client = await member.connect()
        await client.subscribe("egressway.live.>")
        await asyncio.to_thread(fleet.call, "POST", "/egressway/servers/s2/revoke")
        async with asyncio.timeout(5):
            while client.is_connected:
                await asyncio.sleep(0.02)

    asyncio.run(stay_until_thrown_out())
    with pytest.raises((nats.errors.Error, OSError)):
        asyncio.run(member.connect())
    assert node.wait(within=10) == 1
    assert msgspec.json.decode((node.data / "identity.json").read_bytes())["server"] == "s2"


def test_bus_that_is_to_have_a_certificate_is_not_believed_without(tmp_path):
    key, now = NodeKey.generate(), datetime.now(UTC)
    authority = Authority.create(now)
    issued = authority.issue_node("s1", key.public, now, timedelta(hours=1))
    context = client_context(authority.certificate_pem, issued.chain, key.pem)
    with NatsServer.with_jetstream(tmp_path, debug=True) as plain:
        bus = NatsBus(plain.url.replace("nats://", "tls://"), tls=context)
        eventually(lambda: plain.log().count("Client connection created") >= 3)
        assert not bus.is_connected
        bus.close()
