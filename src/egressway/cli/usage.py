"""`egressway usage`: how full every egress address is towards every origin, once or live."""

import signal
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from types import FrameType
from typing import Annotated

import msgspec
import typer
from rich.live import Live

from egressway.cli.command import AccountOption, JsonOption, command
from egressway.cli.output import console, print_json, print_note, print_renderable
from egressway.cli.scope import accounts_in_scope
from egressway.cli.usage_table import Sample, busiest_first, usage_table, watch_view
from egressway.client import Client, ClientError, NotAuthenticatedError, NotPermittedError
from egressway.client.objects import UsageRow

__all__ = ["mount"]

Look = Callable[[], list[UsageRow]]
WatchOption = Annotated[bool, typer.Option("--watch", "-w", help="Keep showing it; Ctrl-C ends.")]
IntervalOption = Annotated[float, typer.Option(min=0.1, help="Seconds between two looks.")]


def mount(root: typer.Typer) -> None:
    """Add the command to the root command."""
    command(root, "usage")(show_usage)


def show_usage(
    client: Client,
    account: AccountOption = None,
    watch: WatchOption = False,
    interval: IntervalOption = 1.0,
    as_json: JsonOption = False,
) -> None:
    """Show connections and utilization per egress IP and origin.

    With `--watch` a live table, the busiest on top; with `--watch --json` a line of JSON per look.
    """
    if watch and not as_json and not console().is_terminal:
        raise typer.BadParameter("`--watch` needs a terminal; into a pipe use `--watch --json`")
    account_ids = [one.id for one in accounts_in_scope(client, account)]

    def look() -> list[UsageRow]:
        return busiest_first([row for one in account_ids for row in client.measurements.usage(one)])

    if not watch:
        _print_once(look(), as_json)
    elif as_json:
        _until_interrupted(lambda: _print_line(look()), interval)
    else:
        _watch(look, interval)


def _print_once(rows: list[UsageRow], as_json: bool) -> None:
    if as_json:
        print_json(rows)
    elif rows:
        print_renderable(usage_table(rows, console().width))
    else:
        print_note("No egress address has been used yet.")


def _print_line(rows: list[UsageRow]) -> None:
    sys.stdout.write(msgspec.json.encode(rows).decode() + "\n")
    sys.stdout.flush()


def _watch(look: Look, interval: float) -> None:
    screen = console()
    watcher = Watcher(look)
    with Live(console=screen, auto_refresh=False, vertical_overflow="crop") as live:

        def refresh() -> None:
            watcher.look()
            now = datetime.now(UTC)
            view = watch_view(watcher.last.rows, watcher.rates, now, screen.size, watcher.problem)
            live.update(view, refresh=True)

        _until_interrupted(refresh, interval)


def _until_interrupted(act: Callable[[], None], interval: float) -> None:
    """Act, wait, again; Ctrl-C is the way out and no error.

    An exception out of a signal handler could be raised, and lost, anywhere in what `act` calls, so
    the first Ctrl-C only asks for the end. A second one interrupts whatever does not come to it.
    """
    is_over = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        is_over.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)

    before = signal.signal(signal.SIGINT, end)
    try:
        while not is_over.is_set():
            act()
            is_over.wait(interval)
    except KeyboardInterrupt:
        return
    finally:
        signal.signal(signal.SIGINT, before)


class Watcher:
    """Keeps the last sample, and keeps it when the API cannot be reached for a while."""

    def __init__(self, look: Look) -> None:
        self._look = look
        self.last = Sample((), 0.0)
        self.rates: dict[tuple[str, str, str], float] = {}
        self.problem: ClientError | None = None

    def look(self) -> None:
        """Take another sample; a passing failure is shown, a lasting one is raised."""
        try:
            sample = Sample(self._look(), time.monotonic())
        except (NotAuthenticatedError, NotPermittedError):
            raise
        except ClientError as error:
            self.problem = error
            return
        self.rates = sample.opened_per_second(self.last if self.last.rows else None)
        self.last = sample
        self.problem = None
