"""One snapshot, the same bytes in both languages: the golden files of `testdata/snapshots/`.

`python -m tests.contract.test_snapshot_bytes` writes them again after a change of the layout, which is a
change of `WIRE` unless every new field has a default.
"""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from egressway.data_plane import _native
from egressway.data_plane.handle import SnapshotRefused
from egressway.wire.capability import WIRE
from egressway.wire.snapshot import (
    Certificate,
    EgressAddress,
    Fleet,
    Host,
    Link,
    Listener,
    Origin,
    Peer,
    Pool,
    Region,
    Rung,
    Settings,
    Snapshot,
    Zone,
    decode,
    encode,
)

DIRECTORY = Path(__file__).parents[2] / "testdata" / "snapshots"

_SHARED = Pool(
    "shared",
    (
        EgressAddress("192.0.2.1", ((20_000, 59_999),), 40_000),
        EgressAddress("2001:db8::1", ((20_000, 59_999),), 40_000),
    ),
)
_DEDICATED = Pool(
    "pool-1",
    (EgressAddress("198.51.100.7", ((1_024, 9_999), (20_000, 29_999)), 500, draining=True),),
)
_LISTENERS = (
    Listener("0.0.0.0", 80, tls=False),
    Listener("::", 443, tls=True, proxy_protocol_from=("192.0.2.0/24", "2001:db8::/32")),
)

GOLDEN = {
    "smallest": Snapshot(
        revision=0,
        settings=Settings(),
        listeners=(),
        pools=(Pool("shared", ()),),
        shared_pool="shared",
        zones=(),
    ),
    "full": Snapshot(
        revision=2**40,
        settings=Settings(
            server_name="server-1",
            head_ms=1,
            max_headers=2**32 - 1,
            allowed_origins=("10.1.0.0/16",),
            extra_trust_roots="-----BEGIN CERTIFICATE-----\n",
            trusted_clients=("203.0.113.0/24",),
        ),
        listeners=_LISTENERS,
        pools=(_SHARED, _DEDICATED),
        shared_pool="shared",
        zones=(
            Zone(
                "zone-1",
                "account-1",
                "example.com",
                pool="pool-1",
                tls_to_clients=False,
                hosts=(
                    Host(
                        "www.example.com",
                        (
                            Origin(
                                "203.0.113.9",
                                8443,
                                "https",
                                "full",
                                sni="origin.example.com",
                                host="internal.example.com",
                                http2=False,
                                h2_max_streams=1,
                            ),
                            Origin("2001:db8::9", 80, "h2c", "off"),
                        ),
                    ),
                    Host("*.example.com", ()),
                ),
                certificates=(
                    Certificate("cert-1", ("*.example.com",), (b"\x30\x00", b"\x30"), b"\x00\xff"),
                ),
            ),
            Zone("zone-2", "account-2", "example.net"),
        ),
    ),
    "delta": Snapshot(
        revision=8,
        base_revision=7,
        settings=Settings(),
        listeners=_LISTENERS[:1],
        pools=(_SHARED,),
        shared_pool="shared",
        zones=(Zone("zone-3", "account-1", "example.org"),),
        removed_zones=("zone-1", "zone-2"),
    ),
    "fleet": Snapshot(
        revision=9,
        settings=Settings(link_dial_ms=1, link_ping_ms=2, link_dead_ms=3),
        listeners=(),
        pools=(
            Pool(
                "shared",
                (),
                overflow=True,
                elsewhere=(
                    Rung("data_center", "ams", ("server-2",)),
                    Rung("location", "ams", ("server-3",)),
                    Rung("closest", "fra", ("server-4",)),
                ),
            ),
        ),
        shared_pool="shared",
        zones=(
            Zone(
                "zone-1",
                "account-1",
                "example.com",
                hosts=(Host("www.example.com", (), region="eu"),),
            ),
        ),
        fleet=Fleet(
            "server-1",
            "ams-1",
            "ams",
            Link("2001:db8::1", 7443),
            (
                Peer("server-2", "ams-1", "ams", "192.0.2.2", 7443),
                Peer("server-3", "ams-2", "ams", "192.0.2.3", 7443),
                Peer("server-4", "fra-1", "fra", "2001:db8::4", 7443),
            ),
            (Region("eu", ("server-1", "server-4")),),
        ),
    ),
}


def files(name: str) -> tuple[Path, Path]:
    return DIRECTORY / f"{name}.msgpack", DIRECTORY / f"{name}.json"


def readable(snapshot: Snapshot) -> bytes:
    return msgspec.json.format(msgspec.json.encode(snapshot)) + b"\n"


@pytest.mark.parametrize("name", GOLDEN)
def test_python_writes_the_golden_bytes(name):
    assert encode(GOLDEN[name]) == files(name)[0].read_bytes()


@pytest.mark.parametrize("name", GOLDEN)
def test_python_reads_the_golden_bytes(name):
    assert decode(files(name)[0].read_bytes()) == GOLDEN[name]


@pytest.mark.parametrize("name", GOLDEN)
def test_description_says_what_the_bytes_hold(name):
    content, description = files(name)
    assert readable(decode(content.read_bytes())) == description.read_bytes()


@pytest.mark.parametrize("name", GOLDEN)
def test_data_plane_reads_and_writes_the_golden_bytes(name):
    content = files(name)[0].read_bytes()
    assert _native.golden_roundtrip(content) == content


def test_snapshot_of_the_first_layout_is_read_by_both():
    content = (DIRECTORY / "wire-1" / "full.msgpack").read_bytes()
    expected = msgspec.structs.replace(GOLDEN["full"], wire=1)
    assert decode(content) == expected
    assert decode(_native.golden_roundtrip(content)) == expected


def test_data_plane_has_the_same_defaults():
    bare = {
        "wire": WIRE,
        "revision": 1,
        "settings": {},
        "listeners": [],
        "pools": [],
        "shared_pool": "shared",
        "zones": [
            {
                "id": "z",
                "account": "a",
                "name": "n",
                "hosts": [
                    {
                        "name": "n",
                        "origins": [{"address": "192.0.2.1", "port": 1, "scheme": "https"}],
                    }
                ],
            }
        ],
    }
    content = msgspec.msgpack.encode(bare)
    assert decode(_native.golden_roundtrip(content)) == decode(content)


@pytest.mark.parametrize(
    "content",
    [b"", b"\xc1", b"\x80", msgspec.msgpack.encode({"wire": WIRE}), b"\xff" * 64],
    ids=["nothing", "reserved byte", "empty map", "fields missing", "noise"],
)
def test_data_plane_refuses_what_is_no_snapshot(content):
    with pytest.raises(_native.SnapshotRefused):
        _native.golden_roundtrip(content)


def test_unknown_field_is_refused_by_both():
    content = msgspec.msgpack.decode(encode(GOLDEN["smallest"]))
    longer = msgspec.msgpack.encode({**content, "speed": 1})
    with pytest.raises(_native.SnapshotRefused, match="speed"):
        _native.golden_roundtrip(longer)
    with pytest.raises(msgspec.ValidationError, match="speed"):
        decode(longer)


def test_layout_is_the_same_number_on_both_sides():
    assert _native.WIRE == WIRE
    assert issubclass(_native.SnapshotRefused, ValueError)
    assert issubclass(SnapshotRefused, ValueError)


if __name__ == "__main__":
    for each, made in GOLDEN.items():
        target, text = files(each)
        target.write_bytes(encode(made))
        text.write_bytes(readable(made))
