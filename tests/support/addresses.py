"""Addresses and ports that no other test on this host uses at the same time."""

from __future__ import annotations

import itertools
import os
import socket

_FIRST_PORT = 10_000
_PORTS = 20_000
"""Below the kernel's ephemeral range, so that no outgoing connection takes one in between."""

_counter = itertools.count(os.getpid() * 251 % _PORTS)
_hosts = itertools.count(os.getpid() * 97 % 60_000)


def egress_ip() -> str:
    """A loopback address that no socket has used yet; the host routes all of 127.0.0.0/8 to itself."""
    number = next(_hosts) % 60_000
    return f"127.{50 + number // 20_000}.{number // 200 % 100}.{1 + number % 200}"


def listening_port(ip: str = "127.0.0.1") -> int:
    """A port of `ip` on which nobody listens."""
    for number in _counter:
        port = _FIRST_PORT + number % _PORTS
        with socket.socket(family_of(ip)) as probe:
            try:
                probe.bind((ip, port))
            except OSError:
                continue
            return port
    raise AssertionError("unreachable")


def family_of(ip: str) -> socket.AddressFamily:
    """IPv6 for what is written with colons."""
    return socket.AF_INET6 if ":" in ip else socket.AF_INET


def endpoint(ip: str, port: int) -> str:
    """`ip:port`, or `[ip]:port` for IPv6, as counters and logs write it."""
    return f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"
