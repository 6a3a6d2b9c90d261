"""Run the benchmark in namespaces of its own, so that nothing outside is touched or left behind.

The runner starts itself again under `unshare`: a network namespace (free ports, its own sysctls, no
firewall hooks), a process namespace (the kernel kills every process in it when the runner ends,
however it ends) and a mount namespace (names of the benchmark's zones resolve to loopback).
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

INSIDE = "EGRESSWAY_BENCH_NAMESPACE"
PORT_RANGE = (1024, 65535)
"""Ports the kernel may choose by itself: load generator and comparators must not run short."""

_CLONE_NEWNET = 0x40000000


class IsolationError(Exception):
    """The namespaces cannot be made; the message says what is missing."""


def enter(module: str, arguments: list[str]) -> int | None:
    """Start `python -m module arguments` inside fresh namespaces and wait for it.

    Returns its exit status, or `None` when this process is already inside.

    Raises:
        IsolationError: `unshare` is missing or the kernel forbids namespaces to this user.
    """
    if os.environ.get(INSIDE) == "1":
        return None
    command = ["unshare", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]
    if os.geteuid() != 0:
        command += ["--user", "--map-root-user"]
    _probe(command)
    inner = [sys.executable, "-m", module, *arguments]
    # Should this process be killed outright, `unshare` follows it and takes the namespace along.
    bound = ["setpriv", "--pdeathsig", "KILL", *command, *inner]
    with subprocess.Popen(bound, env={**os.environ, INSIDE: "1"}) as child:
        return _wait(child)


def _wait(child: subprocess.Popen[bytes]) -> int:
    """Wait for `unshare`; tell the runner inside when we are told to end."""

    def tell_runner(*_: object) -> None:
        children = Path(f"/proc/{child.pid}/task/{child.pid}/children")
        for pid in children.read_text().split():
            os.kill(int(pid), signal.SIGTERM)

    signal.signal(signal.SIGTERM, tell_runner)
    while True:
        try:
            return child.wait()
        except KeyboardInterrupt:
            continue  # the terminal told the runner as well; it ends, and so do we


def _probe(command: list[str]) -> None:
    try:
        outcome = subprocess.run([*command, "true"], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise IsolationError("`unshare` is missing: install the package util-linux") from None
    if outcome.returncode != 0:
        raise IsolationError(
            f"namespaces are not allowed here ({outcome.stderr.strip()}): "
            "run as root, or allow unprivileged user namespaces"
        )


def prepare(names: list[str], work: Path) -> None:
    """Inside: bring loopback up, widen the kernel's port range, map `names` to 127.0.0.1."""
    _prepare_network()
    hosts = work / "hosts"
    hosts.write_text("127.0.0.1 localhost\n" + "".join(f"127.0.0.1 {name}\n" for name in names))
    subprocess.run(["mount", "--bind", str(hosts), "/etc/hosts"], check=True)


def renew_network() -> None:
    """Inside: leave this network namespace for a fresh one, as `prepare` made the first.

    What has run so far leaves sockets in TIME_WAIT, and the kernel does not choose a port that
    anybody bound explicitly, whatever the address, until the last of them is gone.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "no fresh network namespace")
    _prepare_network()


def _prepare_network() -> None:
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    set_port_range(*PORT_RANGE)
    _write_sysctl("net/core/somaxconn", "65535")
    _write_sysctl("net/ipv4/tcp_max_syn_backlog", "65535")


def set_port_range(first: int, last: int) -> None:
    """Set the ports that the kernel chooses from in this network namespace (inclusive)."""
    _write_sysctl("net/ipv4/ip_local_port_range", f"{first} {last}")


def _write_sysctl(name: str, value: str) -> None:
    Path("/proc/sys", name).write_text(value)


def raise_descriptor_limit(wanted: int) -> int:
    """Raise the limit of open descriptors as far as allowed, up to `wanted`; returns what it is."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for limit in (max(wanted, hard), hard):
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, limit), limit))
        except (ValueError, PermissionError):
            continue
        break
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return soft
