"""Origins over real sockets that follow a script, one thread per connection, and remember what arrived."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Self

from tests.support.addresses import endpoint, family_of
from tests.support.http_message import Cut, Reader, Request, response_bytes

_BACKLOG = 4_096


class Connection:
    """One accepted connection."""

    def __init__(self, origin: Origin, number: int, tcp: socket.socket) -> None:
        self.origin = origin
        self.number = number
        self.socket = tcp
        self.reader = Reader(tcp)
        self.peer_ip, self.peer_port = tcp.getpeername()[:2]
        self.closed = threading.Event()
        """Set when the script is through and the socket closed."""

    def read_request(self) -> Request | None:
        """The next request, remembered by the origin; `None` when the peer has closed."""
        return self._remember(self.reader.read_request())

    def read_request_head(self) -> Request | None:
        """The same for a head alone; its body can be read from `reader`."""
        return self._remember(self.reader.read_request_head())

    def _remember(self, request: Request | None) -> Request | None:
        if request is not None:
            request.connection = self.number
            request.peer_ip, request.peer_port = self.peer_ip, self.peer_port
            self.origin.requests.append(request)
        return request

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def wait_closed_by_peer(self) -> None:
        """Read until the peer's end."""
        with suppress(ConnectionError):
            self.reader.read_to_end()

    def reset(self) -> None:
        """Close with RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


Script = Callable[[Connection], None]


class Origin:
    """Listens for as long as its block lasts; each connection is served by `script` in a thread.

    What a script raises, other than losing its peer, is raised again at the end of the block.
    """

    def __init__(
        self,
        script: Script,
        *,
        ip: str = "127.0.0.1",
        port: int = 0,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._script = script
        self._tls = tls
        self.connections: list[Connection] = []
        self.requests: list[Request] = []
        self.tls_failures: list[str] = []
        self._errors: list[BaseException] = []
        self._lock = threading.Lock()
        self._listener = socket.socket(family_of(ip))
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind((ip, port))
        self._listener.listen(_BACKLOG)
        self.ip = ip
        self.port: int = self._listener.getsockname()[1]
        self._accepting = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self) -> Self:
        self._accepting.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
        if error is None and self._errors:
            raise self._errors[0]

    def stop(self) -> None:
        """Stop listening and cut all connections; later ones are refused."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            connections = list(self.connections)
        for connection in connections:
            with suppress(OSError):
                connection.socket.shutdown(socket.SHUT_RDWR)

    @property
    def endpoint(self) -> str:
        """As counters and logs name it."""
        return endpoint(self.ip, self.port)

    @property
    def targets(self) -> list[str]:
        """Targets of all requests so far, in order of arrival."""
        return [request.target for request in self.requests]

    @property
    def peers(self) -> list[str]:
        """Source addresses of all connections so far."""
        return [connection.peer_ip for connection in self.connections]

    def _accept(self) -> None:
        while True:
            try:
                tcp, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(tcp,), daemon=True).start()

    def _serve(self, tcp: socket.socket) -> None:
        try:
            tcp.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            stream = tcp if self._tls is None else self._tls.wrap_socket(tcp, server_side=True)
        except OSError as error:
            self.tls_failures.append(str(error))
            tcp.close()
            return
        connection = self._register(stream)
        if connection is not None:
            self._run(connection)

    def _register(self, tcp: socket.socket) -> Connection | None:
        with self._lock:
            try:
                connection = Connection(self, len(self.connections), tcp)
            except OSError:
                tcp.close()
                return None
            self.connections.append(connection)
            return connection

    def _run(self, connection: Connection) -> None:
        try:
            self._script(connection)
        except (OSError, Cut):
            pass
        except BaseException as error:
            self._errors.append(error)
        finally:
            connection.socket.close()
            connection.closed.set()


Answer = bytes | Callable[[Request], bytes]

HELLO = response_bytes(200, b"hello")


def answering(answer: Answer = HELLO) -> Script:
    """Answer every request of every connection, which is kept open."""

    def script(connection: Connection) -> None:
        while (request := connection.read_request()) is not None:
            connection.send(answer if isinstance(answer, bytes) else answer(request))

    return script


def after_request(*pieces: bytes, reset: bool = False) -> Script:
    """Read one request, send the pieces, then end the connection."""

    def script(connection: Connection) -> None:
        if connection.read_request() is None:
            return
        for piece in pieces:
            connection.send(piece)
        if reset:
            connection.reset()

    return script


class Gate:
    """Holds the answers of an origin back until it is opened; tells how many wait."""

    def __init__(self, answer: bytes = response_bytes(200, b"held")) -> None:
        self._answer = answer
        self._open = threading.Event()
        self._arrived = 0
        self._lock = threading.Lock()

    @property
    def waiting(self) -> int:
        return self._arrived

    def open(self) -> None:
        self._open.set()

    def __call__(self, request: Request) -> bytes:
        with self._lock:
            self._arrived += 1
        self._open.wait()
        return self._answer
