"""The command line against a small world that a scripted server tells of.

Golden files are rewritten, not compared, when `EGRESSWAY_REWRITE_GOLDEN=1` is set; read the
difference before keeping it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from egressway.cli.nouns import mount
from tests.support.scripted_api import ScriptedApi, scripted_api
from tests.unit.cli.world import build_world

GOLDEN = Path(__file__).parent / "golden"
TOKEN = "a-token-for-tests"
# Whatever the terminal of the person who runs the tests is like, the output is the one of a pipe.
QUIET = dict.fromkeys(("COLUMNS", "FORCE_COLOR", "TTY_COMPATIBLE", "EGRESSWAY_ACCOUNT"))


class CommandLine:
    """Runs commands of one API and keeps what they print."""

    def __init__(self, api: ScriptedApi) -> None:
        self._api = api
        self._app = typer.Typer()
        mount(self._app)

    def commands(self) -> list[str]:
        """Every command by its words."""
        alone = [str(one.name) for one in self._app.registered_commands]
        of_nouns = [
            f"{noun.name} {one.name}"
            for noun in self._app.registered_groups
            if noun.typer_instance
            for one in noun.typer_instance.registered_commands
        ]
        return [*alone, *of_nouns]

    def run(self, *words: str, answer: str = "", width: int | None = None) -> Outcome:
        """One command, with what a person would type when it asks, in a pipe or a terminal."""
        columns = None if width is None else str(width)
        environment = {
            **QUIET,
            "COLUMNS": columns,
            "EGRESSWAY_URL": self._api.url,
            "EGRESSWAY_TOKEN": TOKEN,
        }
        before = len(self._api.received)
        result = CliRunner().invoke(self._app, list(words), env=environment, input=answer)
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        sent = [
            f"{one.method} {one.path}{' ' + json.dumps(one.body) if one.body else ''}"
            for one in self._api.received[before:]
            if one.method != "GET"
        ]
        return Outcome(words, result.exit_code, result.stdout, result.stderr, sent, self._api.url)


class Outcome:
    """What came of a command."""

    def __init__(
        self,
        words: tuple[str, ...],
        code: int,
        stdout: str,
        stderr: str,
        sent: list[str],
        url: str,
    ) -> None:
        self.words, self.code, self.sent = words, code, sent
        self.stdout = stdout.replace(url, "http://127.0.0.1:8600")
        self.stderr = stderr.replace(url, "http://127.0.0.1:8600")

    def transcript(self) -> str:
        """Command, exit code, both streams and what was written to the API, as one text."""
        parts = [f"$ egressway {' '.join(self.words)}", f"exit code {self.code}"]
        for name, text in (
            ("stdout", self.stdout),
            ("stderr", self.stderr),
            ("sent", "\n".join(self.sent)),
        ):
            if text:
                parts += [f"--- {name}", text.rstrip("\n")]
        return "\n".join(parts) + "\n"


class Golden:
    """Compares a text with the file of its name."""

    is_rewriting = os.environ.get("EGRESSWAY_REWRITE_GOLDEN") == "1"

    def check(self, name: str, text: str) -> None:
        """Equal to the file, or, on request, the new content of it."""
        path = GOLDEN / f"{name}.txt"
        if self.is_rewriting:
            path.write_text(text, encoding="utf-8")
        assert text == path.read_text(encoding="utf-8")


@pytest.fixture
def golden() -> Golden:
    return Golden()


@pytest.fixture
def api() -> Iterator[ScriptedApi]:
    with scripted_api() as running:
        build_world(running)
        yield running


@pytest.fixture
def cli(api: ScriptedApi) -> CommandLine:
    return CommandLine(api)
