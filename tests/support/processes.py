"""Processes of a test that are told what to do line by line, and answer line by line, in JSON."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Any, Self


class Worker:
    """A Python module of the tests in a process of its own; see `answer_lines` for its side."""

    def __init__(self, module: str, *arguments: str, inside: Sequence[str] = ()) -> None:
        """`inside` stands before the command and runs it, as `nsenter` does."""
        self._process = subprocess.Popen(
            [*inside, sys.executable, "-m", module, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()

    @property
    def pid(self) -> int:
        return self._process.pid

    def send(self, command: str, **details: Any) -> None:
        """Tell it something."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([command, details]) + "\n")
        self._process.stdin.flush()

    def read(self) -> Any:
        """Wait for its next line."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, f"the process ended with {self._process.wait()}"
        return json.loads(line)

    def ask(self, command: str, **details: Any) -> Any:
        """Tell it something and wait for its line."""
        self.send(command, **details)
        return self.read()

    def kill(self) -> None:
        """`kill -9`."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()


def say(answer: Any) -> None:
    """A line for the other side."""
    print(json.dumps(answer), flush=True)


def commands() -> Iterator[tuple[str, dict[str, Any]]]:
    """Lines from the other side, until it is gone."""
    for line in sys.stdin:
        command, details = json.loads(line)
        yield command, details


def answer_lines(answer: Callable[[str, dict[str, Any]], Any]) -> None:
    """Answer every line with what `answer` returns."""
    for command, details in commands():
        say(answer(command, details))
