"""The console script `egressway`: the nouns of the command line client, and the verbs that start
processes.

The client part speaks HTTP only and starts nothing; what starts is here.
"""

from __future__ import annotations

import dataclasses
import os
import signal
import sys
import threading
from importlib.metadata import version
from ipaddress import ip_network
from pathlib import Path
from types import FrameType
from typing import Annotated, Final

import typer

from egressway.cli.nouns import mount
from egressway.data_plane.handle import DataPlaneHandle
from egressway.services.all_in_one import AllInOne
from egressway.services.configuration import (
    Configuration,
    ConfigurationError,
    load_configuration,
)
from egressway.services.demo_run import DemoRun
from egressway.services.log import set_up_logging
from egressway.services.start_error import StartError

__all__ = ["app", "run"]

_LOOPBACK: Final = ip_network("127.0.0.0/8")

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
    try:
        configuration = load_configuration(config, data, os.environ)
        set_up_logging(configuration.log)
        _serve(configuration, demo=demo, new_operator_token=new_operator_token)
    except ConfigurationError as refused:
        _fail(refused.problems)
    except StartError as failure:
        _fail([str(failure)])


@app.command("version")
def show_version() -> None:
    """Print the version."""
    typer.echo(version("egressway"))


mount(app)


def run() -> None:
    """Entry point of the console script."""
    app()


def _serve(configuration: Configuration, *, demo: bool, new_operator_token: bool) -> None:
    asked_to_stop = _on_signals()
    if demo:
        configuration = _reaching_loopback(configuration)
    egressway = AllInOne(configuration, _native_data_plane)
    egressway.start(roll_operator_token=new_operator_token)
    try:
        _tell_where(egressway, configuration)
        if demo:
            with DemoRun(egressway, configuration) as made:
                _tell(made.lines())
                asked_to_stop.wait()
        else:
            asked_to_stop.wait()
    finally:
        _tell(["stopping"])
        egressway.stop()


def _on_signals() -> threading.Event:
    """Set by the first SIGINT or SIGTERM; a second one ends the process at once."""
    asked_to_stop = threading.Event()

    def ask(number: int, _frame: FrameType | None) -> None:
        if asked_to_stop.is_set():
            os._exit(128 + number)
        asked_to_stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, ask)
    return asked_to_stop


def _reaching_loopback(configuration: Configuration) -> Configuration:
    """The demo's origin is on this machine, where records may usually not lead."""
    egress = configuration.egress
    allowed = tuple(dict.fromkeys((*egress.allowed_origins, _LOOPBACK)))
    return dataclasses.replace(
        configuration, egress=dataclasses.replace(egress, allowed_origins=allowed)
    )


def _native_data_plane(configuration: Configuration) -> DataPlaneHandle:
    # Imported when it is needed: the client commands work where no data plane can be loaded.
    from egressway.data_plane.native import NativeDataPlane  # noqa: PLC0415

    return NativeDataPlane(
        workers=configuration.data_plane.workers,
        log_buffer_bytes=configuration.access_log.buffer_bytes,
        access_log=configuration.access_log.to != "off",
    )


def _tell_where(egressway: AllInOne, configuration: Configuration) -> None:
    http = [f"http://{address}:{port}" for address, port in egressway.ingress(tls=False)]
    https = [f"https://{address}:{port}" for address, port in egressway.ingress(tls=True)]
    _tell(
        [
            f"egressway {version('egressway')} is up; Ctrl-C stops it",
            f"  API    {egressway.api_url}/client/v4",
            f"  HTTP   {', '.join(http) or 'none'}",
            f"  HTTPS  {', '.join(https) or 'none'}",
            f"  data   {configuration.data} (operator token: admin-token)",
        ]
    )


def _tell(lines: list[str]) -> None:
    typer.echo("\n".join(lines))
    sys.stdout.flush()


def _fail(problems: list[str] | tuple[str, ...]) -> None:
    for problem in problems:
        typer.echo(f"egressway: {problem}", err=True)
    raise typer.Exit(1)


if __name__ == "__main__":
    run()
