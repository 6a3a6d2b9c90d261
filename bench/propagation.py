"""How soon a change is everywhere: `python -m bench.propagation [--zones N] [--nodes N]`.

A real store, publisher and NATS server, and a thousand nodes' ends of the bus on the same machine.

    change     from before the transaction until a node has read and checked the message
    storm      the NATS server is killed; from its return until every node is connected, and until
               every node has the change that was made meanwhile
    beginning  one node with nothing fetches everything

Everything shares the processors of this machine, so the figures are upper bounds of what the control
plane and the bus need.
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import secrets
import shutil
import signal
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console

from bench import machine
from egressway.bus.bus import ALL
from egressway.bus.nats import NatsBus
from egressway.distribution.publish import Publisher
from egressway.model.account import AccountDraft
from egressway.model.ids import ZoneId
from egressway.model.record import RecordDraft
from egressway.model.setting import SettingId, parse_setting_value
from egressway.model.zone import ZoneDraft
from egressway.store import Store
from egressway.wire.fleet import decode
from egressway.wire.fleet_state import FleetState
from egressway.wire.snapshot import Settings

ROOT = Path(__file__).resolve().parents[1]
PROCESSES = 4
STORE = "store.sqlite"
PAUSE_SECONDS = 0.2
DEADLINE_SECONDS = 300.0
console = Console(width=120)


@dataclass(frozen=True, slots=True)
class Options:
    """The command line."""

    zones: int
    nodes: int
    changes: int
    results: Path


@dataclass(slots=True)
class Figures:
    """What was measured, in seconds unless it is named otherwise."""

    zones: int
    nodes: int
    changes: int
    whole_bytes: int = 0
    fill: float = 0.0
    first_whole: float = 0.0
    all_connected: float = 0.0
    change_p50: float = 0.0
    change_p99: float = 0.0
    change_max: float = 0.0
    last_node_p50: float = 0.0
    last_node_p99: float = 0.0
    storm_connected: float = 0.0
    storm_changed: float = 0.0
    beginning_fetch: float = 0.0
    beginning_state: float = 0.0


class Nats:
    """One server with JetStream on a port of its own."""

    def __init__(self, directory: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """For the bus."""
        return f"nats://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Return when it listens."""
        binary = shutil.which("nats-server") or "/usr/sbin/nats-server"
        command = [binary, "-a", "127.0.0.1", "-p", str(self.port), "-js"]
        self._process = subprocess.Popen(
            [*command, "-sd", str(self._directory)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        _until(self._listens, "nats-server")

    def kill(self) -> None:
        """As a power cut would."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()

    def _listens(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True


@dataclass(slots=True)
class Nodes:
    """The processes of `propagation_nodes`, and what they tell."""

    processes: list[subprocess.Popen[str]] = field(default_factory=list)
    connected: dict[int, int] = field(default_factory=dict)
    told: queue.Queue[tuple[int, list[float]]] = field(default_factory=queue.Queue)

    def start(self, url: str, count: int, after: int) -> None:
        """Evenly over the processes."""
        for number in range(PROCESSES):
            own = count // PROCESSES + (number < count % PROCESSES)
            process = subprocess.Popen(
                [sys.executable, "-m", "bench.propagation_nodes", url, str(own), str(after)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                cwd=ROOT,
            )
            self.processes.append(process)
            threading.Thread(target=self._read, args=(number, process), daemon=True).start()

    def stop(self) -> None:
        """End all of them."""
        for process in self.processes:
            process.terminate()
            process.wait()

    @property
    def all_connected(self) -> int:
        """How many are, now."""
        return sum(self.connected.values())

    def had(self, revision: int) -> list[float]:
        """When each node had it; waits for the last one."""
        found: list[float] = []
        for _ in range(PROCESSES):
            at, times = self.told.get(timeout=DEADLINE_SECONDS)
            while at < revision:
                at, times = self.told.get(timeout=DEADLINE_SECONDS)
            found += times
        return found

    def _read(self, number: int, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            said = json.loads(line)
            if "connected" in said:
                self.connected[number] = said["connected"]
            else:
                self.told.put((said["revision"], said["at"]))


def main(arguments: list[str]) -> int:
    """Measure, print and write."""
    options = _options(arguments)
    with (
        tempfile.TemporaryDirectory(prefix="egressway-propagation-") as directory,
        ExitStack() as stack,
    ):
        figures = _measure(options, Path(directory), stack)
    _write(options, figures)
    return 0


def _measure(options: Options, directory: Path, stack: ExitStack) -> Figures:
    figures = Figures(options.zones, options.nodes, options.changes)
    server = Nats(directory / "nats")
    server.start()
    stack.callback(server.kill)
    with _timed("filling the store", figures, "fill"):
        zones = _fill(directory, options.zones)
    store = Store.open(f"sqlite:///{directory / STORE}")
    stack.callback(store.close)
    bus = NatsBus(server.url, manage=True)
    stack.callback(bus.close)
    _until(lambda: bus.is_connected, "the bus")
    publisher = Publisher(store, bus, Settings())
    with _timed("publishing everything", figures, "first_whole"):
        assert publisher.publish_once(), publisher.failure
    unsubscribe = store.on_change(lambda _: publisher.wake())
    publisher.start()
    stack.callback(publisher.stop)
    stack.callback(unsubscribe)
    nodes = Nodes()
    stack.callback(nodes.stop)
    last = bus.last_config(ALL)
    assert last is not None
    with _timed(f"connecting {options.nodes} nodes", figures, "all_connected"):
        nodes.start(server.url, options.nodes, last.sequence)
        _until(lambda: nodes.all_connected == options.nodes, "all nodes")
    _changes(store, nodes, zones, figures)
    _storm(store, server, nodes, zones, figures)
    _beginning(bus, figures)
    return figures


def _changes(store: Store, nodes: Nodes, zones: list[ZoneId], figures: Figures) -> None:
    latencies: list[float] = []
    last: list[float] = []
    for number in range(figures.changes + 1):
        time.sleep(PAUSE_SECONDS)
        begin = time.time()
        revision = _change(store, zones[number], "off")
        had = [at - begin for at in nodes.had(revision)]
        if number:  # the first one finds everything cold
            latencies += had
            last.append(max(had))
    figures.change_p50, figures.change_p99 = _percentiles(latencies)
    figures.change_max = max(latencies)
    figures.last_node_p50, figures.last_node_p99 = _percentiles(last)
    console.print(f"change: p50 {figures.change_p50:.4f} s, p99 {figures.change_p99:.4f} s")


def _storm(store: Store, server: Nats, nodes: Nodes, zones: list[ZoneId], figures: Figures) -> None:
    server.kill()
    _until(lambda: nodes.all_connected == 0, "all nodes to notice")
    revision = _change(store, zones[-1], "off")
    begin = time.time()
    server.start()
    _until(lambda: nodes.all_connected == figures.nodes, "all nodes to return")
    figures.storm_connected = time.time() - begin
    figures.storm_changed = max(nodes.had(revision)) - begin
    console.print(
        f"storm: all connected {figures.storm_connected:.2f} s, changed {figures.storm_changed:.2f} s"
    )


def _beginning(bus: NatsBus, figures: Figures) -> None:
    begin = time.perf_counter()
    whole = bus.get_whole(ALL)
    assert whole is not None
    figures.beginning_fetch = time.perf_counter() - begin
    figures.whole_bytes = len(whole.content)
    begin = time.perf_counter()
    FleetState(decode(whole.content))
    figures.beginning_state = time.perf_counter() - begin


def _fill(directory: Path, count: int) -> list[ZoneId]:
    """One zone as the API makes it, and the rest as copies of its rows, which takes seconds."""
    with Store.open(f"sqlite:///{directory / STORE}") as store, store.write("bench") as write:
        account = write.accounts.create(AccountDraft("Example")).id
        draft = ZoneDraft.parse({"name": "zone-0.example.com", "account": {"id": account}})
        first = write.zones.create(draft).id
        body = {"type": "A", "name": draft.name, "content": "192.0.2.1", "proxied": True}
        write.records.create(first, RecordDraft.parse(body))
    zones = [first, *(ZoneId(secrets.token_hex(16)) for _ in range(count - 1))]
    with closing(sqlite3.connect(directory / STORE)) as database, database:
        for table, key in (("zone", "id"), ("dns_record", "zone_id")):
            _copy(database, table, key, zones)
    return zones


def _copy(database: sqlite3.Connection, table: str, key: str, zones: list[ZoneId]) -> None:
    database.row_factory = sqlite3.Row
    row = dict(database.execute(f"SELECT * FROM {table}").fetchone())

    def copied(number: int) -> dict[str, object]:
        renamed = {
            name: value.replace("zone-0.", f"zone-{number}.") if isinstance(value, str) else value
            for name, value in row.items()
        }
        return {**renamed, "id": secrets.token_hex(16), key: zones[number]}

    values = ", ".join(f":{name}" for name in row)
    database.executemany(
        f"INSERT INTO {table} VALUES ({values})",
        (copied(number) for number in range(1, len(zones))),
    )


def _change(store: Store, zone_id: ZoneId, ssl: str) -> int:
    with store.write("bench") as write:
        write.settings.put(zone_id, SettingId.SSL, parse_setting_value(SettingId.SSL, ssl))
    with store.read() as read:
        return read.revision()


class _timed:  # noqa: N801 - reads as a statement
    def __init__(self, what: str, figures: Figures, name: str) -> None:
        self._what, self._figures, self._name = what, figures, name

    def __enter__(self) -> None:
        self._begin = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        seconds = time.perf_counter() - self._begin
        setattr(self._figures, self._name, seconds)
        console.print(f"{self._what}: {seconds:.2f} s")


def _until(is_so: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + DEADLINE_SECONDS
    while not is_so():
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: not within {DEADLINE_SECONDS:.0f} s")
        time.sleep(0.005)


def _percentiles(values: list[float]) -> tuple[float, float]:
    ordered = sorted(values)
    return statistics.median(ordered), ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))]


def _options(arguments: list[str]) -> Options:
    parser = argparse.ArgumentParser(prog="bench.propagation", description=__doc__)
    parser.add_argument("--zones", type=int, default=100_000)
    parser.add_argument("--nodes", type=int, default=1_000)
    parser.add_argument("--changes", type=int, default=100)
    parser.add_argument("--results", type=Path, default=ROOT / "bench" / "results")
    chosen = parser.parse_args(arguments)
    return Options(chosen.zones, chosen.nodes, chosen.changes, chosen.results)


def _write(options: Options, figures: Figures) -> None:
    here = machine.machine()
    at = datetime.now(UTC)
    commit = machine.commit(ROOT)
    name = f"propagation-{at:%Y-%m-%d}-{commit}"
    options.results.mkdir(parents=True, exist_ok=True)
    raw: dict[str, Any] = {
        "at": at.isoformat(timespec="seconds"),
        "commit": commit,
        "machine": msgspec.to_builtins(here),
        "processes": {"nodes": PROCESSES, "processors": os.cpu_count()},
        "seconds": msgspec.to_builtins(figures),
    }
    (options.results / f"{name}.json").write_text(
        json.dumps(raw, indent=2) + "\n", encoding="utf-8"
    )
    page = "\n".join(_page(raw, figures)) + "\n"
    (options.results / f"{name}.md").write_text(page, encoding="utf-8")
    console.print(page)


def _page(raw: dict[str, Any], figures: Figures) -> Iterator[str]:
    here = raw["machine"]
    yield "# Propagation of one change"
    yield ""
    yield (
        f"{figures.zones:,} zones, {figures.nodes:,} nodes, {figures.changes} changes. Store, publisher, "
        f"nats-server and all nodes on one machine: {here['processor']}, {here['processors']} "
        f"processors, kernel {here['kernel']}; commit {raw['commit']}, {raw['at']}."
    )
    yield ""
    yield "| Measured | Seconds |"
    yield "| --- | --- |"
    rows = (
        ("a change at a node, p50", figures.change_p50),
        ("a change at a node, p99", figures.change_p99),
        ("a change at a node, longest", figures.change_max),
        ("a change at the last node, p50", figures.last_node_p50),
        ("a change at the last node, p99", figures.last_node_p99),
        ("bus killed: all nodes connected again after its return", figures.storm_connected),
        ("bus killed: all nodes have the change made meanwhile", figures.storm_changed),
        (
            f"everything ({figures.whole_bytes / 1e6:.1f} MB) fetched by one node",
            figures.beginning_fetch,
        ),
        ("everything read into a node's state", figures.beginning_state),
        ("everything compiled and published", figures.first_whole),
    )
    for what, seconds in rows:
        yield f"| {what} | {seconds:.3f} |"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
