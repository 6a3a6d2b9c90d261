"""Network namespaces and the wires between them: what the kernel gives to build a small internet.

A namespace here is a named one (`ip netns`), so that it outlives whoever made it and anybody can enter
it. Interfaces are made inside namespaces only: the host's own network is never touched, and all of it
goes when the namespaces go. Everything is done with `ip`, `sysctl` and `nft`, as one would by hand.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from egressway.lab.errors import LabError

__all__ = ["Namespace", "Wire", "connect", "existing", "run"]

_NAMED: Final = Path("/run/netns")
_KILL_SECONDS: Final = 10.0
_NETWORK: Final = 0x40000000
"""`CLONE_NEWNET` of `setns(2)`."""
_LIBC: Final = ctypes.CDLL(None, use_errno=True)


def run(*command: str, stdin: str | None = None) -> str:
    """Standard output of a command that must succeed."""
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode != 0:
        told = done.stderr.strip() or done.stdout.strip() or f"exit code {done.returncode}"
        raise LabError(f"`{' '.join(command)}` failed: {told}")
    return done.stdout


@dataclass(frozen=True, slots=True)
class Namespace:
    """One network stack of its own, by name."""

    name: str

    @property
    def path(self) -> Path:
        """The file that stands for it."""
        return _NAMED / self.name

    def create(self) -> None:
        """Make it, with its loopback interface up."""
        run("ip", "netns", "add", self.name)
        self.ip(["link set lo up"])

    def remove(self) -> None:
        """End its processes, then take it and its interfaces away; nothing to do when it is gone."""
        self.kill_all()
        if self.path.exists():
            run("ip", "netns", "delete", self.name)

    def entering(self, *command: str) -> list[str]:
        """The command line that runs `command` in here. Only the network differs from outside."""
        return ["nsenter", f"--net={self.path}", "--", *command]

    def run(self, *command: str, stdin: str | None = None) -> str:
        """Standard output of a command that must succeed in here."""
        return run(*self.entering(*command), stdin=stdin)

    def ip(self, lines: Iterable[str]) -> None:
        """`ip` commands, one a line, without the word `ip`."""
        run("ip", "-n", self.name, "-batch", "-", stdin="\n".join(lines))

    def sysctl(self, values: Mapping[str, int | str]) -> None:
        """Set kernel parameters of this network stack."""
        self.run("sysctl", "-qw", *(f"{key}={value}" for key, value in values.items()))

    def nft(self, rules: str) -> None:
        """Apply a rule set file, all of it or nothing."""
        self.run("nft", "-f", "-", stdin=rules)

    @contextmanager
    def entered(self) -> Iterator[None]:
        """This thread is in here meanwhile; sockets that it makes stay here for good."""
        own = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        there = os.open(self.path, os.O_RDONLY)
        try:
            _set_namespace(there)
            yield
        finally:
            _set_namespace(own)
            os.close(own)
            os.close(there)

    def is_listening(self, address: str, port: int) -> bool:
        """Somebody takes connections there."""
        try:
            with self.entered(), socket.create_connection((address, port), timeout=1):
                return True
        except OSError:
            return False

    def processes(self) -> list[int]:
        """Process ids in here."""
        if not self.path.exists():
            return []
        return [int(line) for line in run("ip", "netns", "pids", self.name).split()]

    def kill_all(self) -> None:
        """`kill -9` whatever runs in here, and what it starts meanwhile."""
        end = time.monotonic() + _KILL_SECONDS
        while pids := [pid for pid in self.processes() if pid != os.getpid()]:
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            if time.monotonic() > end:
                raise LabError(f"processes {pids} in the namespace `{self.name}` do not end.")
            time.sleep(0.01)


@dataclass(frozen=True, slots=True)
class Wire:
    """One end of a cable: an interface in a namespace, with its addresses (`10.0.0.1/24`).

    `bridge` names a bridge in the same namespace that the end is plugged into; it has no address then.
    """

    namespace: Namespace
    interface: str
    addresses: Sequence[str] = ()
    bridge: str = ""

    def lines(self) -> list[str]:
        """`ip` commands that set this end up."""
        settled = [
            f"address add {address} dev {self.interface}{_no_detection(address)}"
            for address in self.addresses
        ]
        plugged = [f"link set {self.interface} master {self.bridge}"] if self.bridge else []
        return [*plugged, *settled, f"link set {self.interface} up"]


def connect(one: Wire, other: Wire) -> None:
    """Lay a cable between two namespaces."""
    run(
        *("ip", "link", "add", one.interface, "netns", one.namespace.name, "type", "veth"),
        *("peer", "name", other.interface, "netns", other.namespace.name),
    )
    for end in (one, other):
        end.namespace.ip(end.lines())


def _set_namespace(descriptor: int) -> None:
    if _LIBC.setns(descriptor, _NETWORK) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def existing(prefix: str) -> list[Namespace]:
    """Namespaces whose names begin with `prefix`."""
    if not _NAMED.is_dir():
        return []
    return [
        Namespace(each.name) for each in sorted(_NAMED.iterdir()) if each.name.startswith(prefix)
    ]


def _no_detection(address: str) -> str:
    # Nobody else has the address; without this an IPv6 one cannot be bound for a second.
    return " nodad" if ":" in address else ""
