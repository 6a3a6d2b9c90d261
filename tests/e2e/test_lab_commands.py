"""`egressway lab`: what it prints works, and what it leaves behind is nothing."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from egressway.lab.namespaces import existing
from egressway.lab.run_directory import DEFAULT, PREFIX
from tests.support.waiting import eventually

PROGRAM = str(Path(sys.executable).with_name("egressway"))

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]


def lab(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PROGRAM, "lab", *words], capture_output=True, text=True, check=False, timeout=240
    )


def processes_of_the_lab() -> list[str]:
    """Command lines that name its directory."""
    found = []
    for each in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = each.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(DEFAULT.path) in command:
            found.append(command)
    return found


def traces() -> dict[str, object]:
    """Everything a lab could leave."""
    mounts = Path("/proc/mounts").read_text(encoding="ascii")
    left = {
        "namespaces": [each.name for each in existing(PREFIX)],
        "processes": processes_of_the_lab(),
        "mounts": [line for line in mounts.splitlines() if str(DEFAULT.path) in line],
        "directory": DEFAULT.path.exists(),
        "lock": DEFAULT.path.with_suffix(".lock").exists(),
    }
    return {name: what for name, what in left.items() if what}


@pytest.fixture
def no_lab() -> Iterator[None]:
    if DEFAULT.path.exists():
        pytest.fail("a lab is up; take it away with `egressway lab down`, then run this again")
    interfaces = set(Path("/sys/class/net").iterdir())
    yield
    lab("down")
    assert set(Path("/sys/class/net").iterdir()) == interfaces


@pytest.mark.usefixtures("no_lab")
def test_a_lab_killed_while_it_comes_up_is_taken_away_without_a_trace() -> None:
    with subprocess.Popen(
        [PROGRAM, "lab", "up"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as command:
        eventually((DEFAULT.path / "pids" / "control").exists, within=120)
        os.kill(command.pid, signal.SIGKILL)
    assert processes_of_the_lab()
    done = lab("down")
    assert done.returncode == 0, done.stderr
    assert traces() == {}


@pytest.mark.usefixtures("no_lab")
def test_every_printed_command_works() -> None:
    up = lab("up")
    assert up.returncode == 0, up.stderr
    commands = [line for line in up.stdout.splitlines() if line.startswith("sudo ")]
    assert commands[-1].endswith(" lab down")
    assert sum("curl" in line for line in commands) >= 4
    for line in commands:
        words = shlex.split(line)[1:]
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=240)
        assert done.returncode == 0, (line, done.stdout, done.stderr)
        if "curl" in line:
            assert '"seen_ip": "192.0.2.' in done.stdout, (line, done.stdout)
    assert traces() == {}


@pytest.mark.usefixtures("no_lab")
def test_there_is_one_lab_at_a_time() -> None:
    assert lab("up").returncode == 0
    again = lab("up")
    assert again.returncode == 1
    assert "a lab is up already" in again.stderr
    assert lab("down").returncode == 0
    assert traces() == {}
    assert lab("map").returncode == 1
