"""What a supervisor and a monitoring system ask: `/healthz`, `/readyz`, `/metrics`, node status.

Beside CONFIG 1 of 5: these answers, except the status, lie outside `/client/v4` and its envelope.
They come from a `HealthSource` that `services` provides, because the API knows no node.
"""

from __future__ import annotations

from typing import Final

from litestar import MediaType, Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.datastructures import ResponseSpec
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from egressway.api.access import OPERATOR, PROBE
from egressway.api.envelope import Answer, answer
from egressway.api.health import (
    Alive,
    HealthSource,
    NodeListener,
    NodeStatus,
    NotReady,
    Readiness,
    SystemStatus,
    UnbindableAddress,
)
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
