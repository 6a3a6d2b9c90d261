"""A data plane in a process of its own that is told what to do: `python -m tests.support.plane_process`.

Bytes cross as base64. `stop` begins; `stopped` tells how many connections were cut once it has ended.
"""

from __future__ import annotations

import base64
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Literal

import msgspec

from egressway.data_plane._native import DataPlane
from tests.support.processes import answer_lines


class _Host:
    """The plane and its end."""

    def __init__(self) -> None:
        self._plane = DataPlane(workers=2, share_listeners=True)
        self._stopping = ThreadPoolExecutor(1)
        self._cut: Future[int] | None = None

    def answer(self, command: str, details: dict[str, Any]) -> Any:
        return getattr(self, f"do_{command}")(**details)

    def do_apply(self, snapshot: str) -> int:
        return self._plane.apply(base64.b64decode(snapshot)).revision

    def do_identity(self, parts: list[str]) -> None:
        ca, chain, key = (base64.b64decode(part) for part in parts)
        self._plane.set_identity(ca, chain, key)

    def do_set_part(self, part: Literal["whole", "leaving", "arriving"]) -> None:
        self._plane.set_part(part)

    def do_held(self, *, everything: bool) -> str:
        return base64.b64encode(self._plane.held(everything)).decode()

    def do_exclude(self, held: str) -> None:
        self._plane.exclude(base64.b64decode(held))

    def do_status(self) -> Any:
        return msgspec.msgpack.decode(self._plane.status())

    def do_drain(self) -> Any:
        drained = msgspec.msgpack.decode(self._plane.drain_counters())
        return {name: drained[name] for name in ("totals", "requests", "egress")}

    def do_stop(self, deadline: float) -> None:
        self._cut = self._stopping.submit(self._plane.stop, deadline)

    def do_stopped(self) -> int | None:
        return self._cut.result() if self._cut is not None and self._cut.done() else None


if __name__ == "__main__":
    answer_lines(_Host().answer)
