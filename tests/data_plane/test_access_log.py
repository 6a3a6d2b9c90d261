"""One line of JSON per request, with all that is needed to explain it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tests.support.addresses import egress_ip, listening_port
from tests.support.certificates import Authority
from tests.support.h1_client import H1Client, exchange, fetch
from tests.support.h2_client import fetch_h2
from tests.support.h2_origins import H2Origin, respond_hello
from tests.support.http_message import request_bytes, response_bytes
from tests.support.origins import Gate, Origin, answering
from tests.support.plane import Plane
from tests.support.waiting import eventually
from tests.support.world import World, address, origin

HOST = "www.example.com"

FIELDS = {
    *("at", "request_id", "zone", "account", "client", "method", "host", "path"),
    *("client_protocol", "tls", "status", "error", "egress_ip", "egress_port", "origin"),
    *("origin_protocol", "reused", "coalesced", "attempts", "rung", "bytes_in", "bytes_out"),
    *("ingress_server", "egress_server"),
    *("wait_us", "dial_us", "first_byte_us", "total_us"),
}
"""Of a request that went well over a new connection without TLS; what does not apply is left out."""


def world_of(port: int, **details: object) -> World:
    world = World()
    pool = world.pool("p", address(egress_ip()))
    world.zone(HOST, origin(port, **details), pool=pool, account="account-7")
    return world


def test_a_request_is_told_with_all_fields() -> None:
    body = b"x" * 5_000
    with Origin(answering(response_bytes(200, body))) as home, Plane(world_of(home.port)) as plane:
        fetch(plane.http, HOST, "/a/b?c=d", method="POST", body=b"y" * 300)
        line = plane.log_line(host=HOST)
        assert set(line) == FIELDS
        told = datetime.fromisoformat(line["at"])
        assert abs(datetime.now(UTC) - told) < timedelta(minutes=1)
        assert line["at"].endswith("Z")
        connection = home.connections[0]
        wanted = {
            "zone": f"zone-{HOST}",
            "account": "account-7",
            "method": "POST",
            "path": "/a/b?c=d",
            "client_protocol": "http/1.1",
            "tls": False,
            "status": 200,
            "error": None,
            "egress_ip": connection.peer_ip,
            "egress_port": connection.peer_port,
            "origin": home.endpoint,
            "origin_protocol": "http/1.1",
            "reused": False,
            "coalesced": False,
            "attempts": 1,
            "rung": "server",
        }
        assert {name: line[name] for name in wanted} == wanted
        assert line["client"].startswith("127.0.0.1")
        assert line["bytes_in"] >= 300
        assert line["bytes_out"] >= 5_000
        times = [line[name] for name in ("wait_us", "dial_us", "first_byte_us")]
        assert all(0 <= time <= line["total_us"] for time in times)
        assert line["request_id"] == home.requests[0].get("x-request-id")


def test_a_reused_connection_is_told() -> None:
    with Origin(answering()) as home, Plane(world_of(home.port)) as plane:
        fetch(plane.http, HOST, "/1")
        fetch(plane.http, HOST, "/2")
        assert plane.log_line(path="/1")["reused"] is False
        assert plane.log_line(path="/2")["reused"] is True
        assert "dial_us" not in plane.log_line(path="/2")


def test_protocols_of_both_sides_are_told(authority: Authority) -> None:
    context = authority.server_context(authority.issue(HOST), "h2")
    with H2Origin(respond_hello, tls=context) as home:
        world = world_of(home.port, scheme="https", verify="off")
        with Plane(world) as plane:
            fetch_h2(plane.http, HOST)
            line = plane.log_line(host=HOST)
            assert (line["client_protocol"], line["origin_protocol"]) == ("h2", "h2")
            assert line["tls_us"] > 0


def test_an_error_is_told_with_its_cause() -> None:
    with Plane(world_of(listening_port())) as plane:
        fetch(plane.http, HOST)
        line = plane.log_line(host=HOST)
        assert (line["status"], line["error"]) == (502, "origin_refused")
        assert line["error_source"] == "origin"
        assert line["cause"]


def test_a_request_that_could_not_be_read_is_told() -> None:
    with Plane(world_of(listening_port())) as plane:
        exchange(plane.http, b"GET / HTTP/1.1\r\n\r\n")
        line = plane.log_line(error="host_invalid")
        assert (line["status"], line["zone"], line["error_source"]) == (400, None, "client")


def test_a_request_of_no_zone_is_told() -> None:
    with Plane(world_of(listening_port())) as plane:
        fetch(plane.http, "unknown.example.com")
        line = plane.log_line(host="unknown.example.com")
        assert (line["status"], line["error"], line["zone"]) == (404, "zone_not_found", None)


def test_a_client_that_went_away_is_told() -> None:
    gate = Gate()
    with Origin(answering(gate)) as home, Plane(world_of(home.port)) as plane:
        with H1Client(plane.http) as client:
            client.send(request_bytes(HOST))
            eventually(lambda: gate.waiting)
        line = plane.log_line(host=HOST)
        assert (line["error"], line["error_source"]) == ("client_aborted", "client")
        gate.open()


def test_odd_bytes_in_a_path_do_not_break_the_line() -> None:
    path = "/\"'\\u0022<>{}%00"
    with Origin(answering()) as home, Plane(world_of(home.port)) as plane:
        fetch(plane.http, HOST, path)
        fetch(plane.http, HOST, "/after")
        assert plane.log_line(path="/after")["status"] == 200
        assert len(plane.log()) == 2


def test_lines_beyond_the_buffer_are_dropped_and_counted_and_nobody_waits() -> None:
    requests = 200
    with (
        Origin(answering()) as home,
        Plane(world_of(home.port), log_buffer_bytes=10_000) as plane,
        H1Client(plane.http) as client,
    ):
        assert [client.request(HOST).status for _ in range(requests)] == [200] * requests
        # The loss is told by the same drain that brings the lines.
        eventually(lambda: len(plane.log()) + plane.counted("log_dropped") == requests)
        assert 0 < plane.status()["log_dropped"] < requests
