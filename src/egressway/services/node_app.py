"""A node's own small listener: is it alive, is it ready, what does it count (beside CONFIG 4).

It has no store and no tokens, so it tells only what a monitoring system may know; the address it
listens on decides who asks. Four answers need no framework, and a node starts sooner without one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final, TypeAlias

import anyio.to_thread
import msgspec
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from egressway.api.health import Alive, HealthSource, Readiness, SystemStatus

__all__ = ["node_app"]

Message: TypeAlias = MutableMapping[str, Any]
"""As ASGI passes them."""

Answer = tuple[int, str, bytes]
"""Status, content type, content."""

_JSON: Final = "application/json"
_NOT_FOUND: Final[Answer] = (
    404,
    "text/plain",
    b"not found; ask for /healthz, /readyz, /metrics or /status\n",
)


def node_app(health: HealthSource, registry: CollectorRegistry) -> Callable[..., Awaitable[None]]:
    """The application of one server."""
    answers: dict[str, Callable[[], Answer]] = {
        "/healthz": lambda: _json(200, Alive()),
        "/readyz": lambda: _readiness(health),
        "/metrics": lambda: (200, CONTENT_TYPE_LATEST, generate_latest(registry)),
        "/status": lambda: _json(200, _status(health)),
    }

    async def app(
        scope: Message, _receive: object, send: Callable[[Message], Awaitable[None]]
    ) -> None:
        if scope["type"] != "http":
            return
        answer = answers.get(scope["path"], lambda: _NOT_FOUND)
        # What is told is computed under locks that other threads hold, so not on the loop's thread.
        status, content_type, content = await anyio.to_thread.run_sync(answer)
        headers = [
            (b"content-type", content_type.encode("ascii")),
            (b"content-length", str(len(content)).encode("ascii")),
        ]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    return app


def _readiness(health: HealthSource) -> Answer:
    reasons = list(health.not_ready())
    return _json(503 if reasons else 200, Readiness(is_ready=not reasons, reasons=reasons))


def _status(health: HealthSource) -> SystemStatus:
    reasons = list(health.not_ready())
    return SystemStatus(is_ready=not reasons, reasons=reasons, node=health.node_status())


def _json(status: int, value: msgspec.Struct) -> Answer:
    return status, _JSON, msgspec.json.encode(value)
