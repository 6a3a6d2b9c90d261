"""What the runner needs to know of a proxy under measurement, whichever it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.cases import Case, Protocol

THREADS = 2
"""Worker threads or processes of every proxy."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a target is set up: scratch directory, the table's hostnames, a certificate."""

    work: Path
    names: tuple[str, ...]
    certificate: Path
    """PEM, certificate chain and then the key."""


@dataclass(frozen=True, slots=True)
class Ports:
    """Listening ports on 127.0.0.1."""

    plain: int
    h2c: int
    tls: int

    @classmethod
    def starting_at(cls, first: int) -> Ports:
        return cls(first, first + 1, first + 2)

    def of(self, protocol: Protocol) -> int:
        match protocol:
            case Protocol.HTTP1:
                return self.plain
            case Protocol.H2C:
                return self.h2c
            case Protocol.HTTP1_TLS:
                return self.tls


@dataclass(frozen=True, slots=True)
class Target:
    """One proxy in one configuration.

    `source` is the only address it may use towards the origin (`None`: not a proxy at all).
    `configure` writes the configuration and returns the command that runs it in the foreground.
    `chained`: two proxies, the first forwarding to the second over mutual TLS; only cases that
    forward are asked of them.
    """

    name: str
    title: str
    source: str | None
    ports: Ports
    logs: bool
    protocols: frozenset[Protocol]
    configure: Callable[[Target, Place], list[str]]
    log_files: tuple[str, ...] = ()
    """Access logs below the scratch directory, emptied between rounds."""
    chained: bool = False
    single: str | None = None
    """Of a chain: the same proxy alone, which its cost is compared with."""
    in_chains: bool = False
    """Of a single proxy: there is a chain of it."""
    inner_ports: tuple[int, ...] = ()
    """Of a chain: where the second proxy listens."""

    def takes(self, case: Case) -> bool:
        if case.forwards:
            return self.chained or self.in_chains
        return not self.chained and case.protocol in self.protocols


EVERY_PROTOCOL = frozenset(Protocol)
