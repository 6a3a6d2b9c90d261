"""The console script `egressway`: the nouns of the command line client, and the verbs that start
processes.

The client part speaks HTTP only and starts nothing; what starts is in `up`, `control` and `node`.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from egressway.cli.nouns import mount
from egressway.services.invitation import Invitation

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

JoinOption = Annotated[
    str | None,
    typer.Option(metavar="URL", help="Where the control plane lets servers in; commas separate."),
]
JoinTokenOption = Annotated[
    str | None,
    typer.Option(
        envvar="EGRESSWAY_JOIN_TOKEN", metavar="TOKEN", help="From `egressway server token NAME`."
    ),
]
ServerOption = Annotated[
    str | None, typer.Option(metavar="NAME", help="Name of this server in the fleet.")
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

    _end(run_until_stopped(config, data, demo=demo, new_operator_token=new_operator_token))


@app.command()
def control(
    config: ConfigOption = None,
    data: DataOption = None,
    new_operator_token: RollOption = False,
) -> None:
    """Start the control plane of a fleet, or one more replica of it; Ctrl-C stops it."""
    from egressway.services.control import run_control  # noqa: PLC0415

    _end(run_control(config, data, new_operator_token=new_operator_token))


@app.command()
def node(
    config: ConfigOption = None,
    data: DataOption = None,
    join: JoinOption = None,
    token: JoinTokenOption = None,
    server: ServerOption = None,
) -> None:
    """Start a server of a fleet; Ctrl-C stops it.

    The first start joins the fleet and needs `--join`, `--token` and `--server`; later ones do not.
    Started again while it runs, it takes over from the process that runs.
    """
    from egressway.services.node_run import run_node  # noqa: PLC0415

    _end(run_node(config, data, Invitation.given(join, token, server)))


@app.command("prepare-bus")
def prepare_bus(
    to: Annotated[Path, typer.Option(metavar="DIRECTORY", help="Where the files are written.")],
    host: Annotated[
        list[str],
        typer.Option(metavar="HOST", help="Name or address of the NATS server; may be repeated."),
    ],
    port: Annotated[int, typer.Option(help="Port the NATS server will listen on.")] = 4222,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Write what a NATS server needs to be the bus of this fleet: certificate, users, settings.

    Run it where the store can be reached; again after servers were added or revoked.
    """
    from egressway.services.bus_files import prepare_bus as prepare  # noqa: PLC0415

    _end(prepare(config, data, to, host, port))
    typer.echo(f"wrote the files; start it with `nats-server -c {to / 'nats.conf'}`")


def _end(problems: Sequence[str]) -> None:
    for problem in problems:
        typer.echo(f"egressway: {problem}", err=True)
    if problems:
        raise typer.Exit(1)


@app.command("version")
def show_version() -> None:
    """Print the version."""
    typer.echo(version("egressway"))


@app.command(
    "lab",
    add_help_option=False,
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
)
def lab(context: typer.Context) -> None:
    """A small internet on this machine, to try a fleet: `up`, `map`, `run`, `do`, `exec`, `down`."""
    # A group of its own would have to be loaded before its name is known to be meant.
    from egressway.lab.command import app as lab_app  # noqa: PLC0415

    lab_app(context.args, prog_name="egressway lab")


mount(app)


def run() -> None:
    """Entry point of the console script."""
    app()


if __name__ == "__main__":
    run()
