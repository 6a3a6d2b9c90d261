"""Processes of the lab: started detached, found again by a name, ended by any later command."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from egressway.lab.errors import LabError
from egressway.lab.namespaces import Namespace
from egressway.lab.run_directory import RunDirectory

__all__ = ["LabProcess", "wait_until"]

_ENTER_SECONDS: Final = 10.0
_ENTER_PAUSE: Final = 0.002


@dataclass(frozen=True, slots=True)
class LabProcess:
    """A program under a name, in a namespace; running or not."""

    name: str
    namespace: Namespace
    command: Sequence[str]
    directory: RunDirectory
    environment: Mapping[str, str] = field(default_factory=dict)

    def start(self) -> None:
        """Run it, apart from whoever started it."""
        with self.directory.log(self.name).open("ab") as log:
            process = subprocess.Popen(  # noqa: S603
                self.namespace.entering(*self.command),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={**_outer_environment(), **self.environment},
            )
        # It is nobody's until it has entered the namespace.
        wait_until(
            lambda: _is_inside(process.pid, self.namespace) or process.poll() is not None,
            _ENTER_SECONDS,
            f"`{self.name}` is in its namespace",
            _ENTER_PAUSE,
        )
        self.directory.pid_file(self.name).write_text(f"{process.pid}\n", "ascii")

    @property
    def pid(self) -> int | None:
        """Its id, while it runs."""
        try:
            pid = int(self.directory.pid_file(self.name).read_text("ascii"))
        except (FileNotFoundError, ValueError):
            return None
        _reap(pid)
        return pid if _is_inside(pid, self.namespace) else None

    def signal(self, number: int) -> None:
        """Send a signal, if it runs."""
        if (pid := self.pid) is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def kill(self) -> None:
        """`kill -9`, and the end of it."""
        self.signal(signal.SIGKILL)
        wait_until(lambda: self.pid is None, 10, f"`{self.name}` has ended")

    def stop(self, within: float = 30) -> None:
        """Ask it to end, and wait."""
        self.signal(signal.SIGTERM)
        wait_until(lambda: self.pid is None, within, f"`{self.name}` has stopped")

    def must_run(self) -> None:
        """Raise with the end of its output when it has ended."""
        if self.pid is None:
            raise LabError(f"`{self.name}` has ended by itself. It said: {self.last_words()}")

    def last_words(self) -> str:
        """The end of its output."""
        with suppress(OSError):
            return self.directory.log(self.name).read_text("utf-8", "replace")[-1_500:].strip()
        return "nothing"


def wait_until(look: Callable[[], object], within: float, what: str, pause: float = 0.02) -> None:
    """Look again and again until it is so; `what` says so in the error when it is not in time."""
    end = time.monotonic() + within
    while not look():
        if time.monotonic() > end:
            raise LabError(f"not within {within:g} s: {what}.")
        time.sleep(pause)


def _reap(pid: int) -> None:
    # A child of this very command would stay as a zombie; of an earlier one it is not ours to wait for.
    with suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


def _is_inside(pid: int, namespace: Namespace) -> bool:
    """The process exists and is in there: a process id that was used again elsewhere is not it."""
    try:
        return Path(f"/proc/{pid}/ns/net").stat().st_ino == namespace.path.stat().st_ino
    except OSError:
        return False


def _outer_environment() -> dict[str, str]:
    """Without settings of a product that may run outside."""
    return {k: v for k, v in os.environ.items() if not k.startswith("EGRESSWAY_")}
