"""What a client is told when its origin cannot be reached, trusted or understood."""

from __future__ import annotations

import socket
from collections.abc import Callable

import pytest

from tests.support.addresses import listening_port
from tests.support.certificates import Authority, Leaf
from tests.support.h1_client import fetch
from tests.support.origins import Connection, Origin, after_request, answering
from tests.support.plane import Plane
from tests.support.waiting import eventually
from tests.support.world import World, origin

HOST = "www.example.com"


def plane_to(port: int, *, ip: str = "127.0.0.1", settings: dict | None = None, **details) -> Plane:
    world = World(settings=settings or {})
    world.zone(HOST, origin(port, ip=ip, **details))
    return Plane(world)


def test_a_port_on_which_nobody_listens_is_origin_refused() -> None:
    with plane_to(listening_port()) as plane:
        answer = fetch(plane.http, HOST)
        assert (answer.status, answer.error) == (502, "origin_refused")
        line = plane.log_line(host=HOST)
        assert (line["error"], line["error_source"]) == ("origin_refused", "origin")


def test_a_connection_that_is_not_taken_in_time_is_origin_connect_timeout() -> None:
    with full_listener() as listener:
        port = listener.getsockname()[1]
        with plane_to(port, settings={"dial_ms": 300}) as plane:
            answer = fetch(plane.http, HOST)
            assert (answer.status, answer.error) == (504, "origin_connect_timeout")
            assert plane.current(plane.world.shared_ip, port) == 0


