"""The console script `egressway`: the nouns of the command line client, and the verbs that start
processes.

The client part speaks HTTP only and starts nothing; what starts is in `up`.
"""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from egressway.cli.nouns import mount

__all__ = ["app", "run"]

app = typer.Typer(
    name="egressway",
    help="Dedicated egress IPs: start Egressway (`up`), or speak to a running one.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    # Locals may hold tokens.
    pretty_exceptions_show_locals=False,
)

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="TOML file; else `egressway.toml` in the data directory if it is there.",
    ),
]
DataOption = Annotated[
    Path | None,
    typer.Option(metavar="DIRECTORY", help="Else `data` of the configuration."),
]
DemoOption = Annotated[
    bool,
    typer.Option("--demo", help="Start a demo origin and make an account with two zones for it."),
]
RollOption = Annotated[
    bool,
    typer.Option("--new-operator-token", help="Replace the operator's token; the old one ends."),
]


@app.command()
def up(
    config: ConfigOption = None,
    data: DataOption = None,
    demo: DemoOption = False,
    new_operator_token: RollOption = False,
) -> None:
    """Start the whole of Egressway on this machine; Ctrl-C stops it."""
    # Imported when it is needed: loading the server takes five times as long as a client command.
    from egressway.services.up import run_until_stopped  # noqa: PLC0415

    problems = run_until_stopped(config, data, demo=demo, new_operator_token=new_operator_token)
    for problem in problems:
        typer.echo(f"egressway: {problem}", err=True)
    if problems:
        raise typer.Exit(1)


@app.command("version")
def show_version() -> None:
    """Print the version."""
    typer.echo(version("egressway"))


mount(app)


def run() -> None:
    """Entry point of the console script."""
    app()


if __name__ == "__main__":
    run()
