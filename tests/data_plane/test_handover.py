"""Two processes on one host: the second takes over from the first, and nothing that was open breaks.

The first keeps a small part of the ports for what it still has to serve; the second gets the rest, keeps
off what the first holds, and listens beside it before the first stops to.
"""

from __future__ import annotations

import base64
import subprocess
import time
from typing import Any

from tests.support.addresses import egress_ip
from tests.support.busy_origin import PIECE, PIECES, BusyOrigin, Clients, Loop
from tests.support.processes import Worker
from tests.support.waiting import eventually
from tests.support.world import World, address, origin

HOST = "www.example.com"
CAP = 200
PORTS = (20_000, 20_399)
DOWNLOADS, CHATS = 60, 10
ASKING = 180
MODULE = "tests.support.plane_process"


class Handover:
    """An address with 400 ports and a cap of 200, in two planes."""

    def __init__(self, port: int) -> None:
        self.ip = egress_ip()
        self._world = World(settings={"queue_ms": 30_000})
        self._world.listeners = [each for each in self._world.listeners if not each["tls"]]
        pool = self._world.pool("p", address(self.ip, slices=(PORTS,), cap=CAP))
        self._world.zone(HOST, origin(port), pool=pool)
        listener = self._world.listeners[0]
        self.http = (listener["address"], listener["port"])
        self.most_by_status = self.most_by_ss = 0

    def apply(self, plane: Worker, part: str = "whole") -> None:
        """Tell the plane how the world is, and which part of it is its own."""
        plane.ask("set_part", part=part)
        plane.ask("apply", snapshot=base64.b64encode(self._world.snapshot()).decode())

    def open_by_ss(self) -> int:
        """Connections of the address that the kernel has.

        It lists them one after the other, so that one which ends and comes again meanwhile is there
        twice: only what a second look finds as well counts.
        """
        states = ("established", "syn-sent", "close-wait")
        wanted = [word for state in states for word in ("state", state)]
        command = ["ss", "-Htn", *wanted, "src", self.ip]
        return min(
            len(subprocess.run(command, capture_output=True, check=True).stdout.splitlines())
            for _ in range(2)
        )

    def look(self, *planes: Worker) -> None:
        """Count, the first plane first: the second was told of whatever is counted there."""
        rows = [row for plane in planes for row in plane.ask("status")["egress"]]
        count = sum(row["current"] for row in rows if row["egress_ip"] == self.ip)
        self.most_by_status = max(self.most_by_status, count)
        self.most_by_ss = max(self.most_by_ss, self.open_by_ss())


def watch_for(seconds: float, look: Any) -> None:
    """Let the load go on and look at it all the time."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        look()


def test_a_second_process_takes_over_under_load_and_breaks_nothing() -> None:
    with Loop() as loop, Worker(MODULE) as old, Worker(MODULE) as new:
        home = BusyOrigin()
        handover = Handover(loop.run(home.listen()))
        handover.apply(old)
        clients = Clients(handover.http, HOST)
        downloads = [loop.start(clients.download()) for _ in range(DOWNLOADS)]
        chats = [loop.start(clients.chat()) for _ in range(CHATS)]
        asking = [loop.start(clients.ask(keep_alive=each % 2 == 0)) for each in range(ASKING)]
        eventually(lambda: home.downloads == DOWNLOADS)
        watch_for(0.5, lambda: handover.look(old))

        # The first keeps a small part; the second keeps off what the first has beyond that.
        handover.apply(old, "leaving")
        new.ask("exclude", held=old.ask("held", everything=False))
        handover.apply(new, "arriving")
        old.ask("stop", deadline=60.0)

        def follow() -> None:
            new.ask("exclude", held=old.ask("held", everything=False))
            handover.look(old, new)

        watch_for(2.0, follow)
        before = clients.counts["ok"]
        loop.run(home.release())
        assert [each.result(60) for each in downloads] == [len(PIECE) * PIECES] * DOWNLOADS
        eventually(lambda: clients.counts["ok"] > before + ASKING, why="the second serves")
        watch_for(0.5, follow)
        loop.run(clients.stop())
        assert all(each.result(60) > 0 for each in chats)
        for each in asking:
            each.result(60)
        cut = eventually(lambda: [old.ask("stopped")] if old.ask("stopped") is not None else [])
        new.ask("exclude", held=old.ask("held", everything=True))
        handover.apply(new)
        handover.look(new)

        assert cut == [0]
        broken = {name: count for name, count in clients.counts.items() if name != "ok"}
        assert broken == {}
        assert handover.most_by_status <= CAP
        assert handover.most_by_ss <= CAP
        assert handover.most_by_ss > CAP * 3 // 4, "the cap was in reach"
        assert new.ask("drain")["requests"]["status:2xx"] > 0
        assert new.ask("status")["foreign_egress"] == old.ask("status")["foreign_egress"] == 0
