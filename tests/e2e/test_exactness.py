"""The cap holds and the count is true, whatever happens: by the kernel's own view of the sockets.

::

    load process            plane process               origin process
    100 connections   --->  4 workers, cap 2,000  --->  answers after 400 ms
    x 100 streams           one dedicated address       killed in the middle
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.sockets import Sampler, live, sockets_to
from tests.support.addresses import egress_ip, endpoint, listening_port
from tests.support.processes import Worker
from tests.support.waiting import eventually
from tests.support.world import World, address, origin

CAP = 2_000
WORKERS = 4
CONNECTIONS, STREAMS = 100, 100
REQUESTS = CONNECTIONS * STREAMS
HOST = "www.example.com"
ORIGIN_DELAY_MS = 400

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]


@dataclass
class Row:
    """One step, as the table shows it."""

    step: str
    ended: dict[str, int]
    samples: int
    most: int
    orphaned: int
    count: int
    sockets: int


@dataclass
class Stage:
    """Three processes and what is asked of them."""

    plane: Worker
    load: Worker
    origin: Worker
    origin_port: int
    egress_ip: str
    rows: list[Row] = field(default_factory=list)

    def status(self) -> dict[str, Any]:
        status: dict[str, Any] = self.plane.ask("status")
        return status

    def count(self) -> int:
        """Open connections as the plane counts them."""
        wanted = (self.egress_ip, endpoint("127.0.0.1", self.origin_port))
        rows = self.status()["egress"]
        return sum(row["current"] for row in rows if (row["egress_ip"], row["origin"]) == wanted)

    def start_origin(self) -> None:
        self.origin = Worker(
            "tests.e2e.origin_process", str(self.origin_port), str(ORIGIN_DELAY_MS)
        )
        assert self.origin.read() == self.origin_port

    def end_origin(self) -> None:
        """Whichever origin there is by now."""
        self.origin.kill()

    def step(
        self, name: str, *, aborts: float = 0.0, leavers: int = 0, kill: bool = False
    ) -> dict[str, int]:
        """A burst, watched; afterwards count and sockets must be equal."""
        with Sampler(self.plane.pid, self.origin_port, self.egress_ip) as sampler:
            self.load.send("burst", aborts=aborts, leavers=leavers, seed=len(self.rows))
            assert self.load.read() == "asked"
            if kill:
                eventually(lambda: self.count() > CAP // 2, within=60)
                self.origin.kill()
            ended: dict[str, int] = self.load.read()
        count, sockets = self.settled()
        self.rows.append(
            Row(name, ended, sampler.samples, sampler.most, sampler.most_orphaned, count, sockets)
        )
        assert sampler.most <= CAP
        assert sampler.foreign == 0
        assert self.status()["foreign_egress"] == 0
        assert self.status()["panics"] == 0
        assert sum(ended.values()) == REQUESTS
        return ended

    def settled(self) -> tuple[int, int]:
        """Count and sockets, once they agree and nothing waits."""

        def agree() -> tuple[int, int] | None:
            before = self.count()
            sockets = live(sockets_to(self.origin_port))
            waiting = self.status()["waiting"]
            return (before, sockets) if before == sockets == self.count() and not waiting else None

        return eventually(agree, within=30, why="count and sockets are equal")


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    ip, port = egress_ip(), listening_port()
    world = World(
        settings={
            "queue_length": 2 * REQUESTS,
            "queue_ms": 120_000,
            "h2_max_streams": STREAMS,
            "h2_max_resets": 1_000_000,
        }
    )
    world.zone(HOST, origin(port), pool=world.pool("p", address(ip, cap=CAP)))
    snapshot = tmp_path / "snapshot"
    snapshot.write_bytes(world.snapshot())
    ingress = str(world.listeners[0]["port"])
    with ExitStack() as stack:
        plane = stack.enter_context(Worker("tests.e2e.plane_process", str(snapshot), str(WORKERS)))
        load = stack.enter_context(
            Worker("tests.e2e.load_process", ingress, HOST, str(CONNECTIONS), str(STREAMS))
        )
        home = Worker("tests.e2e.origin_process", str(port), str(ORIGIN_DELAY_MS))
        made = Stage(plane, load, home, port, ip)
        stack.callback(made.end_origin)
        assert (plane.read(), load.read(), home.read()) == ("ready", "ready", port)
        yield made


def test_the_cap_is_never_passed_and_the_count_is_always_true(
    stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        assert stage.step("cold") == {"200": REQUESTS}
        assert stage.rows[-1].most == CAP, "the cap was never reached"
        assert stage.step("warm") == {"200": REQUESTS}
        aborted = stage.step("three of ten streams aborted", aborts=0.3)
        assert set(aborted) == {"200", "aborted"}
        left = stage.step("half of the clients gone", leavers=CONNECTIONS // 2)
        assert set(left) <= {"200", "left"}
        killed = stage.step("origin killed", aborts=0.1, kill=True)
        assert set(killed) <= {"200", "aborted", "origin_closed", "origin_refused"}
        assert set(killed) >= {"origin_refused"}
        # Connections of the dead are noticed while they lie idle, and the count falls with the sockets.
        eventually(lambda: stage.settled() == (0, 0), why="connections to a dead origin are closed")
        stage.start_origin()
        assert stage.step("origin back") == {"200": REQUESTS}
    finally:
        with capsys.disabled():
            print(table(stage.rows))


def table(rows: list[Row]) -> str:
    """What happened, for people."""
    head = ("step", "samples", "most sockets", "orphans", "count", "sockets", "ended")
    lines = [head]
    for row in rows:
        ended = ", ".join(f"{n} {label}" for label, n in sorted(row.ended.items()))
        numbers = (row.samples, row.most, row.orphaned, row.count, row.sockets)
        lines.append((row.step, *map(str, numbers), ended))
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    return "\n" + "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )
