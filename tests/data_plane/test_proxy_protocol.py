"""PROXY protocol headers, versions 1 and 2: who the client is said to be, and who may say it."""

from __future__ import annotations

import ipaddress
import struct

import pytest

from tests.support.certificates import Authority
from tests.support.h1_client import H1Client
from tests.support.http_message import request_bytes
from tests.support.origins import Origin, answering
from tests.support.plane import Plane
from tests.support.world import World, origin

HOST = "www.example.com"
SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
REQUEST = request_bytes(HOST)


def plane_behind_proxy(home: Origin, *, peers: str = "127.0.0.0/8", **settings: object) -> Plane:
    world = World(settings=dict(settings))
    world.listeners.clear()
    world.listen(tls=False, proxy_protocol_from=[peers])
    world.zone(HOST, origin(home.port))
    return Plane(world)


def version_2(source: str, destination: str, *, command: int = 1, more: bytes = b"") -> bytes:
    """A header for a TCP connection."""
    source_ip, destination_ip = ipaddress.ip_address(source), ipaddress.ip_address(destination)
    family = 0x11 if source_ip.version == 4 else 0x21
    ends = source_ip.packed + destination_ip.packed + struct.pack("!HH", 1_234, 80) + more
    return SIGNATURE + bytes([0x20 | command, family]) + struct.pack("!H", len(ends)) + ends


def tlv(kind: int, value: bytes) -> bytes:
    return bytes([kind]) + struct.pack("!H", len(value)) + value


def crc32c(data: bytes) -> int:
    """Castagnoli, bit by bit: few bytes, no table."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def with_checksum(*, is_right: bool) -> bytes:
    blank = version_2("192.0.2.7", "192.0.2.8", more=tlv(0x03, bytes(4)))
    checksum = struct.pack("!I", crc32c(blank) ^ (not is_right))
    return blank[:-4] + checksum


ACCEPTED = {
    "v1_tcp4": (b"PROXY TCP4 192.0.2.7 192.0.2.8 1234 80\r\n", "192.0.2.7"),
    "v1_tcp6": (b"PROXY TCP6 2001:db8::7 2001:db8::8 1234 80\r\n", "2001:db8::7"),
    "v1_unknown": (b"PROXY UNKNOWN\r\n", "127.0.0.1"),
    "v1_unknown_with_addresses": (b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", "127.0.0.1"),
    "v2_tcp4": (version_2("192.0.2.7", "192.0.2.8"), "192.0.2.7"),
    "v2_tcp6": (version_2("2001:db8::7", "2001:db8::8"), "2001:db8::7"),
    "v2_local": (version_2("192.0.2.7", "192.0.2.8", command=0), "127.0.0.1"),
    "v2_with_fields": (
        version_2("192.0.2.7", "192.0.2.8", more=tlv(0x02, HOST.encode()) + tlv(0x04, b"")),
        "192.0.2.7",
    ),
    "v2_with_checksum": (with_checksum(is_right=True), "192.0.2.7"),
}

REFUSED = {
    "none": b"",
    "v1_bad_address": b"PROXY TCP4 192.0.2 192.0.2.8 1234 80\r\n",
    "v1_bad_port": b"PROXY TCP4 192.0.2.7 192.0.2.8 123456 80\r\n",
    "v1_wrong_family": b"PROXY TCP4 2001:db8::7 2001:db8::8 1234 80\r\n",
    "v1_other_protocol": b"PROXY UDP4 192.0.2.7 192.0.2.8 1234 80\r\n",
    "v1_too_long": b"PROXY UNKNOWN " + b"x" * 100 + b"\r\n",
    "v1_lf": b"PROXY TCP4 192.0.2.7 192.0.2.8 1234 80\n",
    "v2_other_version": SIGNATURE + b"\x31\x11\x00\x0c" + bytes(12),
    "v2_other_command": version_2("192.0.2.7", "192.0.2.8", command=2),
    "v2_too_short": SIGNATURE + b"\x21\x11\x00\x04" + bytes(4),
    "v2_checksum_wrong": with_checksum(is_right=False),
}


@pytest.mark.parametrize(("header", "client_ip"), ACCEPTED.values(), ids=ACCEPTED.keys())
def test_the_header_says_who_the_client_is(header: bytes, client_ip: str) -> None:
    with (
        Origin(answering()) as home,
        plane_behind_proxy(home) as plane,
        H1Client(plane.http) as client,
    ):
        client.send(header + REQUEST)
        assert client.read_response().status == 200
        assert home.requests[0].get("x-forwarded-for") == client_ip
        assert plane.log_line(host=HOST)["client"].startswith((client_ip, f"[{client_ip}]"))


@pytest.mark.parametrize("header", REFUSED.values(), ids=REFUSED.keys())
def test_a_connection_without_a_proper_header_is_closed(header: bytes) -> None:
    with (
        Origin(answering()) as home,
        plane_behind_proxy(home) as plane,
        H1Client(plane.http) as client,
    ):
        client.send(header + REQUEST)
        assert client.is_closed_by_peer()
        assert home.requests == []


def test_a_peer_outside_the_listed_networks_is_refused() -> None:
    with (
        Origin(answering()) as home,
        plane_behind_proxy(home, peers="192.0.2.0/24") as plane,
        H1Client(plane.http) as client,
    ):
        client.send(ACCEPTED["v1_tcp4"][0] + REQUEST)
        assert client.is_closed_by_peer()
        assert home.requests == []


def test_a_header_that_comes_byte_by_byte_is_read() -> None:
    with (
        Origin(answering()) as home,
        plane_behind_proxy(home) as plane,
        H1Client(plane.http) as client,
    ):
        for byte in ACCEPTED["v2_tcp6"][0] + REQUEST:
            client.send(bytes([byte]))
        assert client.read_response().status == 200
        assert home.requests[0].get("x-forwarded-for") == "2001:db8::7"


def test_a_header_that_does_not_come_in_time_ends_the_connection() -> None:
    with (
        Origin(answering()) as home,
        plane_behind_proxy(home, head_ms=300) as plane,
        H1Client(plane.http) as client,
    ):
        client.send(b"PROXY TCP4 192.0")
        assert client.is_closed_by_peer()


def test_the_header_comes_before_tls(authority: Authority) -> None:
    with Origin(answering()) as home:
        world = World()
        port = world.listen(tls=True, proxy_protocol_from=["127.0.0.0/8"])
        world.zone(HOST, origin(home.port), certificates=[authority.issue(HOST)])
        with Plane(world), H1Client(("127.0.0.1", port)) as client:
            client.send(ACCEPTED["v2_tcp4"][0])
            context = authority.client_context()
            client.socket = context.wrap_socket(client.socket, server_hostname=HOST)
            client.reader = type(client.reader)(client.socket)
            client.send(REQUEST)
            assert client.read_response().status == 200
            assert home.requests[0].get("x-forwarded-for") == "192.0.2.7"
            assert home.requests[0].get("x-forwarded-proto") == "https"


def test_a_header_on_a_listener_without_it_is_no_request() -> None:
    with Origin(answering()) as home:
        world = World()
        world.zone(HOST, origin(home.port))
        with Plane(world) as plane, H1Client(plane.http) as client:
            client.send(ACCEPTED["v1_tcp4"][0] + REQUEST)
            assert client.read_response().status == 400
            assert home.requests == []
