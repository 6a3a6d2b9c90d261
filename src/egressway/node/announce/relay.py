"""Between ExaBGP and the node: a program that ExaBGP starts, standard input and output on its side, a
Unix socket on ours. Runs by itself and imports nothing of ours.

It is also the end of ExaBGP when the node is gone: routers are not to bring packets to a server whose
data plane has died with its node.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import shutil
import signal
import socket
import sys
import time
from pathlib import Path

_CHUNK = 65_536
_PATIENCE_SECONDS = 1.0


def main() -> None:
    exabgp = os.getppid()
    node = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with selectors.DefaultSelector() as ready, contextlib.suppress(OSError):
        node.connect(sys.argv[1])
        ready.register(node, selectors.EVENT_READ)
        ready.register(sys.stdin.fileno(), selectors.EVENT_READ)
        while _pass_on(ready, node):
            pass
    _end(exabgp)


def _pass_on(ready: selectors.BaseSelector, node: socket.socket) -> bool:
    """Whatever has come; False at the end of either side."""
    for key, _ in ready.select():
        if key.fileobj is node:
            if not (data := node.recv(_CHUNK)):
                _take_away(Path(sys.argv[1]).parent)
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(sys.stdout.fileno(), rest) :]
        else:
            data = os.read(sys.stdin.fileno(), _CHUNK)
            node.sendall(data)
        if not data:
            return False
    return True


def _take_away(directory: Path) -> None:
    """What the node has written for this run, passwords among it; after a `kill -9` nobody else does."""
    shutil.rmtree(directory, ignore_errors=True)


def _end(exabgp: int) -> None:
    """Politely: it closes its sessions with a notification. Otherwise the kernel closes them."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        if os.getppid() != exabgp:
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(exabgp, number)
        until = time.monotonic() + _PATIENCE_SECONDS
        while os.getppid() == exabgp and time.monotonic() < until:
            time.sleep(0.02)


if __name__ == "__main__":
    main()
