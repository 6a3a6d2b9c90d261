"""`egressway lab`: the commands, and what they print."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from egressway.lab.drawing import draw_map
from egressway.lab.errors import LabError
from egressway.lab.files import default_topology, read_scenario, tour
from egressway.lab.lab import Lab, remove_lab
from egressway.lab.lines import parse_line
from egressway.lab.namespaces import Namespace
from egressway.lab.requirements import check_requirements
from egressway.lab.run_directory import DEFAULT, PREFIX
from egressway.lab.scenario.clients import Clients
from egressway.lab.scenario.perform import Performer
from egressway.lab.scenario.record import Record
from egressway.lab.scenario.report import Report
from egressway.lab.scenario.steps import parse_step
from egressway.lab.stage import Stage
from egressway.lab.topology import Topology, parse_topology
from egressway.lab.tries import things_to_try

__all__ = ["app"]

app = typer.Typer(
    help="A small internet on this machine: locations, data centers, servers, origins. Needs root.",
    no_args_is_help=True,
)


@app.command()
def up(
    topology: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="A topology; else the usual one.")
    ] = None,
) -> None:
    """Build it and start everything; it stays up until `lab down`."""
    with _told(), DEFAULT.locked():
        check_requirements()
        chosen = default_topology() if topology is None else _read_topology(topology)
        lab = Lab(chosen)
        lab.up(tour().given, _say)
        _print(["", *draw_map(lab.topology, lab.plan), "", *things_to_try(lab)])


@app.command()
def down() -> None:
    """Take it away: processes, namespaces, files."""
    with _told(), DEFAULT.locked():
        check_requirements()
        remove_lab()
        _say("the lab is gone")


@app.command("map")
def show_map() -> None:
    """Draw it, and say what there is to try."""
    with _told():
        lab = Lab.running()
        _print([*draw_map(lab.topology, lab.plan), "", *things_to_try(lab)])


@app.command()
def run(
    files: Annotated[
        list[Path] | None, typer.Argument(metavar="FILE", help="Scenario files; else a short tour.")
    ] = None,
) -> None:
    """Run scenario files and print their tables; a lab is built for them when none is up."""
    with _told():
        check_requirements()
        scenarios = [read_scenario(each) for each in files] if files else [tour()]
        report = Report()
        with Stage(_say) as stage:
            # All of them, also after one that failed.
            verdicts = [stage.run(scenario, report) for scenario in scenarios]
    if not all(verdicts):
        raise typer.Exit(1)


@app.command("do")
def do_step(
    words: Annotated[list[str], typer.Argument(metavar="STEP", help="Like `kill lisbon-1a`.")],
) -> None:
    """Take one step, as in a scenario's `when:`."""
    with _told(), DEFAULT.locked():
        check_requirements()
        lab = Lab.running()
        line = parse_line(shlex.join(words), 1)
        if line is None:
            raise LabError("a step is missing.")
        clients, record = Clients(lab.plan, lab.directory), Record()
        try:
            Performer(lab, clients, record).perform(parse_step(line, lab.topology), line.text)
        finally:
            clients.end()
        for each in record.block:
            _say(f"{each.status} {each.error or ''} seen from {each.seen_ip}:{each.seen_port}")


@app.command(
    "exec", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False}
)
def execute(
    place: Annotated[str, typer.Argument(help="A server, router, origin, `core`, `client-...`.")],
    words: Annotated[list[str], typer.Argument(metavar="COMMAND")],
) -> None:
    """Run a command somewhere in the lab; `egressway` finds its API and token there."""
    with _told():
        lab = Lab.running()
        namespace = Namespace(f"{PREFIX}{place}")
        if not namespace.path.exists():
            raise LabError(f"there is no `{place}` in the lab; see `egressway lab map`.")
        os.environ["EGRESSWAY_URL"] = lab.api.url
        os.environ["EGRESSWAY_TOKEN_FILE"] = str(lab.core.operator_token)
        os.environ["PATH"] = f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}"
        command = namespace.entering(*words)
        os.execvp(command[0], command)  # noqa: S606


@contextmanager
def _told() -> Iterator[None]:
    """Errors are a sentence, not a trace."""
    try:
        yield
    except LabError as error:
        typer.echo(f"egressway: {error}", err=True)
        raise typer.Exit(1) from error


def _read_topology(path: Path) -> Topology:
    try:
        return parse_topology(path.read_text("utf-8"))
    except OSError as failure:
        raise LabError(f"`{path}` cannot be read: {failure.strerror}.") from failure


def _say(text: str) -> None:
    typer.echo(text)


def _print(lines: Sequence[str]) -> None:
    typer.echo("\n".join(lines))
