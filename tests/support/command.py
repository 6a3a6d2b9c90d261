"""`egressway up` in a process of its own, as a person starts it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.waiting import eventually

START_SECONDS = 60.0
STOP_SECONDS = 30.0
ANY_PORTS = {
    "EGRESSWAY_API_PORT": "0",
    "EGRESSWAY_INGRESS_HTTP_PORT": "0",
    "EGRESSWAY_INGRESS_HTTPS_PORT": "0",
}


def up_command(data: Path, *more: str) -> list[str]:
    """The command line."""
    return [sys.executable, "-m", "egressway.services.main", "up", "--data", str(data), *more]


def environment(**variables: str) -> dict[str, str]:
    """This one without settings of its own; every port is chosen by the kernel unless given."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("EGRESSWAY_")}
    return {**inherited, **ANY_PORTS, **variables}


def _limited(open_files: int | None, command: list[str]) -> list[str]:
    """The command with a limit that it cannot raise."""
    if open_files is None:
        return command
    return ["bash", "-c", 'ulimit -n "$0" && exec "$@"', str(open_files), *command]


def failed_start(data: Path, *more: str, **variables: str) -> str:
    """Standard error of a start that must end with exit code 1 by itself."""
    done = subprocess.run(
        up_command(data, *more),
        env=environment(**variables),
        capture_output=True,
        text=True,
        timeout=START_SECONDS,
        check=False,
    )
    assert done.returncode == 1, (done.returncode, done.stdout, done.stderr)
    assert done.stdout == ""
    return done.stderr


class Up:
    """Runs from construction; ended hard at the end of its block, if not before."""

    def __init__(
        self, data: Path, *more: str, open_files: int | None = None, **variables: str
    ) -> None:
        self.data = data
        self._errors = (data.parent / f"{data.name}.stderr").open("a+", encoding="utf-8")
        self._told = data.parent / f"{data.name}.stdout"
        with self._told.open("w", encoding="utf-8") as output:
            self.process = subprocess.Popen(
                _limited(open_files, up_command(data, *more)),
                env=environment(**variables),
                stdout=output,
                stderr=self._errors,
            )
        eventually(self._is_up, within=START_SECONDS, why="egressway up")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.process.poll() is None:
            self.kill()
        self._errors.close()

    @property
    def output(self) -> str:
        return self._told.read_text(encoding="utf-8")

    @property
    def errors(self) -> str:
        return (self.data.parent / f"{self.data.name}.stderr").read_text(encoding="utf-8")

    @property
    def api_url(self) -> str:
        return self._found(r"API +(http://\S+)/client/v4")

    @property
    def http(self) -> tuple[str, int]:
        address, _, port = self._found(r"HTTP +http://(\S+)").rpartition(":")
        return address, int(port)

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal, wait, give the exit code."""
        self.process.send_signal(number)
        return self.process.wait(timeout=STOP_SECONDS)

    def kill(self) -> None:
        """`kill -9`."""
        self.process.kill()
        self.process.wait()

    def _is_up(self) -> bool:
        assert self.process.poll() is None, self.errors
        return "Ctrl-C stops it" in self.output and self.output.endswith("\n")

    def _found(self, pattern: str) -> str:
        found = re.search(pattern, self.output)
        assert found, self.output
        return found[1]
