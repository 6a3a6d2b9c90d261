"""The whole product in this process, on ports the kernel chose, with the official SDK as its client."""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Callable
from contextlib import closing
from ipaddress import ip_address, ip_network
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import msgspec
from cloudflare import Cloudflare

from egressway.data_plane.native import NativeDataPlane
from egressway.services.all_in_one import AllInOne
from egressway.services.configuration import Configuration
from egressway.services.configuration.types import Api, DataPlane, Egress, Ingress
from egressway.services.demo_origin import DemoOrigin
from tests.support.addresses import egress_ip

Answer = tuple[int, dict[str, Any]]
"""Status, and the JSON body."""


def configuration(data: Path, **egress: Any) -> Configuration:
    """Ports chosen by the kernel, a shared address of its own, loopback origins allowed."""
    settings = {
        "shared_ips": (ip_address(egress_ip()), ip_address("::1")),
        "allowed_origins": (ip_network("127.0.0.0/8"), ip_network("::1/128")),
        **egress,
    }
    return Configuration(
        data=data,
        api=Api(port=0),
        ingress=Ingress(http_port=0, https_port=0),
        egress=Egress(**settings),
        data_plane=DataPlane(workers=2, drain_seconds=2.0),
    )


def native(made: Configuration) -> NativeDataPlane:
    """The data plane as `egressway up` starts it, with two workers."""
    return NativeDataPlane(workers=made.data_plane.workers)


class Product:
    """Runs for as long as its block lasts, with an account and an origin that tells what it sees."""

    def __init__(self, made: Configuration) -> None:
        self.configuration = made
        self.shared_ip = str(made.egress.shared_ips[0])
        self.egressway = AllInOne(made, native)
        self.origin = DemoOrigin()

    def __enter__(self) -> Self:
        self.egressway.start()
        self.sdk = Cloudflare(api_token=self.token, base_url=self.v4, max_retries=0)
        self.account_id = self._account()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.sdk.close()
        self.egressway.stop()
        self.origin.stop()

    # The API.

    @property
    def v4(self) -> str:
        return f"{self.egressway.api_url}/client/v4"

    @property
    def token(self) -> str:
        path = self.configuration.data / "admin-token"
        return path.read_text(encoding="ascii").strip()

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """The result of a call below `/client/v4` that the SDK does not know."""
        headers = {"Authorization": f"Bearer {self.token}"}
        answer = httpx.request(method, self.v4 + path, json=body, headers=headers)
        assert answer.is_success, answer.text
        return answer.json()["result"]

    def get(self, path: str) -> httpx.Response:
        """A path beside the API: `/readyz`, `/metrics`."""
        return httpx.get(self.egressway.api_url + path)

    def pool(self, *ips: str, name: str = "dedicated") -> str:
        """Lease the addresses and put them into a pool; its id."""
        base = f"/accounts/{self.account_id}/egressway"
        for ip in ips:
            self.call("POST", f"{base}/leased_ips", {"ip": ip})
        body = {"name": name, "source": "leased", "ips": list(ips)}
        return str(self.call("POST", f"{base}/pools", body)["id"])

    def zone(self, name: str, content: str = "127.0.0.1", **settings: Any) -> str:
        """A zone whose own name leads to the origin over HTTP, or as `settings` say; its id."""
        zone = self.sdk.zones.create(account={"id": self.account_id}, name=name)
        self.record(zone.id, name, content, **settings)
        return str(zone.id)

    def record(self, zone_id: str, name: str, content: str = "127.0.0.1", **settings: Any) -> str:
        details = {"origin_port": self.origin.port, "origin_scheme": "http", **settings}
        made = self.sdk.dns.records.create(
            zone_id=zone_id,
            type="AAAA" if ":" in content else "A",
            name=name,
            content=content,
            ttl=1,
            proxied=True,
            settings=details,
        )
        return str(made.id)

    def aegis(self, zone_id: str, pool_id: str | None) -> None:
        """Switch dedicated egress on with a pool, or off."""
        value = {"enabled": True, "pool_id": pool_id} if pool_id else {"enabled": False}
        self.sdk.zones.settings.edit("aegis", zone_id=zone_id, value=value)

    def usage(self) -> dict[str, dict[str, Any]]:
        """Rows by egress address."""
        rows = self.call("GET", f"/accounts/{self.account_id}/egressway/usage")
        return {row["egress_ip"]: row for row in rows}

    def _account(self) -> str:
        for account in self.sdk.accounts.list():
            return str(account.id)
        return str(self.sdk.accounts.create(name="Example", type="standard").id)

    # Requests through it.

    @property
    def http(self) -> tuple[str, int]:
        return self.egressway.ingress(tls=False)[0]

    @property
    def https(self) -> tuple[str, int]:
        return self.egressway.ingress(tls=True)[0]

    def request(self, host: str, path: str = "/", method: str = "GET", **more: Any) -> Answer:
        """One request over a connection of its own."""
        with closing(http.client.HTTPConnection(*self.http, timeout=30)) as connection:
            return ask(connection, host, path, method, **more)

    def request_over_tls(self, host: str) -> tuple[Answer, bytes]:
        """The same over TLS: the answer, and the certificate shown (DER)."""
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        made = http.client.HTTPSConnection(*self.https, timeout=30, context=context)
        with closing(made) as connection:
            tcp = socket.create_connection(self.https, timeout=30)
            connection.sock = context.wrap_socket(tcp, server_hostname=host)
            shown = connection.sock.getpeercert(binary_form=True)
            assert shown
            return ask(connection, host), shown

    def leaves_from(self, host: str, *ips: str) -> Callable[[], bool]:
        """For `eventually`: whether the origin sees one of these addresses."""
        return lambda: self.request(host)[1].get("seen_ip") in ips


def ask(
    connection: http.client.HTTPConnection,
    host: str,
    path: str = "/",
    method: str = "GET",
    **more: Any,
) -> Answer:
    """One request on an open connection, which stays open."""
    headers = {"Host": host, **more.pop("headers", {})}
    connection.request(method, path, headers=headers, **more)
    answer = connection.getresponse()
    content = answer.read()
    return answer.status, msgspec.json.decode(content) if content else {}
