"""Small networks for a test: namespaces of its own, cables between them, processes inside.

Everything a `Network` makes bears its name and goes with it, whatever happened in between; the host's
own network is not touched. What a namespace and a cable are, the lab defines.
"""

from __future__ import annotations

import ctypes
import itertools
import json
import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self, TypeVar

from egressway.lab.namespaces import Namespace, Wire, connect, run
from tests.support.waiting import eventually

T = TypeVar("T")
_NEW_NETWORK = 0x4000_0000
_numbers = itertools.count()


class Network:
    """Namespaces by short names; a context manager that leaves nothing behind."""

    def __init__(self) -> None:
        self._prefix = f"egt{os.getpid()}n{next(_numbers)}-"
        self._namespaces: dict[str, Namespace] = {}
        self._processes: list[subprocess.Popen[bytes]] = []
        self.cleanup = ExitStack()
        """For what must end before the namespaces go."""

    def namespace(self, name: str, sysctl: Mapping[str, int | str] | None = None) -> Namespace:
        """The namespace of this short name, made when there is none yet."""
        if name not in self._namespaces:
            made = Namespace(self._prefix + name)
            self._namespaces[name] = made
            made.create()
            # A host that works: nothing in its own settings helps or hinders what is tested.
            made.sysctl({"net.ipv4.conf.all.rp_filter": 0, "net.ipv4.conf.default.rp_filter": 0})
        if sysctl:
            self._namespaces[name].sysctl(sysctl)
        return self._namespaces[name]

    def __getitem__(self, name: str) -> Namespace:
        return self._namespaces[name]

    def cable(self, one: str, other: str, *, mtu: int = 1500) -> None:
        """A cable, written `namespace 10.0.0.1/24 2001:db8::1/64` at either end.

        The interface at each end is named like the other end's namespace.
        """
        (left, *left_addresses), (right, *right_addresses) = one.split(), other.split()
        ends = (
            Wire(self.namespace(left), right, left_addresses),
            Wire(self.namespace(right), left, right_addresses),
        )
        connect(*ends)
        for end in ends:
            end.namespace.ip([f"link set {end.interface} mtu {mtu}"])

    def switch(self, name: str, *ends: str, mtu: int = 1500) -> None:
        """A switch in a namespace of its own, with a cable to each `namespace 10.0.0.1/24`.

        The interface in each namespace is named like the switch.
        """
        switch = self.namespace(name)
        switch.ip([f"link add hub mtu {mtu} type bridge", "link set hub up"])
        for end in ends:
            host, *addresses = end.split()
            connect(
                Wire(switch, host, bridge="hub"),
                Wire(self.namespace(host), name, addresses),
            )
            switch.ip([f"link set {host} mtu {mtu}"])
            self[host].ip([f"link set {name} mtu {mtu}"])

    def spawn(
        self, name: str, *command: str, environment: Mapping[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        """A process inside; it ends with the network at the latest."""
        process = subprocess.Popen(
            self[name].entering(*command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **(environment or {})},
        )
        self._processes.append(process)
        return process

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self.cleanup.close()
        finally:
            for process in self._processes:
                if process.poll() is None:
                    process.send_signal(signal.SIGKILL)
                process.wait()
            for namespace in self._namespaces.values():
                namespace.remove()


def inside(namespace: Namespace, do: Callable[[], T]) -> T:
    """Do it in a thread that lives in the namespace; threads and processes it starts live there too."""
    with ThreadPoolExecutor(1, initializer=_enter, initargs=(namespace,)) as thread:
        return thread.submit(do).result()


def _enter(namespace: Namespace) -> None:
    with namespace.path.open("rb") as file:
        failed = ctypes.CDLL(None, use_errno=True).setns(file.fileno(), _NEW_NETWORK)
    assert failed == 0, os.strerror(ctypes.get_errno())


def routes(namespace: Namespace, *selection: str, version: int = 4) -> list[dict[str, Any]]:
    """Routes as `ip -json route show` tells them."""
    told = run("ip", "-n", namespace.name, f"-{version}", "-json", "route", "show", *selection)
    return list(json.loads(told or "[]"))


def dump(namespace: Namespace) -> dict[str, Sequence[str]]:
    """Everything of a network stack that somebody could have changed, to compare before with after."""
    return {
        "rules": _lines(namespace, "ip", "-d", "rule"),
        "rules6": _lines(namespace, "ip", "-6", "-d", "rule"),
        "routes": _lines(namespace, "ip", "route", "show", "table", "all"),
        "routes6": _lines(namespace, "ip", "-6", "route", "show", "table", "all"),
        "links": _lines(namespace, "ip", "-o", "link"),
        "addresses": _lines(namespace, "ip", "-o", "address"),
        "neighbours": _permanent(_lines(namespace, "ip", "neighbour")),
        "nftables": _lines(namespace, "nft", "list", "ruleset"),
        "sysctl": _settings(namespace),
    }


def _lines(namespace: Namespace, *command: str) -> list[str]:
    return namespace.run(*command).splitlines()


def _permanent(neighbours: list[str]) -> list[str]:
    """Learned ones come and go by themselves."""
    return [line for line in neighbours if "PERMANENT" in line]


def _settings(namespace: Namespace) -> list[str]:
    told = namespace.run("sysctl", "-e", "-a", "-r", r"^net\.ipv[46]\.(conf|ip_)")
    # Random at every start of an interface, and no setting.
    return sorted(line for line in told.splitlines() if "stable_secret" not in line)


def settled(namespace: Namespace) -> dict[str, Sequence[str]]:
    """As `dump`, once two in a row are the same: interfaces take a moment to come up."""

    def twice() -> dict[str, Sequence[str]] | None:
        first = dump(namespace)
        is_up = not any(" tentative " in line for line in first["addresses"])
        return first if is_up and first == dump(namespace) else None

    return eventually(twice, why="the namespace settles") or {}
