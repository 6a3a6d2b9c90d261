"""How full an address looks, and the live table in a real terminal."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import pytest
from msgspec import convert
from rich.console import Console

from egressway.cli.usage_table import Sample, busiest_first, colour_of, usage_table
from egressway.client.objects import UsageRow
from tests.support.scripted_api import ScriptedApi, failure, success
from tests.support.waiting import eventually
from tests.unit.cli.conftest import TOKEN
from tests.unit.cli.world import EXAMPLE, usage_row

PROGRAM = "import typer; from egressway.cli.nouns import mount; a = typer.Typer(); mount(a); a()"
USAGE_PATH = f"/accounts/{EXAMPLE}/egressway/usage"


def row(ip: str, current: int, **more: int) -> UsageRow:
    return convert(usage_row(ip, "203.0.113.1:443", current, **more), UsageRow)


@pytest.mark.parametrize(
    ("utilization", "colour"),
    [
        (0.0, "green"),
        (59.9, "green"),
        (60.0, "yellow"),
        (79.9, "yellow"),
        (80.0, "dark_orange"),
        (94.9, "dark_orange"),
        (95.0, "red"),
        (100.0, "red"),
    ],
)
def test_a_bar_changes_its_colour_at_60_80_and_95_percent(utilization: float, colour: str) -> None:
    assert colour_of(utilization) == colour


def test_the_busiest_comes_first_and_equals_are_in_the_order_of_numbers() -> None:
    rows = [row("192.0.2.10", 1), row("192.0.2.9", 1), row("2001:db8::1", 1), row("192.0.2.1", 2)]
    ips = [one.egress_ip for one in busiest_first(rows)]
    assert ips == ["192.0.2.1", "192.0.2.9", "192.0.2.10", "2001:db8::1"]


def test_openings_per_second_are_of_rows_seen_twice() -> None:
    before = Sample([row("192.0.2.1", 0, opened=100)], seconds=10.0)
    rows = [row("192.0.2.1", 0, opened=160), row("192.0.2.2", 0, opened=9)]
    rates = Sample(rows, seconds=12.0).opened_per_second(before)
    assert list(rates.values()) == [30.0]


def test_a_restart_of_the_counters_is_no_negative_rate() -> None:
    before = Sample([row("192.0.2.1", 0, opened=100)], seconds=10.0)
    rates = Sample([row("192.0.2.1", 0, opened=5)], seconds=11.0).opened_per_second(before)
    assert list(rates.values()) == [0.0]


@pytest.mark.parametrize("width", [80, 140])
def test_no_address_is_cut_short_whatever_the_width(width: int) -> None:
    rows = [row("192.0.2.254", 40_000), row("198.51.100.123", 39_999)]
    console = Console(width=width, color_system=None)
    with console.capture() as captured:
        console.print(usage_table(rows, width))
    for shown in ("192.0.2.254", "198.51.100.123", "203.0.113.1:443", "100.0", "40,000"):
        assert shown in captured.get()
    assert "…" not in captured.get()


@dataclass
class Terminal:
    """A program in a terminal of its own, and what it has drawn."""

    process: subprocess.Popen[bytes]
    descriptor: int
    drawn: str = ""

    def shows(self, text: str) -> bool:
        """Read what there is to read, then look."""
        os.set_blocking(self.descriptor, False)
        # Nothing to read, or nobody left to write.
        with suppress(OSError):
            self.drawn += os.read(self.descriptor, 65536).decode(errors="replace")
        return text in self.drawn

    def interrupt(self) -> int:
        """Ctrl-C; the exit code."""
        self.process.send_signal(signal.SIGINT)
        eventually(lambda: self.shows("\x1b[?25h") or self.process.poll() is not None)
        return self.process.wait(timeout=20)


@contextmanager
def in_a_terminal(api: ScriptedApi, *words: str) -> Iterator[Terminal]:
    """Run a command where `isatty` is true."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *words],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=environment(api) | {"COLUMNS": "120", "LINES": "20", "TERM": "xterm-256color"},
    )
    os.close(theirs)
    try:
        yield Terminal(process, ours)
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def environment(api: ScriptedApi) -> dict[str, str]:
    return {**os.environ, "EGRESSWAY_URL": api.url, "EGRESSWAY_TOKEN": TOKEN}


def test_watch_redraws_survives_an_outage_and_ends_cleanly_on_ctrl_c(api: ScriptedApi) -> None:
    second = [usage_row("192.0.2.77", "203.0.113.1:443", 39_000)]
    with in_a_terminal(api, "usage", "--watch", "--interval", "0.1") as terminal:
        eventually(lambda: terminal.shows("192.0.2.10"), within=30)
        api.on("GET", USAGE_PATH, failure(500, {"code": 1101, "message": "The API failed."}))
        eventually(lambda: terminal.shows("The API failed."), within=30)
        api.on("GET", USAGE_PATH, success(second))
        eventually(lambda: terminal.shows("192.0.2.77"), within=30)
        assert terminal.interrupt() == 0
        assert "Traceback" not in terminal.drawn
        assert "\x1b[?25h" in terminal.drawn, "the cursor is shown again"


def test_watch_ends_when_the_token_is_no_longer_accepted(api: ScriptedApi) -> None:
    with in_a_terminal(api, "usage", "--watch", "--interval", "0.1") as terminal:
        eventually(lambda: terminal.shows("192.0.2.10"), within=30)
        api.on("GET", USAGE_PATH, failure(401, {"code": 10000, "message": "Unknown token."}))
        eventually(lambda: terminal.shows("Unknown token."), within=30)
        assert terminal.process.wait(timeout=20) == 1


def test_watch_in_json_is_a_line_per_look(api: ScriptedApi) -> None:
    command = [sys.executable, "-c", PROGRAM, "usage", "--watch", "--json", "--interval", "0.1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment(api)) as process:
        assert process.stdout is not None
        lines = [json.loads(process.stdout.readline()) for _ in range(3)]
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 0
    assert [len(line) for line in lines] == [5, 5, 5]
