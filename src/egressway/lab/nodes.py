"""`egressway node` in the namespace of each server.

A node's data lies on a small file system of its own, so that a scenario can fill it up; its wall clock
can be set apart from the host's (`clock`).
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import httpx

from egressway.lab.clock import clock_environment, set_clock
from egressway.lab.plan import Plan, ServerHost
from egressway.lab.process import LabProcess, wait_until
from egressway.lab.run_directory import RunDirectory

__all__ = ["ADMIN_PORT", "HTTPS_PORT", "HTTP_PORT", "LINK_PORT", "Node", "nodes_of"]

HTTP_PORT: Final = 80
HTTPS_PORT: Final = 443
LINK_PORT: Final = 8644
ADMIN_PORT: Final = 8610
_DATA_MEBIBYTES: Final = 256
_START_SECONDS: Final = 60.0


class Node:
    """The node of one server, running or not."""

    def __init__(self, name: str, server: ServerHost, directory: RunDirectory) -> None:
        self.name = name
        self.server = server
        self._directory = directory
        self._home = directory.path / f"node-{name}"
        self.data = self._home / "data"
        command = (
            *(sys.executable, "-m", "egressway.services.main", "node", "--server", name),
            *("--data", str(self.data), "--config", str(self._home / "egressway.toml")),
        )
        self.process = LabProcess(
            f"node-{name}",
            server.host.namespace,
            command,
            directory,
            clock_environment(directory.path, self._clock_file),
        )

    @property
    def access_log(self) -> Path:
        """Where it writes a line for each request."""
        return self.data / "access.log"

    @property
    def _clock_file(self) -> Path:
        return self._home / "clock"

    def join(self, url: str, token: str) -> None:
        """Its first start, with a token."""
        self._directory.of(f"node-{self.name}")
        self._directory.mount_memory(self.data, _DATA_MEBIBYTES)
        (self._home / "egressway.toml").write_text(self._configuration(), "ascii")
        self.set_clock(0.0)
        joining = LabProcess(
            self.process.name,
            self.process.namespace,
            (*self.process.command, "--join", url),
            self._directory,
            {**self.process.environment, "EGRESSWAY_JOIN_TOKEN": token},
        )
        joining.start()

    def start(self) -> None:
        """Any later start; the identity is on disk."""
        self.process.start()

    def upgrade(self) -> None:
        """Start a newer process beside the one that runs, until it has taken over.

        Both answer to health checks meanwhile, so it is asked what the newer one has said.
        """
        before = self._times_up()
        self.process.start()

        def has_taken_over() -> bool:
            self.process.must_run()
            return self._times_up() > before

        what = f"the newer process of the node `{self.name}` is up"
        wait_until(has_taken_over, _START_SECONDS, what, 0.05)

    def _times_up(self) -> int:
        log = self._directory.log(self.process.name)
        return log.read_text("utf-8", "replace").count(f"node `{self.name}` is up;")

    def set_clock(self, seconds: float) -> None:
        """Its wall clock is so far from the true time, from now on."""
        set_clock(self._clock_file, seconds)

    def wait_ready(self) -> None:
        """Until it says that traffic may come."""

        def is_ready() -> bool:
            self.process.must_run()
            return self.is_ready()

        wait_until(is_ready, _START_SECONDS, f"the node `{self.name}` is ready", 0.05)

    def is_ready(self) -> bool:
        """What its `/readyz` says."""
        return self._ask("/readyz").startswith("200")

    def metrics(self) -> Mapping[tuple[str, str], float]:
        """Value by metric and labels as written; empty when it does not answer."""
        found: dict[tuple[str, str], float] = {}
        for line in self._ask("/metrics").splitlines()[1:]:
            if line and not line.startswith("#"):
                name, _, value = line.rpartition(" ")
                metric, _, labels = name.partition("{")
                found[metric, labels.rstrip("}")] = float(value)
        return found

    def metric(self, name: str) -> float | None:
        """One without labels."""
        return self.metrics().get((name, ""))

    def _ask(self, path: str) -> str:
        """Status and body, or nothing."""
        url = f"http://127.0.0.1:{ADMIN_PORT}{path}"
        try:
            with self.process.namespace.entered():
                response = httpx.get(url, timeout=5, trust_env=False)
        except httpx.HTTPError:
            return ""
        return f"{response.status_code}\n{response.text}"

    def _configuration(self) -> str:
        host, router = self.server.host, self.server.router
        return f"""
            [ingress]
            server_name = "{self.name}"
            [[ingress.listeners]]
            address = "{host.address}"
            port = {HTTP_PORT}
            [[ingress.listeners]]
            address = "{host.address}"
            port = {HTTPS_PORT}
            tls = true
            [egress]
            shared_ips = ["{host.address}", "{host.address6}"]
            [data_plane]
            workers = 1
            [node]
            server = "{self.name}"
            link_address = "{host.address}"
            link_port = {LINK_PORT}
            admin_port = {ADMIN_PORT}
            steering = "on"
            [announce]
            asn = {self.server.asn}
            router_id = "{host.address}"
            [[announce.peers]]
            address = "{router.address}"
            asn = {router.asn}
            [[announce.peers]]
            address = "{router.address6}"
            asn = {router.asn}
            """


def nodes_of(plan: Plan, directory: RunDirectory) -> dict[str, Node]:
    """All of them, by server."""
    return {name: Node(name, server, directory) for name, server in plan.servers.items()}
