"""What the kernel says of sockets, by `ss`, and a sampler that asks it again and again."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.waiting import eventually

ORPHANED = {"FIN-WAIT-1", "FIN-WAIT-2", "TIME-WAIT", "LAST-ACK", "CLOSING"}
"""States of sockets that their process has closed: the kernel's, listed apart."""

_PAUSE = 0.02


def sockets_to(port: int) -> Counter[tuple[str, str]]:
    """How many sockets there are towards a port of 127.0.0.1, by source address and state."""
    command = ["ss", "-Htan", "dst", f"127.0.0.1:{port}"]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    counts: Counter[tuple[str, str]] = Counter()
    for line in output.splitlines():
        state, _, _, local = line.split()[:4]
        counts[local.rpartition(":")[0], state] += 1
    return counts


def live(counts: Counter[tuple[str, str]]) -> int:
    """Sockets that a process holds."""
    return sum(n for (_, state), n in counts.items() if state not in ORPHANED)


@contextmanager
def halted(pid: int) -> Iterator[None]:
    """A process stands still, all threads of it.

    `ss` walks the kernel's tables and does not see one moment: a socket that is closed behind it and its
    successor opened ahead of it would both be counted. Nobody opens or closes while the process is halted.
    """
    os.kill(pid, signal.SIGSTOP)
    try:
        eventually(lambda: all(state == "T" for state in _thread_states(pid)), pause=0.0005)
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def _thread_states(pid: int) -> Iterator[str]:
    for thread in Path(f"/proc/{pid}/task").iterdir():
        yield (thread / "stat").read_text().rpartition(")")[2].split()[0]


class Sampler:
    """Asks during its block as often as it can; keeps the most it saw."""

    def __init__(self, pid: int, port: int, egress_ip: str) -> None:
        self._pid, self._port, self._egress_ip = pid, port, egress_ip
        self.samples = 0
        self.most = 0
        self.most_orphaned = 0
        self.foreign = 0
        """Sockets towards the origin from any other address, over all samples."""
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while True:
            self._look()
            if self._ended.wait(_PAUSE):
                return

    def _look(self) -> None:
        with halted(self._pid):
            counts = sockets_to(self._port)
        here = Counter({key: n for key, n in counts.items() if key[0] == self._egress_ip})
        self.samples += 1
        self.most = max(self.most, live(here))
        self.most_orphaned = max(self.most_orphaned, here.total() - live(here))
        self.foreign += counts.total() - here.total()
