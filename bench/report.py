"""Renders a run: a table for the terminal, and Markdown, JSON and a plot for `bench/results/`.

A stored result is rendered again with `python -m bench.report bench/results/<name>.json`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from bench.aims import aims
from bench.cases import CASES
from bench.index import NEWEST, write_index
from bench.markdown import markdown
from bench.plot import plot
from bench.result import Run
from bench.summary import Summary, summarize
from bench.targets import REFERENCE, TARGETS

Say = Callable[[str], None]


def write(run: Run, folder: Path) -> list[Path]:
    """Write `<date>-<commit>.{json,md,png}`, `results.json` and the index; returns the paths.

    A quick run has `-quick` in its name and says `quick: true`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    stem = _stem(run)
    content = msgspec.json.format(msgspec.json.encode(run), indent=1)
    source, newest = folder / f"{stem}.json", folder / NEWEST
    source.write_bytes(content)
    newest.write_bytes(content)
    return [source, newest, *render(run, source), write_index(folder)]


def render(run: Run, source: Path) -> list[Path]:
    """Write the Markdown page and, where requests were measured, the plot beside `source`."""
    summaries = summarize(run, REFERENCE.name)
    page, picture = source.with_suffix(".md"), source.with_suffix(".png")
    plot(run, summaries, picture)
    page.write_text(markdown(run, summaries, aims(run, summaries), picture.name))
    return [page, picture]


def show(run: Run, console: Console) -> None:
    """Print the tables."""
    summaries = summarize(run, REFERENCE.name)
    for case in CASES:
        found = [each for each in summaries if each.case == case.name]
        if found:
            console.print(_case_table(case.title, found))
    console.print(_aim_table(run, summaries))
    for failure in run.failures:
        console.print(f"[red]{failure}[/red]")


def _stem(run: Run) -> str:
    started = datetime.fromisoformat(run.setup.started_at)
    suffix = "-quick" if run.setup.quick else ""
    return f"{started:%Y-%m-%d}-{run.setup.commit}{suffix}"


def _case_table(title: str, found: list[Summary]) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column("target")
    for column in ("requests/s", "ratio", "p50 us", "p99 us", "CPU us (user)", "origin", "failed"):
        table.add_column(column, justify="right")
    for row in _rows(found):
        table.add_row(*row)
    return table


def _rows(found: list[Summary]) -> Iterator[list[str]]:
    by_name = {each.target: each for each in found}
    for target in TARGETS:
        if each := by_name.get(target.name):
            yield [
                target.title,
                f"{each.requests_per_second:,.0f}",
                f"{each.rate_ratio.middle:.2f}" if each.rate_ratio is not None else "-",
                f"{each.p50_us:,.0f}",
                f"{each.p99_us:,.0f}",
                f"{each.cpu_us:.1f} ({each.cpu_user_us:.1f})",
                str(each.origin_connections),
                str(each.failed),
            ]


def _aim_table(run: Run, summaries: list[Summary]) -> Table:
    table = Table(title="Aims", title_justify="left")
    for column in ("aim", "found", "verdict"):
        table.add_column(column)
    for aim in aims(run, summaries):
        table.add_row(aim.text, aim.found, aim.verdict)
    return table


if __name__ == "__main__":
    for name in sys.argv[1:]:
        path = Path(name)
        render(msgspec.json.decode(path.read_bytes(), type=Run), path)
