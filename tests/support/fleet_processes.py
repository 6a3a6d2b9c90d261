"""A fleet of real processes on this machine: NATS, `egressway control`, `egressway node`.

    with Fleet(tmp_path) as fleet:
        fleet.place("lisbon", "lis1", "s1", "s2")
        node = fleet.node("s1")
        fleet.zone("example.com", origin.port)
        eventually(lambda: node.answers("example.com"))

Everything listens on loopback, on ports that the kernel or `addresses` chose. What a test starts ends
with its block, hard if need be.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from tests.support.addresses import egress_ip, listening_port
from tests.support.nats import NatsServer
from tests.support.waiting import eventually

START_SECONDS = 60.0
STOP_SECONDS = 30.0
UP = "Ctrl-C stops it"


def environment(**variables: str) -> dict[str, str]:
    """This one without settings of its own."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("EGRESSWAY_")}
    return {**inherited, **variables}


def command(*arguments: str) -> list[str]:
    """`egressway` with arguments."""
    return [sys.executable, "-m", "egressway.services.main", *arguments]


def failed_start(*arguments: str, **variables: str) -> str:
    """Standard error of a start that must end with exit code 1 by itself."""
    done = subprocess.run(
        command(*arguments),
        env=environment(**variables),
        capture_output=True,
        text=True,
        timeout=START_SECONDS,
        check=False,
    )
    assert done.returncode == 1, (done.returncode, done.stdout, done.stderr)
    return done.stderr


class EgresswayProcess:
    """One process of ours: up when its constructor returns, ended hard at the end of its block."""

    def __init__(self, directory: Path, name: str, *arguments: str, **variables: str) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.name = name
        self._told = _fresh(directory, f"{name}.stdout")
        self._erred = self._told.with_suffix(".stderr")
        with self._told.open("wb") as output, self._erred.open("wb") as errors:
            self.process = subprocess.Popen(
                command(*arguments), env=environment(**variables), stdout=output, stderr=errors
            )
        try:
            eventually(self._is_up, within=START_SECONDS, why=f"{name} is up")
        except BaseException:
            self.kill()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def output(self) -> str:
        return self._told.read_text(encoding="utf-8")

    @property
    def errors(self) -> str:
        return self._erred.read_text(encoding="utf-8")

    @property
    def is_running(self) -> bool:
        return self.process.poll() is None

    def found(self, pattern: str) -> str:
        """What the process has said of itself at its start."""
        found = re.search(pattern, self.output)
        assert found, self.output
        return found[1]

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal, wait, give the exit code."""
        self.process.send_signal(number)
        return self.wait()

    def wait(self, within: float = STOP_SECONDS) -> int:
        """The exit code of a process that ends by itself."""
        return self.process.wait(timeout=within)

    def kill(self) -> None:
        """`kill -9`; harmless when it has ended."""
        self.process.kill()
        self.process.wait()

    def _is_up(self) -> bool:
        assert self.is_running, self.errors
        return UP in self.output and self.output.endswith("\n")


def _fresh(directory: Path, name: str) -> Path:
    """A process that is started again keeps what the one before has said."""
    path, number = directory / name, 1
    while path.exists():
        number += 1
        path = (directory / name).with_stem(f"{Path(name).stem}-{number}")
    return path


class ControlProcess(EgresswayProcess):
    """`egressway control`."""

    def __init__(
        self, directory: Path, bus_url: str, name: str = "control", **variables: str
    ) -> None:
        self.data = directory / name
        chosen = {
            "EGRESSWAY_BUS": bus_url,
            "EGRESSWAY_API_PORT": "0",
            "EGRESSWAY_FLEET_ENROLMENT_PORT": "0",
            "EGRESSWAY_EGRESS_ALLOWED_ORIGINS": "127.0.0.0/8,::1/128",
            **variables,
        }
        super().__init__(directory, name, "control", "--data", str(self.data), **chosen)

    @property
    def api_url(self) -> str:
        return self.found(r"API +(http://\S+)/client/v4")

    @property
    def enrolment_url(self) -> str:
        return self.found(r"join +(https://\S+)")


class NodeProcess(EgresswayProcess):
    """`egressway node`."""

    def __init__(
        self,
        directory: Path,
        server: str,
        *arguments: str,
        label: str | None = None,
        **variables: str,
    ) -> None:
        self.server = server
        self.data = directory / (label or server)
        self.egress_ip = variables.get("EGRESSWAY_EGRESS_SHARED_IPS", "")
        super().__init__(
            directory,
            label or server,
            "node",
            "--data",
            str(self.data),
            "--server",
            server,
            *arguments,
            **variables,
        )

    @property
    def http(self) -> tuple[str, int]:
        address, _, port = self.found(r"HTTP +http://(\S+)").rpartition(":")
        return address, int(port)

    @property
    def admin_url(self) -> str:
        return self.found(r"admin +(http://\S+)")

    def ready(self) -> dict[str, Any]:
        """`/readyz`."""
        answer: dict[str, Any] = httpx.get(f"{self.admin_url}/readyz").json()
        return answer

    def status(self) -> dict[str, Any]:
        """The data plane's own numbers."""
        answer: dict[str, Any] = httpx.get(f"{self.admin_url}/status").json()["node"]
        return answer

    def metric(self, name: str) -> float:
        """The value of a metric without labels."""
        for line in httpx.get(f"{self.admin_url}/metrics").text.splitlines():
            if line.rpartition(" ")[0] == name:
                return float(line.rpartition(" ")[2])
        raise AssertionError(f"no metric {name}")

    def request(self, host: str, path: str = "/") -> tuple[int, dict[str, Any]]:
        """One request over a connection of its own: status and JSON body."""
        with closing(http.client.HTTPConnection(*self.http, timeout=30)) as connection:
            connection.request("GET", path, headers={"Host": host})
            answer = connection.getresponse()
            content = answer.read()
            return answer.status, json.loads(content) if content else {}

    def answers(self, host: str) -> bool:
        """Whether the origin answers through this node; a closed listener is a no."""
        try:
            return self.request(host)[0] == 200
        except OSError:
            return False


