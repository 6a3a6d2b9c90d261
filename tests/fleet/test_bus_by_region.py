"""On a bus that takes certificates, a key that is confined to a region is for servers in it alone."""

from __future__ import annotations

import asyncio
import json
import ssl
from contextlib import suppress
from typing import Any

import nats
import nats.errors
import nats.js.errors
import pytest
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)

from egressway.bus import nats_names as names
from egressway.services.bus_start import node_client
from tests.fleet.test_bus_with_certificates import Member, PreparedNats, identity_of
from tests.support.fleet_processes import Fleet, NodeProcess
from tests.support.waiting import eventually

HOST = "www.example.com"
STREAMS = ("egressway-config-eu", "KV_egressway-whole-eu")


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    directory = tmp_path_factory.mktemp("regions")
    prepared = PreparedNats(directory / "nats", directory / "control")
    with Fleet(directory, prepared, EGRESSWAY_BUS_FILES=str(prepared.files)) as running:
        running.place("lisbon", "lis1", "inside")
        running.place("boston", "bos1", "outside")
        running.call("PATCH", "/egressway/locations/lisbon", {"regions": ["eu"]})
        yield running


@pytest.fixture(scope="module")
def nodes(fleet):
    return {node.server: node for node in fleet.nodes("inside", "outside")}


@pytest.fixture(scope="module")
def confined_key(fleet, nodes, authority) -> bytes:
    """What must be found nowhere outside: a zone that is confined before it has a certificate."""
    body = {"name": "example.com", "account": {"id": fleet.account_id}}
    zone_id = fleet.call("POST", "/zones", body)["id"]
    regional = {"hostname": HOST, "region_key": "eu"}
    fleet.call("POST", f"/zones/{zone_id}/addressing/regional_hostnames", regional)
    leaf = authority.issue(HOST)
    certificate = "".join(ssl.DER_cert_to_PEM_cert(each) for each in leaf.chain)
    key = load_der_private_key(leaf.key, None)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    pair = {"certificate": certificate, "private_key": pem.decode("ascii")}
    fleet.call("POST", f"/zones/{zone_id}/custom_certificates", pair)
    revision = fleet.call("GET", "/egressway/fleet")["revision"]
    for node in nodes.values():
        eventually(lambda node=node: node.status()["revision"] >= revision, within=30)
    return leaf.key


class Thief(Member):
    """Has stolen a certificate and read our code: it is answered where it may hear answers."""

    async def connect(self, **options: Any) -> nats.NATS:
        answers = names.inbox(node_client(self.server))
        return await super().connect(inbox_prefix=answers, **options)

    @classmethod
    def of(cls, fleet: Fleet, node: NodeProcess) -> Thief:
        made = cls(fleet.nats.url, identity_of(node.data))
        made.server = node.server
        return made


async def heard_and_read(member: Member, streams: tuple[str, ...]) -> tuple[list[bytes], int]:
    """Everything that a client with this certificate gets to see; what it was refused."""
    client = await member.connect()
    heard: list[bytes] = []

    async def note(message) -> None:
        heard.append(message.data)

    for subject in ("egressway.live.>", "egressway.live.config.*", "_INBOX.>", "egressway.>", ">"):
        await client.subscribe(subject, cb=note)
    jetstream = client.jetstream(timeout=1)
    for stream in streams:
        for sequence in range(1, 50):
            try:
                message = await jetstream.get_msg(stream, seq=sequence)
            except nats.js.errors.NotFoundError:
                continue
            except (nats.errors.Error, nats.js.errors.Error, TimeoutError):
                break
            heard.append(message.data or b"")
    await client.flush()
    with suppress(nats.errors.Error):
        await client.close()
    return heard, sum("violation" in str(error).lower() for error in member.errors)


def test_the_key_is_in_the_streams_of_its_region(fleet, nodes, confined_key):
    member = Thief.of(fleet, nodes["inside"])
    heard, _ = asyncio.run(heard_and_read(member, STREAMS))
    assert any(confined_key in content for content in heard)


def test_a_server_outside_neither_hears_nor_reads_the_key(fleet, nodes, confined_key):
    member = Thief.of(fleet, nodes["outside"])
    everywhere = tuple(name.replace("-eu", "-all") for name in STREAMS)
    heard, refused = asyncio.run(heard_and_read(member, everywhere + STREAMS))
    assert heard, "what everybody is sent"
    assert not any(confined_key in content for content in heard)
    assert refused >= 6, "five subscriptions and a question to each stream"


def test_server_that_comes_into_the_region_hears_of_it_and_is_let_in(fleet, nodes, confined_key):
    fleet.call("PATCH", "/egressway/locations/boston", {"regions": ["eu"]})
    revision = fleet.call("GET", "/egressway/fleet")["revision"]
    eventually(lambda: nodes["outside"].status()["revision"] >= revision, within=30)
    kept = nodes["outside"].data / "fleet.whole"
    eventually(lambda: confined_key in kept.read_bytes(), within=30, why="the key is there")


def test_server_that_has_left_its_region_while_it_was_away_follows_all_the_same(
    fleet, nodes, confined_key
):
    nodes["outside"].end()
    fleet.call("PATCH", "/egressway/locations/boston", {"regions": []})
    users = fleet.nats.files / "users.conf"

    def may_hear_the_region() -> bool:
        listed = json.loads(users.read_text("utf-8").removeprefix("authorization: "))["users"]
        (own,) = (each for each in listed if each["user"].startswith("outside."))
        return any(each.endswith(".eu") for each in own["permissions"]["subscribe"])

    eventually(lambda: not may_hear_the_region(), within=10)
    again = fleet.node("outside")
    revision = fleet.call("GET", "/egressway/fleet")["revision"]
    eventually(lambda: again.status()["revision"] >= revision, within=60)
