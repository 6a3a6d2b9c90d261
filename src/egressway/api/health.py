"""What is told of a machine's health (beside CONFIG 1 of 5): the shapes, and where they come from.

Apart from their handlers, because a fleet's server tells the same and has no store.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Protocol

from msgspec import Meta, Struct, field

__all__ = [
    "Alive",
    "HealthSource",
    "NodeListener",
    "NodeStatus",
    "NotReady",
    "Readiness",
    "SystemStatus",
    "UnbindableAddress",
]


class NotReady(Struct, frozen=True):
    """One reason why this machine should get no traffic."""

    code: Annotated[str, Meta(description="For programs, e.g. `egress_address_unbindable`")]
    message: Annotated[
        str, Meta(description="E.g. `egress address 192.0.2.7 cannot be bound: ...`")
    ]
    subject: Annotated[str | None, Meta(description="What it is about, e.g. the address")] = None


class NodeListener(Struct, frozen=True):
    """Where the data plane takes requests."""

    address: str
    port: int
    tls: bool


class UnbindableAddress(Struct, frozen=True):
    """An egress address that this machine cannot use, and why."""

    ip: str
    reason: str


class NodeStatus(Struct, frozen=True):
    """The data plane's status, field by field; `services` converts the handle's answer to it."""

    revision: int
    zones: int
    hosts: int
    workers: int
    connections: int
    origin_connections: int
    waiting: int
    panics: int
    foreign_egress: int
    log_dropped: int
    is_draining: bool
    memory_table_bytes: int = 0
    listeners: list[NodeListener] = field(default_factory=list)
    unbindable: list[UnbindableAddress] = field(default_factory=list)


class HealthSource(Protocol):
    """What the API must know of the machine's health; asked per request, must answer at once."""

    def not_ready(self) -> Sequence[NotReady]:
        """Every reason against sending traffic here; empty means ready."""

    def node_status(self) -> NodeStatus | None:
        """The data plane's status; None before it has started."""


class Alive(Struct, frozen=True):
    """The process answers."""

    is_alive: bool = True


class Readiness(Struct, frozen=True):
    """Whether to send traffic here; 503 when not."""

    is_ready: bool
    reasons: list[NotReady]


class SystemStatus(Struct, frozen=True):
    """Readiness and the data plane's own numbers, for operators."""

    is_ready: bool
    reasons: list[NotReady]
    node: NodeStatus | None