class Fleet:
    """NATS, one control plane, and whatever nodes a test starts."""

    def __init__(
        self, directory: Path, nats: NatsServer | None = None, **control_variables: str
    ) -> None:
        self.directory = directory
        self.nats = nats or NatsServer.with_jetstream(directory / "nats")
        self._control_variables = control_variables
        self._running = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as started:
            started.enter_context(self.nats)
            self._running = started
            self.control = self.start_control()
            self._running = started.pop_all()
        self.account_id = str(
            self.call("POST", "/accounts", {"name": "Example", "type": "standard"})["id"]
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._running.close()

    # Processes.

    def start_control(self, name: str = "control", **variables: str) -> ControlProcess:
        """Another replica, or the same again after its end."""
        chosen = {**self._control_variables, **variables}
        control = ControlProcess(self.directory, self.nats.url, name, **chosen)
        return self._running.enter_context(control)

    def node(
        self,
        server: str,
        *,
        token: str | None = None,
        join: str | None = None,
        label: str | None = None,
        **variables: str,
    ) -> NodeProcess:
        """Start a node that joins; `label` names its directory, and the same one is no first start."""
        name = label or server
        is_first = not (self.directory / name / "identity.json").exists()
        arguments = []
        if is_first or token:
            given = token or self.token(server)
            arguments = ["--join", join or self.control.enrolment_url, "--token", given]
        chosen = {**self._node_variables(name), **variables}
        node = NodeProcess(self.directory, server, *arguments, label=label, **chosen)
        return self._running.enter_context(node)

    def nodes(self, *servers: str, **variables: str) -> list[NodeProcess]:
        """Start several at the same time."""
        with ThreadPoolExecutor(len(servers)) as starting:
            return list(starting.map(lambda server: self.node(server, **variables), servers))

    def _node_variables(self, name: str) -> dict[str, str]:
        """The same for each start of one node: its peers and clients find it again."""
        file = self.directory / f"{name}.variables.json"
        if not file.exists():
            chosen = {
                "EGRESSWAY_EGRESS_SHARED_IPS": egress_ip(),
                "EGRESSWAY_INGRESS_HTTP_PORT": str(listening_port()),
                "EGRESSWAY_INGRESS_HTTPS_PORT": str(listening_port()),
                "EGRESSWAY_NODE_LINK_PORT": str(listening_port()),
                "EGRESSWAY_NODE_ADMIN_PORT": str(listening_port()),
                "EGRESSWAY_NODE_STEERING": "off",
                "EGRESSWAY_DATA_PLANE_WORKERS": "1",
                "EGRESSWAY_DATA_PLANE_DRAIN_SECONDS": "2",
            }
            file.write_text(json.dumps(chosen), encoding="utf-8")
        read: dict[str, str] = json.loads(file.read_text(encoding="utf-8"))
        return read

    # What the operator does.

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """The result of an operator's call below `/client/v4`."""
        token = (self.control.data / "admin-token").read_text(encoding="ascii").strip()
        answer = httpx.request(
            method,
            f"{self.control.api_url}/client/v4{path}",
            json=body,
            headers={"Authorization": f"Bearer {token}"},
            timeout=30,
        )
        assert answer.is_success, answer.text
        return answer.json()["result"]

    def place(self, location: str, data_center: str, *servers: str) -> None:
        """A location with a data center and servers in it; what is there already stays."""
        there = {each["name"] for each in self.call("GET", "/egressway/locations")}
        if location not in there:
            where = {"name": location, "latitude": 10.0 * len(there), "longitude": 0.0}
            self.call("POST", "/egressway/locations", where)
        there = {each["name"] for each in self.call("GET", "/egressway/data_centers")}
        if data_center not in there:
            hall = {"name": data_center, "location": location}
            self.call("POST", "/egressway/data_centers", hall)
        for server in servers:
            body = {"name": server, "data_center": data_center}
            self.call("POST", "/egressway/servers", body)

    def token(self, server: str, **body: Any) -> str:
        """A join token."""
        path = f"/egressway/servers/{server}/join_tokens"
        return str(self.call("POST", path, body)["token"])

    def zone(self, name: str, port: int, content: str = "127.0.0.1") -> str:
        """A zone whose own name leads to an origin over HTTP; its id."""
        body = {"name": name, "account": {"id": self.account_id}}
        zone_id = str(self.call("POST", "/zones", body)["id"])
        record = {
            "type": "A",
            "name": name,
            "content": content,
            "ttl": 1,
            "proxied": True,
            "settings": {"origin_port": port, "origin_scheme": "http"},
        }
        self.call("POST", f"/zones/{zone_id}/dns_records", record)
        return zone_id

    def pool(self, *ips: str) -> str:
        """Lease addresses and put them into a pool; its id."""
        base = f"/accounts/{self.account_id}/egressway"
        for ip in ips:
            self.call("POST", f"{base}/leased_ips", {"ip": ip})
        body = {"name": f"pool of {ips[0]}", "source": "leased", "ips": list(ips)}
        return str(self.call("POST", f"{base}/pools", body)["id"])

    def slices(self, ip: str, **ports: str) -> None:
        """Who may use which ports: `s1="20000-29999"`."""
        body = {"slices": [{"server": name, "ports": range_} for name, range_ in ports.items()]}
        self.call("PUT", f"/egressway/placements/{ip}", body)

    def aegis(self, zone_id: str, pool_id: str) -> None:
        """Switch dedicated egress on."""
        body = {"value": {"enabled": True, "pool_id": pool_id}}
        self.call("PATCH", f"/zones/{zone_id}/settings/aegis", body)

    def servers(self) -> dict[str, dict[str, Any]]:
        """What every server runs, by name."""
        return {each["name"]: each for each in self.call("GET", "/egressway/fleet")["servers"]}
