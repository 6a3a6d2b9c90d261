"""Where a zone's words and key are: on the wires, in the memory and on the disks of servers.

Looked for are the text that every request of a scenario has in its path, in packets captured at each
server, and the private key's own number, as a key is kept whatever its file format, in the node's
directory and in the memory of its process.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from egressway.lab.nodes import Node
from egressway.lab.run_directory import RunDirectory
from egressway.lab.scenario.capture import EVERYTHING, Capture

__all__ = ["SecretsWatch", "key_number"]

_ASKED: Final = (b"GET /echo/", b"GET /stream/", b"GET /hold/")
"""How the lab's requests begin, in plain HTTP/1.1 as clients and origins speak it."""


class SecretsWatch:
    """Captures at every server, from its construction until it is asked."""

    def __init__(self, nodes: dict[str, Node], directory: RunDirectory) -> None:
        self._nodes = nodes
        self._captures = {
            name: Capture(node.server.host, directory, EVERYTHING) for name, node in nodes.items()
        }

    def found(self, keys: list[bytes]) -> Iterator[tuple[str, bool, bool]]:
        """For each server: whether requests went over its wires in plain, whether it has a key."""
        packets = {name: capture.end().read_bytes() for name, capture in self._captures.items()}
        for name, node in self._nodes.items():
            is_plain = any(text in packets[name] for text in _ASKED)
            yield name, is_plain, any(_has(node, key) for key in keys)


def key_number(pem: str) -> bytes:
    """The secret number of an elliptic-curve key."""
    key = load_pem_private_key(pem.encode(), password=None)
    assert isinstance(key, EllipticCurvePrivateKey)
    return key.private_numbers().private_value.to_bytes((key.key_size + 7) // 8)


def _has(node: Node, secret: bytes) -> bool:
    on_disk = (path.read_bytes() for path in node.data.rglob("*") if path.is_file())
    if any(secret in content for content in on_disk):
        return True
    pid = node.process.pid
    return pid is not None and any(secret in content for content in _memory(pid))


def _memory(pid: int) -> Iterator[bytes]:
    """Everything that a process can write to; it goes on running meanwhile."""
    maps = Path(f"/proc/{pid}/maps").read_text(encoding="ascii", errors="replace").splitlines()
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for line in maps:
            span, rights = line.split()[:2]
            if not rights.startswith("rw"):
                continue
            start, end = (int(part, 16) for part in span.split("-"))
            # A part may have gone since its line was read.
            with suppress(OSError, ValueError, OverflowError):
                memory.seek(start)
                yield memory.read(end - start)
