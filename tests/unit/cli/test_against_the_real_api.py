"""Whole stories by command line against the real API over a real store.

egressway (in process) -> HTTP on loopback -> the API on uvicorn -> SQLite in a temporary folder
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
import typer
from prometheus_client import CollectorRegistry
from typer.testing import CliRunner

from egressway.analytics.usage import UsageLedger
from egressway.api.app import create_app
from egressway.api.operate import NodeStatus, NotReady
from egressway.api.settings import ApiSettings
from egressway.cli.nouns import mount
from egressway.model.usage import UsageRow
from egressway.services.api_server import ApiServer, listen
from egressway.store import Store
from tests.support.certificates import Authority
from tests.unit.cli.conftest import QUIET


@dataclass
class Health:
    """A machine that is ready, until a test says otherwise."""

    reasons: list[NotReady] = field(default_factory=list)

    def not_ready(self) -> Sequence[NotReady]:
        return self.reasons

    def node_status(self) -> NodeStatus | None:
        return NodeStatus(
            revision=1,
            zones=0,
            hosts=0,
            workers=2,
            connections=0,
            origin_connections=0,
            waiting=0,
            panics=0,
            foreign_egress=0,
            log_dropped=0,
            is_draining=False,
        )


class Shell:
    """A person at a command line who knows the operator's token."""

    def __init__(self, url: str, token: Path, usage: UsageLedger, health: Health) -> None:
        self.usage, self.health = usage, health
        self.environment = {**QUIET, "EGRESSWAY_URL": url, "EGRESSWAY_TOKEN": None}
        self.environment["EGRESSWAY_TOKEN_FILE"] = str(token)
        self._app = typer.Typer()
        mount(self._app)

    def tries(self, *words: str, token: str | None = None) -> tuple[int, str, str]:
        """Exit code and both streams."""
        environment = {**self.environment, "EGRESSWAY_TOKEN": token}
        result = CliRunner().invoke(self._app, list(words), env=environment)
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result.exit_code, result.stdout, result.stderr

    def says(self, *words: str, token: str | None = None) -> str:
        """What a command that succeeds prints."""
        code, stdout, stderr = self.tries(*words, token=token)
        assert code == 0, stderr
        return stdout

    def tells(self, *words: str, token: str | None = None) -> Any:
        """The same, as a program reads it."""
        return json.loads(self.says(*words, "--json", token=token))

    def is_refused(self, *words: str, token: str | None = None) -> str:
        """Why a command fails."""
        code, stdout, stderr = self.tries(*words, token=token)
        assert (code, stdout) == (1, "")
        return stderr


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    usage, health = UsageLedger(), Health()
    token = tmp_path / "admin-token"
    with Store.open(f"sqlite:///{tmp_path / 'egressway.db'}") as store:
        with store.write("start") as write:
            value = write.tokens.ensure_operator_token()
        assert value is not None
        token.write_text(value)
        app = create_app(
            store,
            usage=usage,
            health=health,
            settings=ApiSettings(),
            registry=CollectorRegistry(),
        )
        server = ApiServer(app, listen(ip_address("127.0.0.1"), 0))
        server.start()
        try:
            yield Shell(f"http://127.0.0.1:{server.port}", token, usage, health)
        finally:
            server.stop()


def test_from_an_account_to_dedicated_egress_and_back(shell: Shell) -> None:
    account = shell.tells("account", "create", "Example")
    assert shell.tells("lease", "add", "192.0.2.1")["account_id"] == account["id"]
    shell.says("lease", "add", "2001:db8::1")
    pool = shell.tells("pool", "create", "edge", "192.0.2.1", "2001:db8::1")
    assert pool["ips"] == ["192.0.2.1", "2001:db8::1"]
    zone = shell.tells("zone", "create", "example.com")
    record = shell.tells(
        "record", "add", "example.com", "www", "8.8.8.8", "--port", "8080", "--scheme", "http"
    )
    assert record["name"] == "www.example.com"
    assert record["settings"]["origin_port"] == 8080

    assert shell.tells("setting", "get", "example.com", "aegis")["value"]["enabled"] is False
    setting = shell.tells("setting", "set", "example.com", "aegis", "--pool", "edge", "--on")
    assert setting["value"] == {"enabled": True, "pool_id": pool["id"]}

    shell.usage.record(
        [UsageRow(ip_address("192.0.2.1"), "8.8.8.8:8080", 30_000, 31_000, 40_000, 5, 0, 7)]
    )
    [row] = shell.tells("usage")
    assert (row["egress_ip"], row["origin"], row["utilization"]) == (
        "192.0.2.1",
        "8.8.8.8:8080",
        75.0,
    )
    assert "75.0" in shell.says("usage")

    assert "example.com" in shell.is_refused("pool", "delete", "edge", "--yes")
    shell.says("setting", "set", "example.com", "aegis", "--off")
    shell.says("record", "delete", "example.com", "www", "--yes")
    shell.says("zone", "delete", zone["id"], "--yes")
    shell.says("pool", "delete", "edge", "--yes")
    shell.says("lease", "delete", "192.0.2.1", "--yes")
    shell.says("lease", "delete", "2001:db8::1", "--yes")
    shell.says("account", "delete", "Example", "--yes")
    assert shell.tells("account", "list") == []


def test_a_pool_granted_to_another_account_serves_its_zones(shell: Shell) -> None:
    shell.says("account", "create", "Owner")
    shell.says("account", "create", "Guest")
    shell.says("lease", "add", "192.0.2.1", "--account", "Owner")
    pool = shell.tells("pool", "create", "edge", "192.0.2.1", "--account", "Owner")
    shell.says("zone", "create", "example.com", "--account", "Guest")
    link = ("setting", "set", "example.com", "aegis", "--pool", pool["id"], "--on")
    assert "at `/value" in shell.is_refused(*link)
    shell.says("pool", "grant", "edge", "Guest")
    assert shell.tells(*link)["value"]["enabled"] is True
    assert "Granted to" in shell.says("pool", "show", "edge")
    shell.says("setting", "set", "example.com", "aegis", "--off")


def test_a_pool_changes_by_addresses_added_and_removed(shell: Shell) -> None:
    shell.says("account", "create", "Example")
    for ip in ("192.0.2.1", "192.0.2.2"):
        shell.says("lease", "add", ip)
    shell.says("pool", "create", "edge", "192.0.2.1")
    edited = shell.tells(
        "pool",
        "edit",
        "edge",
        "--name",
        "core",
        "--add-ip",
        "192.0.2.2",
        "--remove-ip",
        "192.0.2.1",
    )
    assert (edited["name"], edited["ips"]) == ("core", ["192.0.2.2"])
    why = shell.is_refused("pool", "edit", "core", "--add-ip", "192.0.2.99")
    assert "192.0.2.99" in why
    assert "/ips" in why


def test_a_record_and_a_setting_change_by_what_is_given(shell: Shell) -> None:
    shell.says("account", "create", "Example")
    shell.says("lease", "add", "192.0.2.1")
    shell.says("zone", "create", "example.com")
    shell.says("record", "add", "example.com", "@", "8.8.8.8", "--port", "8443")
    edited = shell.tells(
        "record", "edit", "example.com", "@", "--scheme", "https", "--sni", "o.example.com"
    )
    assert edited["settings"]["origin_port"] == 8443
    assert edited["settings"]["origin_sni"] == "o.example.com"
    assert shell.tells("setting", "set", "example.com", "ssl", "strict")["value"] == "strict"
    streams = ("setting", "set", "example.com", "origin_h2_max_streams", "10")
    assert shell.tells(*streams)["value"] == 10
    assert {"aegis", "ssl"} <= {one["id"] for one in shell.tells("setting", "list", "example.com")}
    assert "1007" in shell.is_refused("setting", "set", "example.com", "ssl", "sometimes")
    assert "/content" in shell.is_refused("record", "add", "example.com", "a", "127.0.0.1")