def full_listener() -> socket.socket:
    """A listener whose queue is full, so that the kernel drops every further SYN."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(0)
    for _ in range(2):
        waiting = socket.socket()
        waiting.setblocking(False)
        waiting.connect_ex(listener.getsockname())
        _kept.append(waiting)
    return listener


_kept: list[socket.socket] = []


def test_an_origin_that_does_not_answer_in_time_is_origin_timeout() -> None:
    def silent(connection: Connection) -> None:
        connection.read_request()
        connection.wait_closed_by_peer()

    with Origin(silent) as home, plane_to(home.port, settings={"first_byte_ms": 300}) as plane:
        answer = fetch(plane.http, HOST)
        assert (answer.status, answer.error) == (504, "origin_timeout")
        assert home.connections[0].closed.wait(10)


def test_one_refused_origin_of_two_is_passed_over() -> None:
    with Origin(answering()) as home:
        world = World()
        world.zone(HOST, origin(listening_port()), origin(home.port))
        with Plane(world) as plane:
            assert [fetch(plane.http, HOST, method="POST").status for _ in range(6)] == [200] * 6


def test_a_host_without_origins_is_no_origin() -> None:
    world = World()
    world.zone(HOST)
    with Plane(world) as plane:
        answer = fetch(plane.http, HOST)
        assert (answer.status, answer.error) == (503, "no_origin")


def test_a_host_of_no_zone_is_zone_not_found() -> None:
    with plane_to(listening_port()) as plane:
        answer = fetch(plane.http, "unknown.example.com")
        assert (answer.status, answer.error) == (404, "zone_not_found")


def test_a_wildcard_covers_one_level_and_the_exact_name_wins() -> None:
    with Origin(answering()) as wild, Origin(answering()) as exact:
        world = World()
        world.zone("*.example.com", origin(wild.port))
        world.zone(HOST, origin(exact.port))
        with Plane(world) as plane:
            assert fetch(plane.http, HOST).status == 200
            assert fetch(plane.http, "other.example.com").status == 200
            assert fetch(plane.http, "deep.other.example.com").error == "zone_not_found"
            assert fetch(plane.http, "example.com").error == "zone_not_found"
            assert [request.host for request in exact.requests] == [HOST]
            assert [request.host for request in wild.requests] == ["other.example.com"]


@pytest.mark.parametrize(
    "ip", ["169.254.169.254", "10.0.0.1", "192.168.1.1", "172.16.0.1", "100.64.0.1", "0.0.0.0"]
)
def test_an_origin_in_a_denied_network_is_forbidden(ip: str) -> None:
    with plane_to(80, ip=ip) as plane:
        answer = fetch(plane.http, HOST)
        assert (answer.status, answer.error) == (403, "origin_forbidden")


@pytest.mark.parametrize("ip", ["fe80::1", "fc00::1", "::", "::ffff:10.0.0.1"])
def test_an_ipv6_origin_in_a_denied_network_is_forbidden(ip: str) -> None:
    with plane_to(80, ip=ip) as plane:
        assert fetch(plane.http, HOST).error == "origin_forbidden"


def test_loopback_is_forbidden_unless_the_operator_allows_it() -> None:
    with (
        Origin(answering()) as home,
        plane_to(home.port, settings={"allowed_origins": []}) as plane,
    ):
        assert fetch(plane.http, HOST).error == "origin_forbidden"
        assert home.connections == []


Issue = Callable[[Authority], Leaf]


def good(authority: Authority) -> Leaf:
    return authority.issue(HOST)


def other_name(authority: Authority) -> Leaf:
    return authority.issue("other.example.com")


def expired(authority: Authority) -> Leaf:
    return authority.issue_expired(HOST)


def other_issuer(_: Authority) -> Leaf:
    return Authority().issue(HOST)


@pytest.mark.parametrize(
    ("verify", "issue", "error"),
    [
        ("strict", good, None),
        ("strict", other_name, "origin_certificate_invalid"),
        ("strict", expired, "origin_certificate_invalid"),
        ("strict", other_issuer, "origin_certificate_invalid"),
        ("full", good, None),
        ("full", other_name, None),
        ("full", other_issuer, None),
        ("full", expired, "origin_certificate_invalid"),
        ("off", good, None),
        ("off", other_name, None),
        ("off", other_issuer, None),
        ("off", expired, None),
    ],
)
def test_the_verify_mode_decides_which_certificate_will_do(
    verify: str, issue: Issue, error: str | None, authority: Authority
) -> None:
    context = authority.server_context(issue(authority))
    settings = {"extra_trust_roots": authority.pem}
    with (
        Origin(answering(), tls=context) as home,
        plane_to(home.port, settings=settings, scheme="https", verify=verify) as plane,
    ):
        answer = fetch(plane.http, HOST)
        assert answer.error == error
        assert answer.status == (200 if error is None else 502)
        assert len(home.requests) == (error is None)


def test_an_origin_without_tls_is_origin_tls_failed() -> None:
    def not_tls(connection: Connection) -> None:
        connection.socket.recv(1_000)
        connection.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with Origin(not_tls) as home, plane_to(home.port, scheme="https") as plane:
        answer = fetch(plane.http, HOST)
        assert (answer.status, answer.error) == (502, "origin_tls_failed")


def test_a_tls_handshake_that_takes_too_long_is_given_up() -> None:
    def silent(connection: Connection) -> None:
        connection.wait_closed_by_peer()

    settings = {"origin_tls_ms": 300}
    with (
        Origin(silent) as home,
        plane_to(home.port, scheme="https", settings=settings) as plane,
    ):
        answer = fetch(plane.http, HOST)
        assert answer.error == "origin_tls_failed"
        assert home.connections[0].closed.wait(10)


def test_server_name_and_host_may_be_others_than_the_clients(authority: Authority) -> None:
    names: list[str | None] = []
    context = authority.server_context(authority.issue("inner.example.com"))
    context.sni_callback = lambda _socket, name, _context: names.append(name)
    details = {"sni": "inner.example.com", "host": "app.example.com", "verify": "strict"}
    settings = {"extra_trust_roots": authority.pem}
    with (
        Origin(answering(), tls=context) as home,
        plane_to(home.port, settings=settings, scheme="https", **details) as plane,
    ):
        assert fetch(plane.http, HOST).status == 200
        assert names == ["inner.example.com"]
        assert home.requests[0].host == "app.example.com"


def test_an_origin_that_closes_without_an_answer_is_origin_closed() -> None:
    with Origin(after_request()) as home, plane_to(home.port) as plane:
        answer = fetch(plane.http, HOST)
        assert (answer.status, answer.error) == (502, "origin_closed")


def test_a_record_that_leads_back_to_the_proxy_makes_no_circle() -> None:
    world = World()
    world.zone(HOST, origin(world.listeners[0]["port"]))
    with Plane(world) as plane:
        assert fetch(plane.http, HOST).status == 508
        eventually(lambda: len(plane.log(host=HOST)) == 2)
        assert {line["error"] for line in plane.log(host=HOST)} == {None, "loop_detected"}


def test_another_proxy_in_the_chain_is_no_loop() -> None:
    with Origin(answering()) as home, plane_to(home.port) as plane:
        answer = fetch(plane.http, HOST, "/", ("CDN-Loop", "egressway-0123456789abcdef"))
        assert answer.status == 200
        (seen,) = home.requests[0].get_all("cdn-loop")
        assert seen.startswith("egressway-0123456789abcdef, egressway-")
