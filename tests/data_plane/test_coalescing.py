"""Two hostnames share an HTTP/2 connection exactly when certificate, origin, pool and mode allow it."""

from __future__ import annotations

from tests.support.addresses import egress_ip
from tests.support.certificates import Authority
from tests.support.h1_client import fetch
from tests.support.h2_origins import Exchange, H2Origin, respond_hello
from tests.support.plane import Plane
from tests.support.world import World, address, origin

A, B = "a.example.com", "b.example.com"


def h2_origin(authority: Authority, *names: str, on_end=respond_hello) -> H2Origin:
    return H2Origin(on_end, tls=authority.server_context(authority.issue(*names), "h2"))


def world_of(authority: Authority, home: H2Origin, *, verify: str = "strict") -> World:
    world = World(settings={"extra_trust_roots": authority.pem})
    for host in (A, B):
        world.zone(host, origin(home.port, scheme="https", verify=verify))
    return world


def test_a_certificate_for_both_lets_both_share_a_connection(authority: Authority) -> None:
    with h2_origin(authority, A, B) as home, Plane(world_of(authority, home)) as plane:
        assert [fetch(plane.http, host).status for host in (A, B, A, B)] == [200] * 4
        assert len(home.connections) == 1
        assert [exchange.authority for exchange in home.exchanges] == [A, B, A, B]
        assert plane.log_line(host=A)["coalesced"] is False
        assert plane.log_line(host=B)["coalesced"] is True


def test_a_wildcard_certificate_covers_one_level(authority: Authority) -> None:
    deep = "deep.b.example.com"
    with h2_origin(authority, "*.example.com", deep) as home:
        world = world_of(authority, home)
        with Plane(world) as plane:
            assert [fetch(plane.http, host).status for host in (A, B)] == [200] * 2
            assert len(home.connections) == 1


def test_a_certificate_for_one_keeps_them_apart(authority: Authority) -> None:
    leaf_a = authority.server_context(authority.issue(A), "h2")
    leaf_b = authority.server_context(authority.issue(B), "h2")
    leaf_a.sni_callback = lambda tls, name, _: setattr(
        tls, "context", leaf_b if name == B else leaf_a
    )
    with (
        H2Origin(respond_hello, tls=leaf_a) as home,
        Plane(world_of(authority, home)) as plane,
    ):
        assert [fetch(plane.http, host).status for host in (A, B, A, B)] == [200] * 4
        assert len(home.connections) == 2


def test_modes_that_do_not_check_the_name_never_share(authority: Authority) -> None:
    for verify in ("full", "off"):
        with (
            h2_origin(authority, A, B) as home,
            Plane(world_of(authority, home, verify=verify)) as plane,
        ):
            assert [fetch(plane.http, host).status for host in (A, B, A, B)] == [200] * 4
            assert len(home.connections) == 2


def test_pools_never_share(authority: Authority) -> None:
    with h2_origin(authority, A, B) as home:
        world = world_of(authority, home)
        details = {"scheme": "https", "verify": "strict"}
        ips = {A: egress_ip(), B: egress_ip()}
        for host, ip in ips.items():
            pool = world.pool(f"pool-{host}", address(ip))
            world.zone(host, origin(home.port, **details), pool=pool)
        with Plane(world) as plane:
            assert [fetch(plane.http, host).status for host in (A, B, A, B)] == [200] * 4
            assert sorted(home.peers) == sorted(ips.values())
            for exchange in home.exchanges:
                assert exchange.peer.connection.peer_ip == ips[exchange.authority]


def test_origins_at_other_ports_never_share(authority: Authority) -> None:
    with h2_origin(authority, A, B) as home, h2_origin(authority, A, B) as other:
        world = world_of(authority, home)
        world.zone(B, origin(other.port, scheme="https", verify="strict"))
        with Plane(world) as plane:
            assert [fetch(plane.http, host).status for host in (A, B)] == [200] * 2
            assert (len(home.connections), len(other.connections)) == (1, 1)


def test_a_misdirected_request_is_sent_again_on_a_connection_of_its_own(
    authority: Authority,
) -> None:
    def only_its_own(exchange: Exchange) -> None:
        first = next(iter(exchange.peer.exchanges.values()))
        if exchange.authority == first.authority:
            exchange.respond(200, exchange.authority.encode())
        else:
            exchange.respond(421)

    with (
        h2_origin(authority, A, B, on_end=only_its_own) as home,
        Plane(world_of(authority, home)) as plane,
    ):
        answers = [fetch(plane.http, host).body.decode() for host in (A, B, A, B, B)]
        assert answers == [A, B, A, B, B]
        assert len(home.connections) == 2
        # The refusal is remembered: B was misdirected once.
        assert [exchange.authority for exchange in home.exchanges] == [A, B, B, A, B, B]


def test_a_421_on_a_connection_of_its_own_is_the_origins_answer(authority: Authority) -> None:
    def misdirect(exchange: Exchange) -> None:
        exchange.respond(421)

    with (
        h2_origin(authority, A, B, on_end=misdirect) as home,
        Plane(world_of(authority, home)) as plane,
    ):
        answer = fetch(plane.http, A)
        assert (answer.status, answer.error) == (421, None)
        assert len(home.exchanges) == 1