def test_a_hostname_is_confined_to_a_region_and_set_free(shell: Shell) -> None:
    shell.says("account", "create", "Example")
    shell.says("zone", "create", "example.com")
    keys = {one["key"] for one in shell.tells("regional-hostname", "regions")}
    assert {"au", "ca", "eu", "us"} <= keys
    name = ("example.com", "*.example.com")
    assert shell.tells("regional-hostname", "add", *name, "eu")["routing"] == "dns"
    assert "/hostname" in shell.is_refused("regional-hostname", "add", *name, "us")
    assert "/region_key" in shell.is_refused("regional-hostname", "edit", *name, "mars")
    assert shell.tells("regional-hostname", "edit", *name, "us")["region_key"] == "us"
    listed = shell.tells("regional-hostname", "list", "example.com")
    assert [one["hostname"] for one in listed] == ["*.example.com"]
    shell.says("regional-hostname", "delete", *name, "--yes")
    assert shell.tells("regional-hostname", "list", "example.com") == []


def test_a_certificate_is_added_replaced_and_deleted_and_needs_its_own_key(
    shell: Shell, authority: Authority, tmp_path: Path
) -> None:
    shell.says("account", "create", "Example")
    shell.says("zone", "create", "example.com")
    files = [_files(authority, tmp_path / name, "example.com") for name in ("one", "two")]
    (cert, key), (other_cert, other_key) = files
    added = shell.tells("certificate", "add", "example.com", "--cert", cert, "--key", key)
    assert added["hosts"] == ["example.com"]
    refused = shell.is_refused(
        "certificate", "add", "example.com", "--cert", cert, "--key", other_key
    )
    assert "/private_key" in refused
    replaced = shell.tells(
        "certificate",
        "replace",
        "example.com",
        "example.com",
        "--cert",
        other_cert,
        "--key",
        other_key,
    )
    assert replaced["status"] == "active"
    shell.says("certificate", "delete", "example.com", replaced["id"], "--yes")
    assert shell.tells("certificate", "list", "example.com") == []


def test_a_token_does_what_it_was_made_for_and_nothing_after_it_is_rolled_or_deleted(
    shell: Shell,
) -> None:
    shell.says("account", "create", "Example")
    shell.says("zone", "create", "example.com")
    assert shell.tells("token", "verify")["status"] == "active"
    made = shell.tells(
        "token",
        "create",
        "ci",
        "--allow",
        "DNS Write",
        "--allow",
        "Zone Read",
        "--zone",
        "example.com",
    )
    secret = made["value"]
    assert secret not in shell.says("token", "list") + shell.says("token", "show", "ci", "--json")
    add = ("record", "add", "example.com", "www", "8.8.8.8")
    assert shell.tries(*add, token=secret)[0] == 0
    shell.is_refused("zone", "delete", "example.com", "--yes", token=secret)

    rolled = shell.tells("token", "roll", "ci", "--yes")["value"]
    shell.is_refused("zone", "list", token=secret)
    assert shell.tries("zone", "list", token=rolled)[0] == 0
    shell.says("token", "delete", "ci", "--yes")
    shell.is_refused("zone", "list", token=rolled)


def test_an_account_keeps_tokens_of_its_own_without_the_operator(shell: Shell) -> None:
    account = shell.tells("account", "create", "Example")["id"]
    every = [group["name"] for group in shell.tells("token", "permissions")]
    allowed = [word for name in every for word in ("--allow", name)]
    admin = shell.tells("token", "create", "admin", *allowed, "--owner", "Example")["value"]
    assert shell.tells("token", "list") == []

    own = ("--owner", account)
    made = shell.tells("token", "create", "ci", "--allow", "API Tokens Write", *own, token=admin)
    assert shell.tells("token", "show", "ci", *own, token=made["value"])["id"] == made["id"]
    rolled = shell.tells("token", "roll", "ci", "--yes", *own, token=admin)["value"]
    shell.is_refused("token", "list", *own, token=made["value"])
    assert len(shell.tells("token", "list", *own, token=rolled)) == 2
    shell.says("token", "delete", "ci", "--yes", *own, token=admin)
    assert [each["name"] for each in shell.tells("token", "list", *own, token=admin)] == ["admin"]
    shell.is_refused("token", "list", token=admin)


