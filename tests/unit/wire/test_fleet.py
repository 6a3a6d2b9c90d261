"""A fleet snapshot is read as it was written, or not at all."""

from __future__ import annotations

import hashlib

import msgspec
import pytest

from egressway.wire import fleet as wire
from egressway.wire.capability import WIRE
from egressway.wire.fleet import Corrupted, NewerLayout, decode, encode
from tests.support.fleets import address, fleet, move, pool, topology, zone

WHOLE = fleet(
    7,
    topology=topology("ams-1-1", "fra-1-1", moves=(move("ams-1-1", "fra-1-1", 20_000, 20_999),)),
    pools=(pool("p", address("192.0.2.1", "ams-1-1"), address("2001:db8::/64"), overflow=True),),
    zones=(zone(pool="p"),),
)


def test_it_comes_back_as_it_was():
    assert decode(encode(WHOLE)) == WHOLE


def test_newer_layout_is_refused_before_its_content_is_looked_at():
    body = msgspec.msgpack.encode({"nobody": "knows this"})
    checksum = hashlib.sha256(body).digest()
    message = wire._Envelope(WIRE + 1, 7, None, checksum, body)
    with pytest.raises(NewerLayout, match=f"layout {WIRE + 1}.*upgrade"):
        decode(msgspec.msgpack.encode(message))


@pytest.mark.parametrize("position", [0, 40, -1])
def test_changed_byte_anywhere_is_noticed(position):
    message = bytearray(encode(WHOLE))
    message[position] ^= 0x20
    with pytest.raises(Corrupted):
        decode(bytes(message))


def test_truncated_or_foreign_message_is_noticed():
    for message in (b"", encode(WHOLE)[:-5], msgspec.msgpack.encode([1, 2]), b"\xc1"):
        with pytest.raises(Corrupted):
            decode(message)


def test_content_of_another_revision_in_the_envelope_is_noticed():
    envelope = msgspec.msgpack.decode(encode(WHOLE))
    with pytest.raises(Corrupted, match="envelope of another"):
        decode(msgspec.msgpack.encode({**envelope, "revision": 8}))
