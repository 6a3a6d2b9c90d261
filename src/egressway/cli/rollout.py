"""`egressway rollout`: let changes reach some servers before the others."""

from typing import Annotated

import typer

from egressway.cli.command import JsonOption, YesOption, command, confirm, noun
from egressway.cli.output import print_details, print_json, print_table
from egressway.client import Client
from egressway.client.objects import Rollout, RolloutStage

__all__ = ["mount"]

app = noun("How far a change goes by itself; needs the operator's token.")


def mount(root: typer.Typer) -> None:
    """Add the noun to the root command."""
    root.add_typer(app, name="rollout")


@command(app, "show")
def show_rollout(client: Client, as_json: JsonOption = False) -> None:
    """Show how far changes go."""
    show(client.rollout.get(), as_json)


@command(app, "start")
def start_rollout(client: Client, as_json: JsonOption = False) -> None:
    """Let no further change go anywhere by itself."""
    show(client.rollout.start(), as_json)


@command(app, "advance")
def advance_rollout(
    client: Client,
    *,
    server: Annotated[list[str] | None, typer.Option(help="A server that goes ahead.")] = None,
    data_center: Annotated[
        list[str] | None, typer.Option(help="A data center whose servers go ahead.")
    ] = None,
    everyone: Annotated[bool, typer.Option("--all", help="All servers go.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Let some servers, or all, go to the newest revision there is."""
    if not (server or data_center or everyone):
        raise typer.BadParameter("give `--server`, `--data-center` or `--all`")
    show(
        client.rollout.advance(
            servers=server or (), data_centers=data_center or (), everyone=everyone
        ),
        as_json,
    )


@command(app, "stop")
def stop_rollout(client: Client, as_json: JsonOption = False) -> None:
    """Let no server go further, and none back."""
    show(client.rollout.stop(), as_json)


@command(app, "resume")
def resume_rollout(client: Client, as_json: JsonOption = False) -> None:
    """Go on with a rollout that was stopped, or begin again with one that was taken back."""
    show(client.rollout.resume(), as_json)


@command(app, "back")
def take_back_rollout(client: Client, yes: YesOption = False, as_json: JsonOption = False) -> None:
    """Return every server to the stable revision."""
    confirm("Return every server to the stable revision?", yes)
    show(client.rollout.back(), as_json)


@command(app, "finish")
def finish_rollout(client: Client, yes: YesOption = False, as_json: JsonOption = False) -> None:
    """Let every change reach every server at once again."""
    confirm("Let everything that waits reach every server now?", yes)
    show(client.rollout.finish(), as_json)


def show(rollout: Rollout, as_json: bool) -> None:
    """The document, as JSON or for people."""
    if as_json:
        return print_json(rollout)
    if rollout.mode == "immediate":
        return print_details({"Mode": "immediate: every change reaches every server at once"})
    print_details(
        {
            "Mode": "staged",
            "State": rollout.state,
            "Stable": str(rollout.stable),
            "Reason": rollout.reason or "-",
        }
    )
    rows = [(whom(stage), str(stage.revision)) for stage in rollout.stages]
    print_table(("Ahead", "Up to revision"), rows, "No server is ahead.")


def whom(stage: RolloutStage) -> str:
    """Whom a stage is about."""
    return "all" if stage.all else ", ".join((*stage.servers, *stage.data_centers))