def test_an_address_is_placed_moved_and_drained_in_a_fleet(shell: Shell) -> None:
    shell.says("account", "create", "Example")
    for place in ("lisbon", "madrid"):
        where = ("--latitude", "40", "--longitude", "-5")
        shell.says("location", "create", place, *where, "--region", "eu")
        shell.says("data-center", "create", f"{place}-1", "--location", place)
        shell.says("server", "create", place[:3], "--data-center", f"{place}-1")
    shell.says("lease", "add", "192.0.2.1")
    assert "nobody's" in shell.says("placement", "get", "192.0.2.1")
    shares = ("--server", "lis=30000", "--data-center", "madrid-1=10000")
    placed = shell.tells("placement", "set", "192.0.2.1", *shares)
    assert [each["ports"] for each in placed["slices"]] == ["20000-49999", "50000-59999"]

    (move,) = shell.tells("placement", "move", "192.0.2.1", "lis", "mad", "--ports", "20000-20999")
    assert shell.tells("placement", "moves", "192.0.2.1") == [move]
    assert "192.0.2.1" in shell.is_refused("server", "delete", "lis", "--yes")
    assert "192.0.2.1" in shell.is_refused(
        "data-center", "edit", "lisbon-1", "--location", "madrid"
    )
    shell.says("placement", "finish", "192.0.2.1", move["id"], "--yes")
    assert "/shares" in shell.is_refused("placement", "set", "192.0.2.1", "--server", "lis=40001")

    assert shell.tells("placement", "drain", "192.0.2.1")["is_draining"] is True
    assert shell.tells("placement", "activate", "192.0.2.1")["is_draining"] is False
    assert shell.tells("data-center", "drain", "madrid-1")["servers"] == ["mad"]
    assert "draining" in shell.says("server", "list")
    shell.says("server", "activate", "mad")
    slices = ("--slice", "mad=20000-20999,30000-30999")
    assert shell.tells("placement", "set", "192.0.2.1", *slices)["ports"] == 2000
    shell.says("placement", "set", "192.0.2.1", "--nobody", "--deadline", "0")
    for move in shell.tells("placement", "moves", "192.0.2.1"):
        shell.says("placement", "finish", "192.0.2.1", move["id"], "--yes")
    shell.says("server", "revoke", "lis", "--yes")
    shell.says("server", "delete", "lis", "--yes")
    shell.says("data-center", "delete", "lisbon-1", "--yes")
    shell.says("location", "delete", "lisbon", "--yes")
    assert {each["name"] for each in shell.tells("location", "list")} == {"local", "madrid"}


def test_status_tells_readiness_and_its_reasons(shell: Shell) -> None:
    assert shell.tells("status")["node"]["workers"] == 2
    shell.health.reasons.append(NotReady("egress_address_unbindable", "192.0.2.7 cannot be bound"))
    code, stdout, _ = shell.tries("status")
    assert code == 1
    assert "192.0.2.7 cannot be bound" in stdout


def _files(authority: Authority, folder: Path, *names: str) -> tuple[str, str]:
    folder.mkdir()
    leaf = authority.issue(*names).issued
    cert, key = folder / "cert.pem", folder / "key.pem"
    cert.write_bytes(b"".join(pem.bytes() for pem in leaf.cert_chain_pems))
    key.write_bytes(leaf.private_key_pem.bytes())
    return str(cert), str(key)
