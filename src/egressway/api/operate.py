"""What a supervisor and a monitoring system ask: `/healthz`, `/readyz`, `/metrics`, node status.

Beside CONFIG 1 of 5: these answers, except the status, lie outside `/client/v4` and its envelope.
They come from a `HealthSource` that `services` provides, because the API knows no node.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final, Protocol

from litestar import MediaType, Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.datastructures import ResponseSpec
from msgspec import Meta, Struct, field
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from egressway.api.access import OPERATOR, PROBE
from egressway.api.envelope import Answer, answer
from egressway.api.parameters import Given

__all__ = [
    "HANDLERS",
    "PLAIN_HANDLERS",
    "HealthSource",
    "NodeListener",
    "NodeStatus",
    "NotReady",
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


@get("/healthz", operation_id="health", opt=PROBE, sync_to_thread=False, tags=["operate"])
def read_health() -> Alive:
    """Says that the process is alive."""
    return Alive()


@get(
    "/readyz",
    operation_id="readiness",
    opt=PROBE,
    sync_to_thread=True,
    tags=["operate"],
    responses={503: ResponseSpec(Readiness, description="Not ready, and why")},
)
def read_readiness(health: Given[HealthSource]) -> Response[Readiness]:
    """Says whether to send traffic here, and if not, every reason."""
    reasons = list(health.not_ready())
    status = 503 if reasons else 200
    return Response(Readiness(is_ready=not reasons, reasons=reasons), status_code=status)


@get(
    "/metrics",
    operation_id="metrics",
    opt=PROBE,
    sync_to_thread=True,
    tags=["operate"],
    media_type=MediaType.TEXT,
)
def read_metrics(registry: Given[CollectorRegistry]) -> Response[bytes]:
    """The process's metrics in the Prometheus text format."""
    return Response(generate_latest(registry), headers={"content-type": CONTENT_TYPE_LATEST})


@get(
    "/egressway/status",
    operation_id="egressway.status",
    opt=OPERATOR,
    sync_to_thread=True,
    tags=["operate"],
)
def read_status(health: Given[HealthSource]) -> Answer[SystemStatus]:
    """Readiness and the data plane's status."""
    reasons = list(health.not_ready())
    return answer(SystemStatus(is_ready=not reasons, reasons=reasons, node=health.node_status()))


HANDLERS: Final[list[HTTPRouteHandler]] = [read_status]
"""Below `/client/v4`."""

PLAIN_HANDLERS: Final[list[HTTPRouteHandler]] = [read_health, read_readiness, read_metrics]
"""At the root, without envelope."""
