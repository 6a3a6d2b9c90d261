"""MEASUREMENT: counters, node report, aggregation, analytics, api. What happened is what is told."""

from __future__ import annotations

import json
import threading

import pytest

from tests.support.addresses import egress_ip, endpoint
from tests.support.http_message import response_bytes
from tests.support.origins import Gate, Origin, answering
from tests.support.product import Product
from tests.support.waiting import eventually

HOST = "example.com"
HELD = 20


@pytest.fixture
def ip() -> str:
    return egress_ip()


@pytest.fixture
def origin(product) -> str:
    """The origin as measurements name it."""
    return endpoint("127.0.0.1", product.origin.port)


@pytest.fixture
def dedicated(product: Product, ip: str) -> str:
    zone_id = product.zone(HOST)
    product.aegis(zone_id, product.pool(ip))
    eventually(product.leaves_from(HOST, ip))
    return zone_id


def log_lines(product: Product, path: str) -> list[dict]:
    text = (product.configuration.data / "access.log").read_text(encoding="utf-8")
    lines = [json.loads(line) for line in text.splitlines()]
    return [line for line in lines if line["path"] == path]


def metric(product: Product, name: str) -> float:
    for line in product.get("/metrics").text.splitlines():
        if line.rpartition(" ")[0] == name:
            return float(line.rpartition(" ")[2])
    return 0.0


def test_usage_tells_open_connections_exactly_while_they_are_held(product, ip):
    gate = Gate(response_bytes(200, b"{}"))
    with Origin(answering(gate)) as held:
        zone_id = product.zone(HOST, origin_port=held.port)
        product.aegis(zone_id, product.pool(ip))
        eventually(lambda: product.call("GET", "/egressway/status")["node"]["zones"] == 1)
        clients = [threading.Thread(target=product.request, args=(HOST,)) for _ in range(HELD)]
        for client in clients:
            client.start()
        eventually(lambda: gate.waiting == HELD)
        row = eventually(lambda: _row_with(product, ip, current=HELD))
        gate.open()
        for client in clients:
            client.join(timeout=30)
    assert (row["origin"], row["peak"], row["opened"]) == (held.endpoint, HELD, HELD)
    assert row["capacity"] == product.configuration.egress.connection_cap
    assert row["utilization"] == pytest.approx(100 * HELD / row["capacity"])
    eventually(lambda: _row_with(product, ip, current=0))
    assert product.usage()[ip]["peak"] == HELD


def _row_with(product: Product, ip: str, **wanted: object) -> dict | None:
    row = product.usage().get(ip)
    return row if row and wanted.items() <= row.items() else None


def test_usage_of_an_account_has_no_rows_of_the_shared_address(product, ip, dedicated):
    product.zone("example.net")
    eventually(product.leaves_from("example.net", product.shared_ip))
    shared = f'egressway_egress_connections{{egress_ip="{product.shared_ip}",'
    eventually(lambda: shared in product.get("/metrics").text)
    assert list(product.usage()) == [ip]


def test_every_request_is_one_line_of_the_access_log(product, ip, dedicated, origin):
    _, seen = product.request(HOST, "/logged")
    (line,) = eventually(lambda: log_lines(product, "/logged"))
    assert (line["host"], line["status"], line["error"]) == (HOST, 200, None)
    assert (line["egress_ip"], line["egress_port"]) == (ip, seen["seen_port"])
    assert (line["origin"], line["zone"], line["account"]) == (
        *(origin, dedicated),
        product.account_id,
    )
    assert line["request_id"] == seen["headers"]["x-request-id"]


def test_refused_request_is_logged_and_counted_with_its_code(product):
    status, _ = product.request("unknown.example.com", "/nowhere")
    assert status == 404
    (line,) = eventually(lambda: log_lines(product, "/nowhere"))
    assert (line["error"], line["status"]) == ("zone_not_found", 404)
    assert metric(product, 'egressway_errors_total{code="zone_not_found"}') >= 1


def test_metrics_count_what_was_answered_and_where_it_left_from(product, ip, dedicated, origin):
    before = metric(product, 'egressway_requests_total{class="2xx"}')
    for _ in range(5):
        product.request(HOST)
    eventually(lambda: metric(product, 'egressway_requests_total{class="2xx"}') >= before + 5)
    labels = f'{{egress_ip="{ip}",origin="{origin}"}}'
    assert metric(product, f"egressway_egress_connections_opened_total{labels}") >= 1
    assert metric(product, f"egressway_egress_connections{labels}") >= 1
    assert metric(product, "egressway_foreign_egress_total") == 0
    assert metric(product, "egressway_panics_total") == 0


def test_stopping_writes_the_last_lines(product, dedicated):
    product.request(HOST, "/last")
    product.egressway.stop()
    assert len(log_lines(product, "/last")) == 1
