"""Encoding is the inverse of decoding, and strict about what it does not know."""

from __future__ import annotations

import msgspec
import pytest

from egressway.wire.capability import HISTORY, WIRE
from egressway.wire.snapshot import Certificate, decode, encode
from tests.support.snapshots import snapshot, zone


def test_decoding_gives_back_what_was_encoded():
    certificate = Certificate("c", ("example.com",), (b"leaf", b"issuer"), b"key")
    made = snapshot(3, zone(certificates=(certificate,), pool="p"), base_revision=2)
    assert decode(encode(made)) == made


def test_unknown_field_is_refused():
    content = msgspec.msgpack.decode(encode(snapshot()))
    with pytest.raises(msgspec.ValidationError, match="speed"):
        decode(msgspec.msgpack.encode({**content, "speed": 1}))


def test_private_key_is_never_shown():
    shown = repr(zone(certificates=(Certificate("c", (), (b"leaf",), b"very-secret"),)))
    assert "very-secret" not in shown


def test_history_ends_with_the_layout_written():
    assert max(HISTORY) == WIRE
    assert sorted(HISTORY) == list(range(1, WIRE + 1))
