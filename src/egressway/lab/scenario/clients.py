"""The clients of a scenario: one process in the namespace of each location that asks for something."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from egressway.lab.errors import LabError
from egressway.lab.nodes import HTTP_PORT, HTTPS_PORT
from egressway.lab.plan import Plan
from egressway.lab.run_directory import RunDirectory
from egressway.lab.scenario.steps import Traffic

__all__ = ["ClientProcess", "Clients"]


class ClientProcess:
    """Told what to do line by line, and answers line by line."""

    def __init__(self, location: str, plan: Plan, directory: RunDirectory) -> None:
        self._location = location
        namespace = plan.clients[location].namespace
        self._log = directory.log(f"client-{location}").open("ab")
        self._process = subprocess.Popen(  # noqa: S603
            namespace.entering(sys.executable, "-m", "egressway.lab.traffic.client"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
        )
        self._read()

    def ask(self, command: str, **details: Any) -> Any:  # noqa: ANN401
        """Tell it something and wait for its answer."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([command, details]).encode() + b"\n")
        self._process.stdin.flush()
        return self._read()

    def end(self) -> None:
        """`kill -9`; what it has open is closed by the kernel."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout, self._log):
            if pipe is not None:
                pipe.close()

    def _read(self) -> Any:  # noqa: ANN401
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise LabError(
                f"the client in {self._location} has ended; see the log `client-{self._location}`."
            )
        return json.loads(line)


class Clients:
    """All of them, started when they are first asked."""

    def __init__(self, plan: Plan, directory: RunDirectory) -> None:
        self._plan = plan
        self._directory = directory
        self._processes: dict[str, ClientProcess] = {}

    def at(self, location: str) -> ClientProcess:
        """The one of a location."""
        if location not in self._processes:
            self._processes[location] = ClientProcess(location, self._plan, self._directory)
        return self._processes[location]

    def running(self) -> list[ClientProcess]:
        """Those that have been asked so far."""
        return list(self._processes.values())

    def target(self, traffic: Traffic, server: str) -> dict[str, Any]:
        """Where a client connects."""
        return {
            "address": str(self._plan.servers[server].host.address),
            "port": HTTPS_PORT if traffic.tls else HTTP_PORT,
            "host": traffic.host,
            "tls": traffic.tls,
        }

    def end(self) -> None:
        """No client is left."""
        for process in self._processes.values():
            process.end()
        self._processes.clear()
