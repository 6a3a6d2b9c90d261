"""Access logs of all nodes, read as they grow and found again by the path of the request."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import msgspec

from egressway.lab.nodes import Node

__all__ = ["AccessLogs", "LogLine"]


class LogLine(msgspec.Struct, frozen=True):
    """What the lab looks at in a line."""

    path: str = ""
    """Empty in lines about connections that were passed on unread."""
    status: int = 0
    error: str | None = None
    rung: str | None = None
    ingress_server: str | None = None
    egress_server: str | None = None
    egress_ip: str | None = None
    egress_port: int | None = None


class AccessLogs:
    """Only what was written after its construction."""

    def __init__(self, nodes: Iterable[Node]) -> None:
        self._ends = {node: _size(node.access_log) for node in nodes}
        self._lines: dict[str, LogLine] = {}
        self._decoder = msgspec.json.Decoder(LogLine)

    def of(self, path: str) -> LogLine | None:
        """The line of a request, once it has been written and `read`."""
        return self._lines.get(path)

    def lines(self) -> Iterable[LogLine]:
        """All that were read."""
        return self._lines.values()

    def read(self) -> None:
        """Take in what has been written since."""
        for node, end in self._ends.items():
            self._ends[node] = end + self._take(node, end)

    def _take(self, node: Node, start: int) -> int:
        file = node.access_log
        if not file.exists():
            return 0
        with file.open("rb") as log:
            log.seek(start)
            data = log.read()
        # The last line may be in the making.
        whole = data[: data.rfind(b"\n") + 1]
        for text in whole.splitlines():
            line = self._decoder.decode(text)
            if not line.path:
                continue
            # The server in the middle may write a line too; the one that met the client counts.
            if line.path not in self._lines or line.ingress_server == node.name:
                self._lines[line.path] = line
        return len(whole)


def _size(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0
