"""Sockets of one host, opened and used line by line: from which address and port is said each time.

`echo` answers whoever calls, over TCP and UDP, with what was sent; a datagram that begins with a
number and `!` is answered with so many bytes.
"""

from __future__ import annotations

import socket
import socketserver
import threading
from typing import Any

from tests.support.processes import answer_lines

IPV6_FREEBIND = 78


class _Tcp(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        while data := self.request.recv(65_536):
            self.request.sendall(data)


class _Udp(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        data, sock = self.request
        size, mark, _ = data.partition(b"!")
        sock.sendto(b"x" * int(size) if mark else data, self.client_address)


class _TcpServer(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


class _TcpServer6(_TcpServer):
    address_family = socket.AF_INET6


def echo(ip: str, port: int) -> str:
    servers: list[socketserver.BaseServer]
    if ":" in ip:
        servers = [_TcpServer6((ip, port), _Tcp)]
    else:
        servers = [_TcpServer((ip, port), _Tcp), socketserver.ThreadingUDPServer((ip, port), _Udp)]
    for server in servers:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    return "done"


class Sockets:
    """By name."""

    def __init__(self) -> None:
        self._open: dict[str, socket.socket] = {}

    def connect(
        self, name: str, source: list[Any], target: list[Any], udp: bool = False, within: float = 5
    ) -> str:
        """`done`, or the name of the error."""
        family = socket.AF_INET6 if ":" in source[0] else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_DGRAM if udp else socket.SOCK_STREAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, IPV6_FREEBIND, 1)
        sock.settimeout(within)
        try:
            sock.bind(tuple(source))
            sock.connect(tuple(target))
        except OSError as failure:
            sock.close()
            return type(failure).__name__
        self._open[name] = sock
        return "done"

    def exchange(self, name: str, size: int, within: float = 10) -> str:
        """Send so many bytes and read them back."""
        sock = self._open[name]
        sock.settimeout(within)
        try:
            sender = threading.Thread(target=sock.sendall, args=(b"x" * size,), daemon=True)
            sender.start()
            left = size
            while left > 0:
                if not (data := sock.recv(65_536)):
                    return "closed"
                left -= len(data)
        except OSError as failure:
            return type(failure).__name__
        return "done"

    def ask(self, name: str, text: str, within: float = 3) -> str:
        """One datagram there and one back; its length."""
        sock = self._open[name]
        sock.settimeout(within)
        try:
            sock.send(text.encode())
            return str(len(sock.recv(65_536)))
        except OSError as failure:
            return type(failure).__name__

    def cast(self, target: list[Any]) -> str:
        """One datagram from wherever; nobody waits for an answer."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.sendto(b"x", tuple(target))
        return "done"

    def close(self, name: str) -> str:
        self._open.pop(name).close()
        return "done"


def main() -> None:
    sockets = Sockets()

    def answer(command: str, details: dict[str, Any]) -> Any:
        if command == "echo":
            return echo(**details)
        return getattr(sockets, command)(**details)

    answer_lines(answer)


if __name__ == "__main__":
    main()
