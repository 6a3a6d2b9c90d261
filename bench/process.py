"""Processes under measurement: start, wait until they listen, CPU time, memory, stop."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_LAST_WORDS = 400
_ROOT = Path(__file__).resolve().parents[1]
_LISTEN = "0A"
"""State of a socket in `/proc/net/tcp`."""


class ProcessError(Exception):
    """A process under measurement did not start, or ended by itself."""


@dataclass(frozen=True, slots=True)
class CpuTime:
    """CPU seconds spent in user and kernel mode."""

    user: float = 0.0
    system: float = 0.0

    @property
    def total(self) -> float:
        return self.user + self.system

    def __add__(self, other: CpuTime) -> CpuTime:
        return CpuTime(self.user + other.user, self.system + other.system)

    def __sub__(self, other: CpuTime) -> CpuTime:
        return CpuTime(self.user - other.user, self.system - other.system)


class ProcessTree:
    """One command in a session of its own, with everything it starts.

    Standard output and standard error go to `<name>.out` and `<name>.log` in `work`; output is
    opened for appending, so that it can be truncated while the command runs.
    """

    def __init__(self, name: str, command: list[str], work: Path) -> None:
        self.name = name
        self.output = work / f"{name}.out"
        self._log = work / f"{name}.log"
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start the command; it may not listen yet."""
        with self.output.open("ab") as output, self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=log,
                start_new_session=True,
            )

    def wait_until_listening(
        self, ports: list[int], *, host: str = "127.0.0.1", deadline: float = 20.0
    ) -> float:
        """Wait until every port of `host` is listened on; returns the seconds that took.

        Raises:
            ProcessError: the command ended, or `deadline` seconds passed.
        """
        begin = time.monotonic()
        for port in ports:
            while not _listens(host, port):
                self.check_alive()
                if time.monotonic() - begin > deadline:
                    raise ProcessError(f"`{self.name}` did not listen within {deadline:.0f} s")
                time.sleep(0.01)
        return time.monotonic() - begin

    def check_alive(self) -> None:
        """Raise `ProcessError` with the end of the log if the command has ended."""
        if self._process is None:
            raise ProcessError(f"`{self.name}` was not started")
        status = self._process.poll()
        if status is not None:
            raise ProcessError(f"`{self.name}` ended with status {status}: {self._last_words()}")

    def _last_words(self) -> str:
        text = self._log.read_text(errors="replace")
        # Results are kept: they name no path of the machine they were made on.
        for folder in (self._log.parent, _ROOT):
            text = text.replace(f"{folder}/", "")
        return " ".join(text.split())[-_LAST_WORDS:] or "nothing in its log"

    def cpu(self) -> CpuTime:
        """CPU time since the start, of all live processes and of the children they have reaped."""
        used = CpuTime()
        for pid in self.pids():
            with suppress(OSError):
                used += _cpu_of(pid)
        return used

    def resident_bytes(self) -> int:
        """Proportional set size of all live processes: shared pages are counted once."""
        total = 0
        for pid in self.pids():
            with suppress(OSError):
                total += _proportional_set_size(pid)
        return total

    def pids(self) -> list[int]:
        """Live processes of this command's session."""
        if self._process is None:
            return []
        session = self._process.pid
        return [pid for pid in _all_pids() if _session_of(pid) == session]

    def stop(self, patience: float = 5.0) -> None:
        """End the whole tree: politely first, then for good. Safe to call twice."""
        if self._process is None:
            return
        self._signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(patience)
        for pid in self.pids():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait()
        self._process = None

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)


def _listens(host: str, port: int) -> bool:
    """Whether the kernel lists a listener at exactly this IPv4 address.

    Trying to connect would disturb: the kernel may choose the very port that is tried as the source
    port, and a connection to itself then succeeds and keeps the real listener out.
    """
    address = int.from_bytes(socket.inet_aton(host), sys.byteorder)
    wanted = f"{address:08X}:{port:04X}"
    with Path("/proc/net/tcp").open() as lines:
        next(lines)
        for line in lines:
            _, local, _, state, *_ = line.split()
            if state != _LISTEN:  # listeners come first, then perhaps many thousand others
                return False
            if local == wanted:
                return True
    return False


def _all_pids() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _stat_fields(pid: int) -> list[str]:
    """Fields of `/proc/<pid>/stat` from the third on; the command's name may hold blanks."""
    text = Path(f"/proc/{pid}/stat").read_text()
    return text[text.rindex(")") + 2 :].split()


def _session_of(pid: int) -> int | None:
    try:
        return int(_stat_fields(pid)[3])
    except OSError:
        return None


def _cpu_of(pid: int) -> CpuTime:
    fields = _stat_fields(pid)
    user, system, children_user, children_system = (int(field) for field in fields[11:15])
    return CpuTime(
        (user + children_user) / TICKS_PER_SECOND, (system + children_system) / TICKS_PER_SECOND
    )


def _proportional_set_size(pid: int) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0
