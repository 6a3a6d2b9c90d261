"""A real HTTP server on loopback that answers in the API's envelope, as a test has told it to.

It keeps every request, so that a test can say what was sent. What nobody scripted is a 404.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

API = "/client/v4"


@dataclass(frozen=True)
class Received:
    """One request as it arrived; `path` is below `/client/v4` if it was there."""

    method: str
    path: str
    query: dict[str, str]
    headers: Mapping[str, str]
    body: Any


@dataclass(frozen=True)
class Reply:
    """One answer; without a status the connection is closed instead of answering."""

    status: int | None
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


Script = Callable[[Received], Reply]


def success(result: object, **envelope: object) -> Reply:
    """A result in its envelope."""
    whole = {"success": True, "errors": [], "messages": [], "result": result, **envelope}
    return Reply(200, json.dumps(whole).encode())


def failure(status: int, *faults: Mapping[str, object], **headers: str) -> Reply:
    """A failure in its envelope; headers by their names with underscores."""
    whole = {"success": False, "errors": list(faults), "messages": [], "result": None}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status, json.dumps(whole).encode(), named)


def hang_up() -> Reply:
    """The connection ends where an answer should be."""
    return Reply(None)


class ScriptedApi:
    """What to answer, and what was asked."""

    def __init__(self) -> None:
        self.url = ""
        self.received: list[Received] = []
        self._scripts: dict[tuple[str, str], list[Script]] = {}

    def on(self, method: str, path: str, *replies: Reply | Script) -> None:
        """Answer in this order; the last one is repeated."""
        self._scripts[method, path] = [
            reply if callable(reply) else _always(reply) for reply in replies
        ]

    def paged(self, path: str, items: list[Any], per_page: int | None = None) -> None:
        """A collection that obeys `page`, and `name` where the items have one."""

        def page(received: Received) -> Reply:
            wanted = received.query.get("name")
            fitting = [item for item in items if wanted in (None, item.get("name"))]
            size = per_page or int(received.query["per_page"])
            first = (int(received.query["page"]) - 1) * size
            pages = -(-len(fitting) // size)
            return success(fitting[first : first + size], result_info={"total_pages": pages})

        self.on("GET", path, page)

    def sent(self, method: str) -> list[Received]:
        """The requests of one method so far."""
        return [received for received in self.received if received.method == method]

    def answer(self, received: Received) -> Reply:
        """The next scripted reply to a request."""
        self.received.append(received)
        scripts = self._scripts.get((received.method, received.path))
        if scripts is None:
            return failure(404, {"code": 7003, "message": f"No route for {received.path}."})
        script = scripts.pop(0) if len(scripts) > 1 else scripts[0]
        return script(received)


@contextmanager
def scripted_api() -> Iterator[ScriptedApi]:
    """A running server."""
    api = ScriptedApi()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(api))
    server.daemon_threads = True
    api.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield api
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _always(reply: Reply) -> Script:
    return lambda _: reply


def _handler(api: ScriptedApi) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            reply = api.answer(self.read())
            if reply.status is None:
                self.close_connection = True
                return
            self.send_response(reply.status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(reply.body)))
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(reply.body)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any  # noqa: N815

        def read(self) -> Received:
            target = urlsplit(self.path)
            length = int(self.headers.get("Content-Length", "0"))
            raw = self.rfile.read(length)
            return Received(
                self.command,
                target.path.removeprefix(API),
                dict(parse_qsl(target.query)),
                dict(self.headers),
                json.loads(raw) if raw else None,
            )

        def log_message(self, format: str, *args: object) -> None:
            """Nobody reads it."""

    return Handler
