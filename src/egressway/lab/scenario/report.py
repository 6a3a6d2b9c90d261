"""What a scenario prints: its title, each step as it is taken, each table with what was got."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from egressway.lab.scenario.compare import Comparison

__all__ = ["Report"]

_COLOURS = {"ok": "green", "differs": "red", "missing": "red", "unexpected": "red"}
_WIDTH_OF_A_PIPE = 180


class Report:
    """Prints as things happen."""

    def __init__(self, console: Console | None = None) -> None:
        width = None if sys.stdout.isatty() else _WIDTH_OF_A_PIPE
        self._console = console or Console(width=width, highlight=False)

    def title(self, title: str, prose: str) -> None:
        """The head of a scenario."""
        self._console.print()
        self._console.print(Text(title, style="bold"))
        if prose:
            self._console.print(Text(prose, style="dim"))

    def step(self, text: str) -> None:
        """Something is about to be done."""
        self._console.print(Text(f"  {text}"))

    def table(self, heading: str, comparison: Comparison) -> None:
        """A line for each row; a cell is what was expected, and `| got` where that reads differently."""
        table = Table(box=SIMPLE_HEAD, pad_edge=False)
        for name in ("", *comparison.columns):
            table.add_column(name, no_wrap=True)
        for verdict, expected, got in comparison.rows:
            cells = (_cell(*pair) for pair in zip(expected, got, strict=True))
            table.add_row(Text(verdict, style=_COLOURS[verdict]), *map(Text, cells))
        self._console.print(f"  then {heading}")
        for line in self._lines(table):
            self._console.print(Text.from_ansi(line.rstrip()))

    def notes(self, notes: Sequence[str]) -> None:
        """What explains a table."""
        for each in notes:
            self._console.print(Text(f"  {each}", style="red"))

    def facts(self, facts: Sequence[tuple[str, bool]]) -> None:
        """What holds at the end of every scenario."""
        for text, holds in facts:
            mark = Text("ok    " if holds else "FAILS ", style="green" if holds else "bold red")
            self._console.print(mark + Text(text))

    def verdict(self, title: str, holds: bool, seconds: float) -> None:
        """The last line."""
        word = "passed" if holds else "FAILED"
        style = "bold green" if holds else "bold red"
        self._console.print(Text(f"{word} in {seconds:.1f} s: {title}", style=style))

    def _lines(self, table: Table) -> list[str]:
        with self._console.capture() as captured:
            self._console.print(table)
        return captured.get().splitlines()


def _cell(expected: str, got: str) -> str:
    if expected == got or not (expected and got):
        return expected or got
    return f"{expected} | {got}"
