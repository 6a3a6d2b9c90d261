"""A whole API on a loopback port: the real application, a real store in a temporary directory.

Only what stands behind the API's two protocols is of the test: the readiness reasons and the usage
rows are set by hand.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from cloudflare import Cloudflare
from litestar import Litestar
from prometheus_client import CollectorRegistry

from egressway.analytics.usage import UsageLedger
from egressway.api.app import create_app
from egressway.api.operate import NodeStatus, NotReady
from egressway.api.settings import ApiSettings
from egressway.model.address import OriginNetworks
from egressway.model.permission import PERMISSION_GROUPS, Permission
from egressway.store import Store
from tests.support.sqlite import new_file

DEADLINE_SECONDS = 20.0
GROUP_ID = {group.permission: group.id for group in PERMISSION_GROUPS}
SETTINGS = ApiSettings(
    shared_ipv4_cidrs=(ip_network("192.0.2.128/25"),),  # type: ignore[arg-type]
    shared_ipv6_cidrs=(ip_network("2001:db8:ffff::/48"),),  # type: ignore[arg-type]
)

Json = dict[str, Any]


@dataclass
class HealthByHand:
    """Ready unless a test says otherwise."""

    reasons: list[NotReady] = field(default_factory=list)
    status: NodeStatus | None = None

    def not_ready(self) -> Sequence[NotReady]:
        return self.reasons

    def node_status(self) -> NodeStatus | None:
        return self.status


@dataclass
class World:
    """One running API and what is behind it."""

    url: str
    operator: str
    app: Litestar
    store: Store
    health: HealthByHand
    ledger: UsageLedger
    database: Path

    @property
    def base(self) -> str:
        return f"{self.url}/client/v4"

    def http(self, token: str | None = None) -> httpx.Client:
        """A plain client below `/client/v4`; the operator's without a token."""
        value = self.operator if token is None else token
        return httpx.Client(
            base_url=self.base, headers={"authorization": f"Bearer {value}"}, timeout=30
        )

    def sdk(self, token: str | None = None, **options: Any) -> Cloudflare:
        """The official client; it never retries unless told to."""
        value = self.operator if token is None else token
        return Cloudflare(base_url=self.base, api_token=value, **{"max_retries": 0, **options})

    def call(self, method: str, path: str, body: object = None, token: str | None = None) -> Any:
        """The result of a call that must succeed."""
        with self.http(token) as http:
            answer = http.request(method, path, json=body)
        assert answer.status_code == 200, answer.text
        envelope = answer.json()
        assert envelope["success"] is True
        assert envelope["errors"] == []
        return envelope["result"]

    def store_revision(self) -> int:
        with self.store.read() as read:
            return read.revision()

    def account(self, name: str = "Example", kind: str = "standard") -> str:
        return self.call("POST", "/accounts", {"name": name, "type": kind})["id"]

    def zone(self, account_id: str, name: str = "example.com") -> str:
        return self.call("POST", "/zones", {"account": {"id": account_id}, "name": name})["id"]

    def record(self, zone_id: str, name: str = "www", **members: Any) -> Json:
        body = {"type": "A", "name": name, "content": "203.0.113.7", "proxied": True, **members}
        return self.call("POST", f"/zones/{zone_id}/dns_records", body)

    def lease(self, account_id: str, ip: str) -> Json:
        return self.call("POST", f"/accounts/{account_id}/egressway/leased_ips", {"ip": ip})

    def pool(self, account_id: str, *ips: str, name: str = "egress") -> str:
        """A pool of addresses that are leased first."""
        for ip in ips:
            self.lease(account_id, ip)
        body = {"name": name, "source": "leased", "ips": list(ips)}
        return self.call("POST", f"/accounts/{account_id}/egressway/pools", body)["id"]

    def token(self, account_id: str, *permissions: Permission, **members: Any) -> str:
        """The value of an account's token; without permissions it has all of them."""
        body = token_body(account_id, *(permissions or tuple(Permission)), **members)
        return self.call("POST", f"/accounts/{account_id}/tokens", body)["value"]


def token_body(account_id: str, *permissions: Permission, **members: Any) -> Json:
    """The body that asks for a token over the whole account."""
    resources = {f"com.cloudflare.api.account.{account_id}": "*"}
    groups = [{"id": GROUP_ID[permission]} for permission in permissions]
    policy = {"effect": "allow", "permission_groups": groups, "resources": resources}
    return {"name": "test", "policies": [policy], **members}


@contextmanager
def running(
    directory: Path,
    settings: ApiSettings = SETTINGS,
    networks: OriginNetworks = OriginNetworks(),  # noqa: B008 - a frozen value
    store_url: str | None = None,
) -> Iterator[World]:
    """A started world; everything is stopped and closed at the end. `database` is SQLite's file."""
    database = directory / "store.sqlite"
    health, ledger = HealthByHand(), UsageLedger()
    url = store_url or new_file(database)
    with Store.open(url, origin_networks=networks) as store:
        with store.write("test") as write:
            operator = write.tokens.ensure_operator_token()
        assert operator is not None
        app = create_app(
            store, usage=ledger, health=health, settings=settings, registry=CollectorRegistry()
        )
        with served(app) as url:
            yield World(url, operator, app, store, health, ledger, database)


@contextmanager
def served(app: Litestar) -> Iterator[str]:
    """Serves an application with uvicorn in a thread; yields its root URL."""
    # With the protocol named, asyncio switches Nagle's algorithm off on what it accepts.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    config = uvicorn.Config(app, log_config=None, lifespan="on", access_log=False)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        wait_until(lambda: server.started, "the server has started")
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(DEADLINE_SECONDS)
        listener.close()
        assert not thread.is_alive()


def wait_until(holds: Any, claim: str) -> None:
    """Polls until `holds()`; fails after a generous deadline."""
    until = time.monotonic() + DEADLINE_SECONDS
    while not holds():
        assert time.monotonic() < until, f"in vain: {claim}"
        time.sleep(0.005)


def check_failure(answer: httpx.Response, status: int, pointer: str | None = None) -> Json:
    """That `answer` is a failure in the v4 envelope; its first error."""
    assert answer.status_code == status, answer.text
    body = answer.json()
    assert set(body) == {"success", "errors", "messages", "result"}
    assert body["success"] is False
    assert body["result"] is None
    assert body["errors"]
    assert all(error["code"] >= 1000 and error["message"] for error in body["errors"])
    found: Mapping[str, Any] = body["errors"][0]
    assert found.get("source", {}).get("pointer") == pointer, body
    return dict(found)
