"""The native data plane, running a world; what it counted and logged is gathered over its life."""

from __future__ import annotations

from collections import Counter
from types import TracebackType
from typing import Any, Self

import msgspec

from egressway.data_plane._native import Applied, DataPlane
from tests.support.addresses import endpoint
from tests.support.waiting import eventually
from tests.support.world import World

STOP_SECONDS = 2.0

Address = tuple[str, int]


class Plane:
    """A data plane in this process, from its first snapshot until the end of the block.

    With one worker, what a request leaves behind is in place before the next one is taken; tests of what
    goes on at once ask for more. At the end no connection may have left from a foreign address, and no task
    may have panicked.
    """

    def __init__(self, world: World, *, workers: int = 1, log_buffer_bytes: int = 1 << 24) -> None:
        self.world = world
        self.native = DataPlane(workers=workers, log_buffer_bytes=log_buffer_bytes)
        self.totals: Counter[str] = Counter()
        self.requests: Counter[str] = Counter()
        self._egress: dict[tuple[str, str], Counter[str]] = {}
        self._log: list[dict[str, Any]] = []

    def __enter__(self) -> Self:
        self.apply()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        status = self.status()
        self.native.stop(STOP_SECONDS if error is None else 0.0)
        if error is None:
            assert status["foreign_egress"] == 0
            assert status["panics"] == 0

    def apply(self) -> Applied:
        """Apply the whole world as it is now."""
        return self.native.apply(self.world.snapshot())

    @property
    def http(self) -> Address:
        """The first plain listener."""
        return self._listener(tls=False)

    @property
    def https(self) -> Address:
        """The first TLS listener."""
        return self._listener(tls=True)

    def _listener(self, *, tls: bool) -> Address:
        found = next(each for each in self.world.listeners if each["tls"] == tls)
        return found["address"], found["port"]

    def status(self) -> dict[str, Any]:
        """Levels, now."""
        status: dict[str, Any] = msgspec.msgpack.decode(self.native.status())
        return status

    def current(self, egress_ip: str, port: int, ip: str = "127.0.0.1") -> int:
        """Open connections from one egress address to one origin."""
        wanted = (egress_ip, endpoint(ip, port))
        rows = self.status()["egress"]
        return sum(row["current"] for row in rows if (row["egress_ip"], row["origin"]) == wanted)

    def drain(self) -> None:
        """Gather what has been counted and logged since the last time."""
        drained = msgspec.msgpack.decode(self.native.drain_counters())
        self.totals.update(drained["totals"])
        self.requests.update(drained["requests"])
        for row in drained["egress"]:
            counts = self._egress.setdefault((row["egress_ip"], row["origin"]), Counter())
            counts["peak"] = max(counts["peak"], row["peak"])
            counts["capacity"] = row["capacity"]
            counts["current"] = row["current"]
            for name in ("opened", "refused", "reused", "handshakes", "queued", "sent", "received"):
                counts[name] += row[name]
        self._log += [msgspec.json.decode(line) for line in drained["log"].splitlines()]

    def counted(self, total: str) -> int:
        """One of the totals over this plane's life; a request counts after its answer."""
        self.drain()
        return self.totals[total]

    def egress(self, egress_ip: str, port: int, ip: str = "127.0.0.1") -> Counter[str]:
        """Counters of one egress address towards one origin, summed over this plane's life."""
        self.drain()
        return self._egress.get((egress_ip, endpoint(ip, port)), Counter())

    def log(self, **wanted: Any) -> list[dict[str, Any]]:
        """Access log lines so far whose fields have the wanted values."""
        self.drain()
        return [
            line
            for line in self._log
            if all(line.get(name) == value for name, value in wanted.items())
        ]

    def log_line(self, **wanted: Any) -> dict[str, Any]:
        """The first such line, waited for: it is written after its answer."""
        return eventually(lambda: self.log(**wanted), why=f"a log line with {wanted}")[0]
