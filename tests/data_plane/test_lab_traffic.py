"""The lab's clients and origins around a real data plane: what they say is what happened."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest

from tests.support.addresses import egress_ip, listening_port
from tests.support.plane import Plane
from tests.support.waiting import eventually
from tests.support.world import World, address, origin

HOST = "www.example.com"
CAP = 150


class OriginProcess:
    """`egressway.lab.traffic.origin` on loopback."""

    def __init__(self, directory: Path) -> None:
        self.port = listening_port()
        self._control = directory / "origin.sock"
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "egressway.lab.traffic.origin", str(self._control)),
                *("127.0.0.1", "--", str(self.port)),
            ]
        )

    def __enter__(self) -> Self:
        eventually(self._control.exists, within=30, why="the origin listens")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.process.kill()
        self.process.wait()

    def tell(self, command: str) -> Any:
        with socket.socket(socket.AF_UNIX) as control:
            control.connect(str(self._control))
            control.sendall(command.encode() + b"\n")
            return json.loads(control.makefile("rb").readline())


class ClientProcess:
    """`egressway.lab.traffic.client`."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "egressway.lab.traffic.client"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        self._read()

    def ask(self, command: str, **details: Any) -> Any:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([command, details]) + "\n")
        return self._read()

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()

    def _read(self) -> Any:
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())


class Stage:
    """A plane between a client and an origin."""

    def __init__(self, home: OriginProcess, plane: Plane, client: ClientProcess, ip: str) -> None:
        self.home, self.plane, self.client, self.ip = home, plane, client, ip

    def ask(self, command: str, **details: Any) -> Any:
        return self.client.ask(command, target=self._target(), **details)

    def _target(self) -> dict[str, Any]:
        return {"address": self.plane.http[0], "port": self.plane.http[1], "host": HOST}


@contextmanager
def staged(directory: Path) -> Iterator[Stage]:
    ip = egress_ip()
    client = ClientProcess()
    try:
        with OriginProcess(directory) as home:
            world = World(settings={"queue_ms": 200})
            pool = world.pool("p", address(ip, cap=CAP))
            world.zone(HOST, origin(home.port), pool=pool)
            with Plane(world) as plane:
                yield Stage(home, plane, client, ip)
    finally:
        client.end()


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with staged(tmp_path) as made:
        yield made


def test_an_answer_tells_where_the_origin_saw_the_request_come_from(stage: Stage) -> None:
    answers = stage.ask("request", path="/echo/m0", n=3, at_once=2)
    assert [each["status"] for each in answers] == ["200"] * 3
    assert {each["seen_ip"] for each in answers} == {stage.ip}
    assert {each["path"] for each in answers} == {"/echo/m0/0", "/echo/m0/1", "/echo/m0/2"}


def test_held_requests_keep_a_connection_each_until_the_origin_answers(stage: Stage) -> None:
    stage.ask("hold", name="h", path="/hold/m0", n=CAP)
    eventually(lambda: stage.home.tell("peers")["open"] == [[stage.home.port, stage.ip, CAP]])
    assert stage.client.ask("held", name="h") == {"held": CAP}
    # A connection is there before its request is.
    released: list[int] = []

    def look() -> bool:
        released.append(stage.home.tell("release"))
        return sum(released) == CAP

    eventually(look)
    eventually(lambda: stage.client.ask("held", name="h") == {"answered": CAP})


def test_held_requests_above_the_cap_are_counted_by_their_error_code(stage: Stage) -> None:
    stage.ask("hold", name="h", path="/hold/m0", n=CAP + 5)
    wanted = {"held": CAP, "egress_capacity_exhausted": 5}
    eventually(lambda: stage.client.ask("held", name="h") == wanted)
    [(port, ip, most)] = stage.home.tell("peers")["most"]
    assert (port, ip, most) == (stage.home.port, stage.ip, CAP)


def test_transfers_come_to_their_proper_end(stage: Stage) -> None:
    stage.ask("transfer", kind="download", path="/stream/m0", n=5)
    told = stage.ask("transfer", kind="websocket", path="/websocket/m1", n=5)
    assert sorted(told["counts"]) == [["download", "open", 5], ["websocket", "open", 5]]
    stage.home.tell("release")
    told = stage.client.ask("finish")
    assert sorted(told["counts"]) == [["download", "whole", 5], ["websocket", "whole", 5]]
    assert told["reasons"] == []


def test_transfers_that_lose_their_origin_are_broken(stage: Stage) -> None:
    stage.ask("transfer", kind="download", path="/stream/m0", n=2)
    stage.ask("transfer", kind="websocket", path="/websocket/m1", n=2)
    stage.home.process.kill()
    eventually(lambda: stage.plane.status()["origin_connections"] == 0)
    told = stage.client.ask("finish")
    counts = {(kind, state): count for kind, state, count in told["counts"]}
    assert counts["download", "broken"] == 2
    assert ("download", "whole") not in counts


def test_a_load_goes_on_until_it_is_ended(stage: Stage) -> None:
    stage.ask("load", path="/echo/m0", clients=2, pause=0.01)
    seen: list[dict[str, Any]] = []

    def look() -> bool:
        seen.extend(stage.client.ask("load_so_far"))
        return len(seen) >= 10

    eventually(look)
    seen += stage.client.ask("end_load")
    assert {each["status"] for each in seen} == {"200"}
    assert all(each["began"] < each["ended"] for each in seen)
    assert stage.client.ask("load_so_far") == []
