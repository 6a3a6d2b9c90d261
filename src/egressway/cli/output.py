"""What is printed and where: results to stdout, everything else to stderr.

JSON is written as it is, without colour or wrapping, keys in the order of the objects' fields. Ids
and addresses are never cut short: they are there to be copied.
"""

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

import msgspec
from rich.box import SIMPLE_HEAD
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

__all__ = [
    "Cell",
    "bool_text",
    "console",
    "print_details",
    "print_done",
    "print_json",
    "print_note",
    "print_problem",
    "print_renderable",
    "print_table",
    "safe_text",
    "time_text",
]

Cell = str | Text | None

# A pipe has no width of its own: wide enough for an id, a name and an address side by side.
PIPE_WIDTH = 160
UNLIMITED = 100_000
NOTHING = "-"
# Every control character but the end of a line.
VISIBLE_CONTROLS = {code: "\ufffd" for code in (*range(32), *range(127, 160)) if code != 10}


def console(*, stderr: bool = False) -> Console:
    """A console on the stream of this moment, as wide as the terminal or as a pipe deserves."""
    stream = sys.stderr if stderr else sys.stdout
    is_sized = stream.isatty() or "COLUMNS" in os.environ
    return Console(
        file=stream, width=None if is_sized else PIPE_WIDTH, highlight=False, soft_wrap=False
    )


def print_json(value: object) -> None:
    """The value as one indented JSON document, and nothing else."""
    encoded = msgspec.json.format(msgspec.json.encode(value), indent=2)
    sys.stdout.write(encoded.decode() + "\n")
    sys.stdout.flush()


def print_renderable(renderable: RenderableType) -> None:
    """Something that was laid out elsewhere."""
    _print(console(), renderable)


def print_table(columns: Sequence[str], rows: Iterable[Sequence[Cell]], if_empty: str) -> None:
    """Rows under headings; as blocks where the lines would be too long. No rows: a sentence."""
    listed = [[_cell(cell) for cell in row] for row in rows]
    if not listed:
        print_note(if_empty)
        return
    screen = console()
    table = _table(columns, listed)
    unlimited = screen.options.update(max_width=UNLIMITED)
    is_fitting = screen.measure(table, options=unlimited).maximum <= screen.width
    _print(screen, table if is_fitting else _blocks(columns, listed))


def print_details(details: Mapping[str, Cell]) -> None:
    """One object, a field a line; fields that are not set are left out."""
    grid = _grid()
    for name, cell in details.items():
        if cell is not None:
            grid.add_row(name, _cell(cell))
    _print(console(), grid)


def print_done(sentence: str) -> None:
    """What has been done, when there is no object left to show."""
    console().print(safe_text(sentence))


def print_note(sentence: str) -> None:
    """Something for the person at the terminal that is no result."""
    console(stderr=True).print(safe_text(sentence, "dim"))


def print_problem(what: str, why: Sequence[str], what_to_do: str) -> None:
    """What happened, why, and what to do about it."""
    lines = _grid()
    for number, reason in enumerate(why):
        lines.add_row("  why" if number == 0 else "", safe_text(reason))
    lines.add_row("  what to do", safe_text(what_to_do))
    errors = console(stderr=True)
    errors.print(safe_text(what, "bold red"))
    _print(errors, lines)


def safe_text(text: str, style: str = "") -> Text:
    """Text as it is: a name from the API can neither mark up nor steer the terminal."""
    return Text(text.translate(VISIBLE_CONTROLS), style=style)


def time_text(at: datetime | None) -> str | None:
    """A moment in UTC, to the second."""
    return None if at is None else at.strftime("%Y-%m-%d %H:%M:%S UTC")


def bool_text(value: bool | None) -> str | None:
    """Yes, no, or not set."""
    return None if value is None else "yes" if value else "no"


def _table(columns: Sequence[str], rows: Sequence[Sequence[Text]]) -> Table:
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), header_style="bold")
    for column in columns:
        table.add_column(column, no_wrap=True)
    for row in rows:
        table.add_row(*row)
    return table


def _blocks(columns: Sequence[str], rows: Sequence[Sequence[Text]]) -> Table:
    # An address that is broken in two cannot be copied; a narrow terminal gets a field a line.
    grid = _grid()
    for number, row in enumerate(rows):
        if number:
            grid.add_row("", "")
        for column, cell in zip(columns, row, strict=True):
            grid.add_row(column, cell)
    return grid


def _grid() -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    return grid


def _print(where: Console, what: RenderableType) -> None:
    # A table fills its last column with blanks, which would be copied along with it.
    with where.capture() as captured:
        where.print(what)
    for line in captured.get().splitlines():
        where.file.write(line.rstrip() + "\n")
    where.file.flush()


def _cell(cell: Cell) -> Text:
    return cell if isinstance(cell, Text) else safe_text(cell if cell else NOTHING)
