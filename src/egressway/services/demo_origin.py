"""The origin of the demo: tells each request how it arrived. Listens on loopback only.

Never part of the product's path; it shows with one `curl` which address an origin sees.
"""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

import msgspec

__all__ = ["DemoOrigin"]

LOOPBACK: Final = "127.0.0.1"
IDLE_SECONDS: Final = 60.0


class DemoOrigin:
    """Serves from its construction until `stop`."""

    def __init__(self, port: int = 0) -> None:
        self._server = _Server((LOOPBACK, port), _Echo)
        self._thread = threading.Thread(
            target=self._server.serve_forever, name="demo-origin", daemon=True
        )
        self._thread.start()

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._server.server_port

    def stop(self) -> None:
        """Accept nothing more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    """Open connections end with the process, not before `stop` returns."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 1_024


class _Echo(BaseHTTPRequestHandler):
    """Any method, any path."""

    protocol_version = "HTTP/1.1"
    timeout = IDLE_SECONDS

    def _answer(self) -> None:
        self._read_body()
        seen_ip, seen_port = self.client_address[:2]
        told = {
            "seen_ip": seen_ip,
            "seen_port": seen_port,
            "host": self.headers.get("Host"),
            "path": self.path,
            "headers": {name.lower(): value for name, value in self.headers.items()},
        }
        body = msgspec.json.format(msgspec.json.encode(told)) + b"\n"
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _read_body(self) -> None:
        """Take the whole body, so that the connection can carry the next request."""
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            return
        while size := int(self.rfile.readline().split(b";")[0], 16):
            self.rfile.read(size + 2)
        while self.rfile.readline().strip():
            """Trailers."""

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _answer  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:
        """The access log of the data plane has every request already."""
