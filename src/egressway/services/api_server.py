"""The HTTP API, the enrolment listener, a node's own status: each an application on a thread of its
own.

The socket is bound before anything else starts, so that a taken port is one clear line. No signal
handler is installed: only the main thread decides when to stop.
"""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable
from typing import Any, Final

import uvicorn

from egressway.model.address import IPAddress
from egressway.services.start_error import StartError

__all__ = ["ApiServer", "listen"]

BACKLOG: Final = 1_024
POLL_SECONDS: Final = 0.005
STOP_SECONDS: Final = 5


def listen(
    address: IPAddress,
    port: int,
    *,
    what: str = "the API",
    setting: str = "api.port",
    is_shared: bool = False,
) -> socket.socket:
    """Bind and listen, or raise `StartError` that names the setting.

    With `is_shared` a second process of this user may listen there too, to take over.
    """
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
    # The event loop switches Nagle's algorithm off only for sockets that say that they are TCP;
    # with it an answer of two writes takes 40 ms longer.
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if is_shared:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        bound.bind((str(address), port))
        bound.listen(BACKLOG)
    except OSError as failure:
        bound.close()
        raise StartError(
            f"{what} cannot listen on {address} port {port}: {failure.strerror}. "
            f"End what uses it, or set `{setting}` to another."
        ) from failure
    return bound


class ApiServer:
    """Serves an application between `start` and `stop`."""

    def __init__(
        self,
        app: Callable[..., Any],
        bound: socket.socket,
        *,
        name: str = "api",
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._bound = bound
        self._server = uvicorn.Server(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                server_header=False,
                # Whoever connects is the client: a header that names another would let any caller
                # on this machine choose the address that tokens and quotas are held to.
                proxy_headers=False,
                timeout_graceful_shutdown=STOP_SECONDS,
                ssl_context_factory=None if tls is None else lambda _config, _default: tls,
            )
        )
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    @property
    def port(self) -> int:
        """The port it really has."""
        port: int = self._bound.getsockname()[1]
        return port

    def start(self) -> None:
        """Serve from now on; connections made since `listen` are answered too."""
        self._thread.start()
        while not self._server.started:
            if not self._thread.is_alive():
                raise StartError(
                    f"the {self._thread.name} listener could not be started: the log lines above "
                    "say why"
                )
            time.sleep(POLL_SECONDS)

    def stop(self) -> None:
        """Let open requests end, within a few seconds; harmless when it never started."""
        self._server.should_exit = True
        if self._thread.ident is not None:
            self._thread.join()
        self._bound.close()

    def _run(self) -> None:
        self._server.run(sockets=[self._bound])
