"""REQUEST: ingress, egress router, egress server, origin. What the origin sees, over real sockets."""

from __future__ import annotations

import http.client
import json
from contextlib import closing
from ipaddress import ip_address

import pytest

from tests.support.addresses import egress_ip, listening_port
from tests.support.http_message import response_bytes
from tests.support.origins import Origin, answering
from tests.support.product import Product, ask, configuration
from tests.support.waiting import eventually

HOST = "example.com"


@pytest.fixture
def ip() -> str:
    return egress_ip()


@pytest.fixture
def dedicated(product: Product, ip: str) -> str:
    """A zone that leaves from `ip`; its id."""
    zone_id = product.zone(HOST)
    product.aegis(zone_id, product.pool(ip))
    eventually(product.leaves_from(HOST, ip))
    return zone_id


def test_request_of_a_zone_leaves_from_its_dedicated_address(product, dedicated, ip):
    status, seen = product.request(HOST, "/a?b=1")
    assert (status, seen["seen_ip"], seen["host"], seen["path"]) == (200, ip, HOST, "/a?b=1")


def test_request_of_another_zone_leaves_from_the_shared_address(product, dedicated):
    product.zone("example.net")
    eventually(product.leaves_from("example.net", product.shared_ip))


def test_zone_with_several_addresses_leaves_from_them_only(product):
    ips = [egress_ip() for _ in range(3)]
    product.aegis(product.zone(HOST), product.pool(*ips))
    eventually(product.leaves_from(HOST, *ips))
    assert {product.request(HOST)[1]["seen_ip"] for _ in range(20)} <= set(ips)


def test_source_port_lies_in_the_slice(product, dedicated):
    egress = product.configuration.egress
    port = product.request(HOST)[1]["seen_port"]
    assert egress.first_port <= port <= egress.last_port


def test_body_reaches_the_origin_and_the_answer_comes_back(product, dedicated):
    status, seen = product.request(HOST, method="POST", body=b"x" * 100_000)
    assert status == 200
    assert seen["headers"]["content-length"] == "100000"


def test_next_request_rides_the_open_origin_connection(product, dedicated, ip):
    with closing(http.client.HTTPConnection(*product.http, timeout=30)) as connection:
        ports = {ask(connection, HOST)[1]["seen_port"] for _ in range(10)}
    assert len(ports) == 1
    eventually(lambda: product.usage().get(ip, {}).get("reused", 0) >= 9)


def test_origin_sees_client_and_request_id_that_cannot_be_forged(product, dedicated):
    forged = {"X-Forwarded-For": "192.0.2.66", "X-Request-Id": "mine"}
    _, seen = product.request(HOST, headers=forged)
    assert seen["headers"]["x-forwarded-for"] == "127.0.0.1"
    assert seen["headers"]["x-request-id"] != "mine"


def test_ipv6_origin_is_reached_from_the_pools_ipv6_address(tmp_path, ip):
    # The machine's only IPv6 loopback address is the dedicated one here, so it cannot be shared.
    made = configuration(tmp_path / "data", shared_ips=(ip_address(egress_ip()),))
    with (
        Product(made) as product,
        Origin(answering(response_bytes(200, b"{}")), ip="::1") as origin,
    ):
        pool_id = product.pool(ip, "::1")
        zone_id = product.zone(HOST, "::1", origin_port=origin.port)
        product.aegis(zone_id, pool_id)
        eventually(lambda: product.request(HOST)[0] == 200)
        assert set(origin.peers) == {"::1"}
        assert product.usage().keys() <= {"::1"}


def test_pool_without_the_origins_family_fails_closed(product, ip):
    zone_id = product.zone(HOST, "::1")
    product.aegis(zone_id, product.pool(ip))

    def refused() -> bool:
        status, body = product.request(HOST)
        return (status, body["error"]["code"]) == (503, "no_applicable_ip")

    eventually(refused)


def test_unknown_host_is_answered_with_a_code_and_a_request_id(product):
    with closing(http.client.HTTPConnection(*product.http, timeout=30)) as connection:
        connection.request("GET", "/", headers={"Host": "unknown.example.com"})
        answer = connection.getresponse()
        body = json.loads(answer.read())
    assert (answer.status, answer.getheader("Egressway-Error")) == (404, "zone_not_found")
    assert body["error"]["code"] == "zone_not_found"
    assert body["error"]["message"]
    assert body["error"]["request_id"]


def test_browser_gets_a_page(product):
    with closing(http.client.HTTPConnection(*product.http, timeout=30)) as connection:
        headers = {"Host": "unknown.example.com", "Accept": "text/html"}
        connection.request("GET", "/", headers=headers)
        answer = connection.getresponse()
        assert (answer.getheader("Content-Type") or "").startswith("text/html")
        assert b"zone_not_found" in answer.read()


def test_origin_that_does_not_listen_is_the_origins_error(product, dedicated):
    product.record(dedicated, f"gone.{HOST}", origin_port=listening_port())

    def told() -> bool:
        status, body = product.request(f"gone.{HOST}")
        return (status, body["error"]["code"]) == (502, "origin_refused")

    eventually(told)
