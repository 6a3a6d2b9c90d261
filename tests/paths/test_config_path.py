"""CONFIG: api, store, distribution, node, data plane. A change made through the API is what is served."""

from __future__ import annotations

import http.client
import ssl
import threading
from contextlib import closing

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from egressway.services.demo_certificate import self_signed
from tests.support.addresses import egress_ip
from tests.support.product import Product, ask
from tests.support.waiting import eventually

HOST = "example.com"
CLIENTS = 64
TOGGLES = 30


def code_of(product: Product, host: str = HOST) -> str | None:
    """Code of the proxy's own answer, None when the origin has answered."""
    return product.request(host)[1].get("error", {}).get("code")


def served(product: Product, host: str = HOST) -> bool:
    return code_of(product, host) is None


def test_new_zone_is_served(product):
    assert code_of(product) == "zone_not_found"
    product.zone(HOST)
    eventually(lambda: served(product))


def test_new_record_is_served_and_a_deleted_one_is_not(product):
    zone_id = product.zone(HOST)
    record_id = product.record(zone_id, f"www.{HOST}")
    eventually(lambda: served(product, f"www.{HOST}"))
    product.sdk.dns.records.delete(record_id, zone_id=zone_id)
    eventually(lambda: code_of(product, f"www.{HOST}") == "zone_not_found")
    assert served(product)


def test_wildcard_record_serves_one_level(product):
    product.record(product.zone(HOST), f"*.{HOST}")
    eventually(lambda: served(product, f"any.{HOST}"))
    assert code_of(product, f"a.b.{HOST}") == "zone_not_found"


def test_paused_zone_is_not_served_and_comes_back(product):
    zone_id = product.zone(HOST)
    eventually(lambda: served(product))
    product.sdk.zones.edit(zone_id=zone_id, paused=True)
    eventually(lambda: code_of(product) == "zone_not_found")
    product.sdk.zones.edit(zone_id=zone_id, paused=False)
    eventually(lambda: served(product))


def test_deleted_zone_is_not_served(product):
    zone_id = product.zone(HOST)
    eventually(lambda: served(product))
    product.sdk.zones.delete(zone_id=zone_id)
    eventually(lambda: code_of(product) == "zone_not_found")


def test_switching_dedicated_egress_on_and_off_changes_what_the_origin_sees(product):
    ip = egress_ip()
    zone_id, pool_id = product.zone(HOST), product.pool(ip)
    eventually(product.leaves_from(HOST, product.shared_ip))
    product.aegis(zone_id, pool_id)
    eventually(product.leaves_from(HOST, ip))
    product.aegis(zone_id, None)
    eventually(product.leaves_from(HOST, product.shared_ip))


def test_changing_a_pools_addresses_reaches_zones_that_were_not_touched(product):
    first, second = egress_ip(), egress_ip()
    zone_id, pool_id = product.zone(HOST), product.pool(first)
    product.aegis(zone_id, pool_id)
    eventually(product.leaves_from(HOST, first))
    base = f"/accounts/{product.account_id}/egressway"
    product.call("POST", f"{base}/leased_ips", {"ip": second})
    product.call("PATCH", f"{base}/pools/{pool_id}", {"ips": [second]})
    eventually(product.leaves_from(HOST, second))


def test_uploaded_certificate_is_shown_at_once(product):
    zone_id = product.zone(HOST)
    with pytest.raises((ssl.SSLError, ConnectionError)):
        product.request_over_tls(HOST)
    made = self_signed(HOST)
    product.sdk.custom_certificates.create(
        zone_id=zone_id, certificate=made.certificate, private_key=made.private_key
    )
    own = x509.load_pem_x509_certificate(made.certificate.encode()).public_bytes(Encoding.DER)

    def shown() -> bool:
        try:
            (status, _), certificate = product.request_over_tls(HOST)
        except (ssl.SSLError, ConnectionError):
            return False
        return (status, certificate) == (200, own)

    eventually(shown)


def test_change_is_in_the_store_before_the_api_answers(product):
    zone_id = product.zone(HOST)
    assert product.sdk.zones.get(zone_id=zone_id).name == HOST
    assert product.sdk.dns.records.list(zone_id=zone_id).result[0].name == HOST


def test_refused_change_changes_nothing(product):
    zone_id = product.zone(HOST)
    eventually(lambda: served(product))
    before = product.call("GET", "/egressway/status")["node"]["revision"]
    with pytest.raises(AssertionError, match="pool"):
        product.call("PATCH", f"/zones/{zone_id}/settings/aegis", {"value": {"enabled": True}})
    assert product.call("GET", "/egressway/status")["node"]["revision"] == before
    assert served(product)


def test_address_of_another_machine_is_told_and_other_zones_go_on(product):
    zone_id = product.zone("broken.example.com")
    product.zone(HOST)
    assert product.get("/readyz").status_code == 200
    pool_id = product.pool("192.0.2.77")
    product.aegis(zone_id, pool_id)
    eventually(lambda: product.get("/readyz").status_code == 503)
    reasons = product.get("/readyz").json()["reasons"]
    assert [(each["code"], each["subject"]) for each in reasons] == [
        ("egress_address_unbindable", "192.0.2.77")
    ]
    assert "192.0.2.77" in reasons[0]["message"]
    eventually(lambda: code_of(product, "broken.example.com") == "egress_address_unbindable")
    eventually(lambda: served(product))
    product.aegis(zone_id, None)
    product.call("DELETE", f"/accounts/{product.account_id}/egressway/pools/{pool_id}")
    eventually(lambda: product.get("/readyz").status_code == 200)
    eventually(lambda: served(product, "broken.example.com"))


def test_process_that_answers_is_alive(product):
    assert product.get("/healthz").status_code == 200


class Client(threading.Thread):
    """One connection that asks and asks; remembers what the origin saw and what went wrong."""

    def __init__(self, product: Product, stop: threading.Event) -> None:
        super().__init__(daemon=True)
        self.seen: set[str] = set()
        self.failures: list[object] = []
        self.answers = 0
        self._product, self._ended = product, stop

    def run(self) -> None:
        address = self._product.http
        with closing(http.client.HTTPConnection(*address, timeout=60)) as connection:
            while not self._ended.is_set():
                self._ask(connection)

    def _ask(self, connection: http.client.HTTPConnection) -> None:
        try:
            status, body = ask(connection, HOST)
        except OSError as failure:
            self.failures.append(failure)
            self._ended.set()
            return
        if status == 200:
            self.seen.add(body["seen_ip"])
            self.answers += 1
        else:
            self.failures.append((status, body))


def test_no_request_fails_while_dedicated_egress_is_switched_under_64_clients(product):
    ip = egress_ip()
    zone_id, pool_id = product.zone(HOST), product.pool(ip)
    eventually(product.leaves_from(HOST, product.shared_ip))
    stop = threading.Event()
    clients = [Client(product, stop) for _ in range(CLIENTS)]
    for client in clients:
        client.start()
    for number in range(TOGGLES):
        on = number % 2 == 0
        product.aegis(zone_id, pool_id if on else None)
        eventually(product.leaves_from(HOST, ip if on else product.shared_ip), within=30)
    stop.set()
    for client in clients:
        client.join(timeout=60)
    assert [each for client in clients for each in client.failures] == []
    assert all(client.answers for client in clients)
    assert set().union(*(client.seen for client in clients)) == {ip, product.shared_ip}
    status = product.call("GET", "/egressway/status")["node"]
    assert (status["foreign_egress"], status["panics"]) == (0, 0)
