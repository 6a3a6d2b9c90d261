"""How usage looks: a bar per egress IP and origin, coloured by how full it is.

Pure: rows in, something to print out; `usage` asks the API and keeps the time.
"""

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from rich.bar import Bar
from rich.box import SIMPLE_HEAD
from rich.console import ConsoleDimensions, Group, RenderableType
from rich.table import Table
from rich.text import Text

from egressway.cli.output import safe_text
from egressway.client import ClientError
from egressway.client.objects import UsageRow

__all__ = ["Sample", "busiest_first", "colour_of", "usage_table", "watch_view"]

# Below this many columns the counts that explain least are left out and the bar is shorter.
FULL_WIDTH = 110
BAR_WIDTH, SHORT_BAR_WIDTH = 20, 10
EMPTY_BAR = "grey30"
# From how many percent on a bar has which colour; planning aims below the first.
COLOURS = ((95.0, "red"), (80.0, "dark_orange"), (60.0, "yellow"), (0.0, "green"))

Key = tuple[str, str, str]
Rates = Mapping[Key, float]


@dataclass(frozen=True, slots=True)
class Sample:
    """What was seen at a moment of the monotonic clock."""

    rows: Sequence[UsageRow]
    seconds: float

    def opened_per_second(self, before: "Sample | None") -> dict[Key, float]:
        """New connections per second since an earlier sample; nothing for rows not in both."""
        if before is None or before.seconds >= self.seconds:
            return {}
        opened = {key_of(row): row.opened for row in before.rows}
        elapsed = self.seconds - before.seconds
        return {
            key_of(row): max(0, row.opened - opened[key_of(row)]) / elapsed
            for row in self.rows
            if key_of(row) in opened
        }


def key_of(row: UsageRow) -> Key:
    """What makes a row the same row in the next sample."""
    return (row.account_id, row.egress_ip, row.origin)


def busiest_first(rows: Sequence[UsageRow]) -> list[UsageRow]:
    """By utilization, then by address as a number."""
    return sorted(rows, key=lambda row: (-row.utilization, *_as_numbers(row), row.origin))


def colour_of(utilization: float) -> str:
    """The colour of a bar, from its percent."""
    return next(colour for least, colour in COLOURS if utilization >= least or least == 0.0)


def usage_table(rows: Sequence[UsageRow], width: int, rates: Rates | None = None) -> Table:
    """A row per egress IP and origin; with `rates` openings per second stand for their total."""
    is_full = width >= FULL_WIDTH
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), header_style="bold")
    table.add_column("Egress IP", overflow="fold")
    table.add_column("Origin", overflow="fold")
    table.add_column("Used", width=BAR_WIDTH if is_full else SHORT_BAR_WIDTH, no_wrap=True)
    opened = "Opened" if rates is None else "Opened/s"
    more = ("Peak", "Capacity", "Reused") if is_full else ()
    for heading in ("%", "In use", opened, "Refused", *more):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        cells = [*_cells(row, rates), *(_more_cells(row) if is_full else [])]
        table.add_row(*cells)
    return table


def watch_view(
    rows: Sequence[UsageRow],
    rates: Rates,
    at: datetime,
    size: ConsoleDimensions,
    problem: ClientError | None,
) -> RenderableType:
    """What fits on a screen: the busiest rows, how many more there are, the time, what is wrong."""
    # Six lines are taken by headings, rules and the lines below the table.
    shown = rows[: max(1, size.height - 6)]
    parts: list[RenderableType] = [usage_table(shown, size.width, rates)]
    if len(shown) < len(rows):
        parts.append(Text(f"and {len(rows) - len(shown)} less busy"))
    if not rows:
        parts.append(Text("No egress address has been used yet."))
    if problem is not None:
        parts.append(safe_text(" ".join([problem.what, *problem.why]), "red"))
    parts.append(Text(f"{at:%H:%M:%S} UTC, Ctrl-C ends", style="dim"))
    return Group(*parts)


def _cells(row: UsageRow, rates: Rates | None) -> list[RenderableType]:
    colour = colour_of(row.utilization)
    rate = None if rates is None else rates.get(key_of(row))
    per_second = "-" if rate is None else f"{rate:,.0f}"
    return [
        safe_text(row.egress_ip),
        safe_text(row.origin),
        Bar(100, 0, min(row.utilization, 100.0), color=colour, bgcolor=EMPTY_BAR),
        Text(f"{row.utilization:.1f}", style=colour),
        Text(f"{row.current:,}"),
        Text(f"{row.opened:,}" if rates is None else per_second),
        Text(f"{row.refused:,}", style="bold red" if row.refused else ""),
    ]


def _more_cells(row: UsageRow) -> list[RenderableType]:
    return [Text(f"{count:,}") for count in (row.peak, row.capacity, row.reused)]


def _as_numbers(row: UsageRow) -> tuple[int, int]:
    address = ipaddress.ip_address(row.egress_ip)
    return address.version, int(address)
