"""`egressway up` as a process: starts or says in one line why not, stops cleanly, forgets nothing."""

from __future__ import annotations

import http.client
import re
import signal
import socket
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import httpx
import msgspec
import pytest
from cloudflare import Cloudflare

from egressway.services.demo_origin import DemoOrigin
from tests.support.addresses import egress_ip
from tests.support.command import Up, failed_start
from tests.support.waiting import eventually

HOST = "example.com"
LOOPBACK = {"EGRESSWAY_EGRESS_ALLOWED_ORIGINS": "127.0.0.0/8"}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


def one_line(text: str) -> str:
    """The message of a failed start, after the warnings of the log."""
    lines = [line for line in text.splitlines() if " WARNING " not in line and " INFO " not in line]
    (line,) = lines
    assert line.startswith("egressway: ")
    return line


# What cannot be started.


def test_taken_api_port_is_one_line_with_the_setting(data):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        line = one_line(failed_start(data, EGRESSWAY_API_PORT=str(port)))
    assert f"cannot listen on 127.0.0.1 port {port}" in line
    assert "`api.port`" in line


def test_taken_http_port_is_one_line_with_the_setting(data):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        line = one_line(failed_start(data, EGRESSWAY_INGRESS_HTTP_PORT=str(port)))
    assert f"127.0.0.1:{port}" in line
    assert "`[ingress]`" in line


def test_every_problem_of_a_configuration_is_a_line(data, tmp_path):
    file = tmp_path / "bad.toml"
    file.write_text("[api]\nprot = 1\n[egress]\nconnection_cap = 0\n", encoding="utf-8")
    told = failed_start(data, "--config", str(file)).splitlines()
    assert len(told) == 2
    assert any("`api.prot` is not a setting: did you mean `port`?" in line for line in told)
    assert any("`egress.connection_cap` is `0`" in line for line in told)


