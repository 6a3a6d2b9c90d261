"""The data plane in a process of its own: `python -m tests.e2e.plane_process SNAPSHOT WORKERS`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import msgspec

from egressway.data_plane._native import DataPlane
from tests.support.processes import answer_lines, say


def main(snapshot: str, workers: str) -> None:
    plane = DataPlane(workers=int(workers))
    plane.apply(Path(snapshot).read_bytes())
    say("ready")

    def answer(command: str, _: dict[str, Any]) -> Any:
        if command == "status":
            return msgspec.msgpack.decode(plane.status())
        drained = msgspec.msgpack.decode(plane.drain_counters())
        return {name: drained[name] for name in ("totals", "requests", "egress")}

    answer_lines(answer)


if __name__ == "__main__":
    main(*sys.argv[1:])
