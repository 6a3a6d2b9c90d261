"""Certificates by server name, changed while the plane runs."""

from __future__ import annotations

import ssl

import pytest

from tests.support.certificates import Authority, Leaf
from tests.support.h1_client import H1Client, fetch
from tests.support.h2_client import H2Client
from tests.support.origins import Origin, answering
from tests.support.plane import Plane
from tests.support.world import World, origin

A, B = "a.example.com", "b.example.com"


def presented(plane: Plane, authority: Authority, host: str, *protocols: str) -> bytes | None:
    """The DER certificate the plane presents for a name; `None`: the handshake failed."""
    try:
        context = authority.client_context(*protocols)
        with H1Client(plane.https, tls=context, server_name=host) as client:
            assert isinstance(client.socket, ssl.SSLSocket)
            return client.socket.getpeercert(binary_form=True)
    except (ssl.SSLError, ConnectionError):
        return None


def world_of(home: Origin, *leaves: Leaf) -> World:
    world = World()
    for leaf in leaves:
        for host in leaf.names:
            world.zone(host, origin(home.port), certificates=[leaf])
    return world


def test_each_name_is_served_its_own_certificate(authority: Authority) -> None:
    leaf_a, leaf_b = authority.issue(A), authority.issue(B)
    with Origin(answering()) as home, Plane(world_of(home, leaf_a, leaf_b)) as plane:
        assert presented(plane, authority, A) == leaf_a.chain[0]
        assert presented(plane, authority, B) == leaf_b.chain[0]
        assert presented(plane, authority, A.upper()) == leaf_a.chain[0]


def test_a_wildcard_serves_one_level_and_an_exact_name_wins(authority: Authority) -> None:
    wild, exact = authority.issue("*.example.com"), authority.issue(A)
    with Origin(answering()) as home, Plane(world_of(home, wild, exact)) as plane:
        assert presented(plane, authority, A) == exact.chain[0]
        assert presented(plane, authority, B) == wild.chain[0]
        assert presented(plane, authority, "deep.b.example.com") is None


def test_a_name_without_a_certificate_fails_in_the_handshake(authority: Authority) -> None:
    with Origin(answering()) as home, Plane(world_of(home, authority.issue(A))) as plane:
        assert presented(plane, authority, "unknown.example.com") is None
        assert presented(plane, authority, A) is not None


def test_a_zone_without_tls_fails_in_the_handshake(authority: Authority) -> None:
    leaf = authority.issue(A)
    with Origin(answering()) as home:
        world = World()
        world.zone(A, origin(home.port), certificates=[leaf], tls_to_clients=False)
        with Plane(world) as plane:
            assert presented(plane, authority, A) is None
            assert fetch(plane.http, A).status == 200


def test_a_changed_certificate_is_served_at_once_and_old_connections_go_on(
    authority: Authority,
) -> None:
    old, new = authority.issue(A), authority.issue(A)
    with Origin(answering()) as home, Plane(world_of(home, old)) as plane:
        context = authority.client_context()
        with H1Client(plane.https, tls=context, server_name=A) as client:
            assert client.request(A).status == 200
            for leaf in (new, old, new):
                plane.world.zone(A, origin(home.port), certificates=[leaf])
                plane.apply()
                assert presented(plane, authority, A) == leaf.chain[0]
            assert client.request(A).status == 200
            plane.world.zone(A, origin(home.port))
            plane.apply()
            assert presented(plane, authority, A) is None


def test_the_protocol_is_agreed_in_the_handshake(authority: Authority) -> None:
    with Origin(answering()) as home, Plane(world_of(home, authority.issue(A))) as plane:
        for offered, taken in ((["h2", "http/1.1"], "h2"), (["http/1.1"], "http/1.1"), ([], None)):
            context = authority.client_context(*offered)
            with H1Client(plane.https, tls=context, server_name=A) as client:
                assert isinstance(client.socket, ssl.SSLSocket)
                assert client.socket.selected_alpn_protocol() == taken
        h2 = authority.client_context("h2")
        with H2Client(plane.https, tls=h2, server_name=A) as client:
            assert client.request(A).body == b"hello"
        assert plane.log_line(client_protocol="h2")["tls"] is True


def test_a_request_for_a_host_the_certificate_does_not_cover_is_misdirected(
    authority: Authority,
) -> None:
    leaves = authority.issue(A), authority.issue(B)
    with Origin(answering()) as home, Plane(world_of(home, *leaves)) as plane:
        h2 = authority.client_context("h2")
        with H2Client(plane.https, tls=h2, server_name=A) as client:
            assert client.request(A).status == 200
            answer = client.request(B)
            assert (answer.status, answer.error) == (421, "misdirected")
            assert client.request(A).status == 200
        assert {request.host for request in home.requests} == {A}


def test_hosts_of_one_zone_may_share_a_clients_connection(authority: Authority) -> None:
    with Origin(answering()) as home:
        world = World()
        world.zone(A, origin(home.port), also=[B], certificates=[authority.issue(A, B)])
        with Plane(world) as plane:
            h2 = authority.client_context("h2")
            with H2Client(plane.https, tls=h2, server_name=A) as client:
                assert [client.request(host).status for host in (A, B, A)] == [200] * 3


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_both_current_versions_of_tls_are_spoken(
    version: ssl.TLSVersion, authority: Authority
) -> None:
    with Origin(answering()) as home, Plane(world_of(home, authority.issue(A))) as plane:
        context = authority.client_context()
        context.minimum_version = context.maximum_version = version
        with H1Client(plane.https, tls=context, server_name=A) as client:
            assert client.request(A).status == 200