def test_data_directory_that_is_a_file_is_told(tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    line = one_line(failed_start(tmp_path / "file"))
    assert "the data directory" in line
    assert "`--data`" in line


def test_data_directory_in_use_is_told_with_the_process(data):
    with Up(data) as first:
        line = one_line(failed_start(data))
        assert f"in use by process {first.process.pid}" in line


def test_store_of_a_newer_version_is_told(data):
    with Up(data) as first:
        assert first.end() == 0
    with closing(sqlite3.connect(data / "store.sqlite")) as database, database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    line = one_line(failed_start(data))
    assert "9999" in line
    assert "install the version that wrote it" in line


def test_store_that_is_locked_is_told(data):
    with Up(data) as first:
        assert first.end() == 0
    with closing(sqlite3.connect(data / "store.sqlite", isolation_level=None)) as database:
        database.execute("PRAGMA locking_mode = EXCLUSIVE")
        database.execute("BEGIN EXCLUSIVE")
        line = one_line(failed_start(data))
    assert "locked" in line


def test_store_that_is_no_database_is_told(data):
    data.mkdir()
    (data / "store.sqlite").write_bytes(b"no database at all, but long enough" * 100)
    assert "is not a database" in one_line(failed_start(data))


def test_trust_roots_that_cannot_be_read_are_told(data):
    line = one_line(failed_start(data, EGRESSWAY_EGRESS_TRUST_ROOTS="/absent.pem"))
    assert "`egress.trust_roots` is `/absent.pem`" in line


def test_too_few_open_files_are_told_with_the_numbers_and_it_starts(data):
    cap = 4_000
    with Up(data, open_files=3_000, EGRESSWAY_EGRESS_CONNECTION_CAP=str(cap)) as running:
        assert httpx.get(f"{running.api_url}/readyz").status_code == 200
        for number in ("3,000", "4,000", "9,024", "988"):
            assert number in running.errors


# What is there after a start, and after an end.


def test_operator_token_is_written_once_for_its_owner_alone(data):
    with Up(data) as first:
        token = (data / "admin-token").read_text(encoding="ascii")
        assert (data / "admin-token").stat().st_mode & 0o777 == 0o600
        first.end()
    with Up(data) as second:
        assert (data / "admin-token").read_text(encoding="ascii") == token
        assert verified(second, token)
        assert token.strip() not in second.errors + second.output


def test_new_operator_token_ends_the_old_one(data):
    with Up(data) as first:
        old = (data / "admin-token").read_text(encoding="ascii")
        first.end()
    with Up(data, "--new-operator-token") as second:
        new = (data / "admin-token").read_text(encoding="ascii")
        assert (verified(second, old), verified(second, new)) == (False, True)


def verified(running: Up, token: str) -> bool:
    headers = {"Authorization": f"Bearer {token.strip()}"}
    answer = httpx.get(f"{running.api_url}/client/v4/user/tokens/verify", headers=headers)
    return answer.status_code == 200


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_stops_all_of_it_cleanly(data, number):
    with Up(data) as running:
        api, clients = running.api_url, running.http
        assert running.end(number) == 0
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{api}/healthz")
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(clients)
        assert "Traceback" not in running.errors


class Made:
    """An account with a dedicated zone, made through the API of a running process."""

    def __init__(self, running: Up, origin: DemoOrigin, ip: str) -> None:
        token = (running.data / "admin-token").read_text(encoding="ascii").strip()
        with Cloudflare(api_token=token, base_url=f"{running.api_url}/client/v4") as sdk:
            account = sdk.accounts.create(name="Example").id
            zone = sdk.zones.create(account={"id": account}, name=HOST).id
            sdk.dns.records.create(
                zone_id=zone,
                type="A",
                name=HOST,
                content="127.0.0.1",
                ttl=1,
                proxied=True,
                settings={"origin_port": origin.port, "origin_scheme": "http"},
            )
            base = f"/accounts/{account}/egressway"
            sdk.post(f"{base}/leased_ips", body={"ip": ip}, cast_to=object)
            body = {"name": "own", "source": "leased", "ips": [ip]}
            pool = sdk.post(f"{base}/pools", body=body, cast_to=httpx.Response).json()["result"]
            value = {"enabled": True, "pool_id": pool["id"]}
            # The acknowledgement of the last change is the moment that matters.
            sdk.zones.settings.edit("aegis", zone_id=zone, value=value)


def seen_ip(running: Up) -> str | None:
    with closing(http.client.HTTPConnection(*running.http, timeout=30)) as connection:
        connection.request("GET", "/", headers={"Host": HOST})
        answer = connection.getresponse()
        seen: str | None = msgspec.json.decode(answer.read()).get("seen_ip")
        return seen


@pytest.fixture
def origin():
    running = DemoOrigin()
    yield running
    running.stop()


def test_restart_keeps_everything(data, origin):
    ip = egress_ip()
    with Up(data, **LOOPBACK) as first:
        Made(first, origin, ip)
        eventually(lambda: seen_ip(first) == ip)
        assert first.end() == 0
    with Up(data, **LOOPBACK) as second:
        assert seen_ip(second) == ip


def test_acknowledged_change_is_served_after_kill_9(data, origin):
    ip = egress_ip()
    with Up(data, **LOOPBACK) as first:
        Made(first, origin, ip)
        first.kill()
    with Up(data, **LOOPBACK) as second:
        assert seen_ip(second) == ip


def test_printed_lines_of_the_demo_do_what_they_say(data):
    with Up(data, "--demo") as running:
        eventually(lambda: "/egressway/usage" in running.output, within=30)
        lines = [line for line in running.output.splitlines() if line.startswith("curl ")]
        first, shared, tls, off, on, usage = lines
        dedicated = ("127.77.0.1", "127.77.0.2")
        assert _curl(first)["seen_ip"] in dedicated
        assert _curl(shared)["seen_ip"] == "127.0.0.1"
        assert _curl(tls)["seen_ip"] in dedicated
        assert _curl(off)["result"]["value"]["enabled"] is False
        eventually(lambda: _curl(first)["seen_ip"] == "127.0.0.1")
        assert _curl(on)["success"]
        eventually(lambda: _curl(first)["seen_ip"] in dedicated)
        rows = eventually(lambda: _curl(usage)["result"])
        assert {row["egress_ip"] for row in rows} <= set(dedicated)
        assert running.end(signal.SIGINT) == 0


def test_demo_started_again_finds_what_it_made(data):
    with Up(data, "--demo") as first:
        eventually(lambda: "/egressway/usage" in first.output, within=30)
        ids = re.findall(r"[0-9a-f]{32}", first.output)
        token = (data / "demo-token").read_text(encoding="ascii")
        first.end()
    with Up(data, "--demo") as second:
        eventually(lambda: "/egressway/usage" in second.output, within=30)
        assert re.findall(r"[0-9a-f]{32}", second.output) == ids
        assert (data / "demo-token").read_text(encoding="ascii") == token
        shown = next(line for line in second.output.splitlines() if line.startswith("curl "))
        assert _curl(shown)["seen_ip"] in ("127.77.0.1", "127.77.0.2")


def _curl(line: str) -> dict:
    """Run a printed line as a person would."""
    done = subprocess.run(
        ["bash", "-c", line.replace("curl ", "curl --silent --show-error ", 1)],
        capture_output=True,
        check=False,
        timeout=30,
    )
    assert done.returncode == 0, done.stderr
    answer: dict = msgspec.json.decode(done.stdout)
    return answer
