"""How a command is made: connect a client, run the function, say what went wrong.

    @command(app, "list")
    def list_zones(client: Client, as_json: JsonOption = False) -> None: ...

The first parameter is filled here; `--url` and `--token-file` take its place on the command line.
"""

import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Concatenate, ParamSpec, cast

import typer

from egressway.cli import output
from egressway.client import Client, ClientError

__all__ = ["AccountOption", "JsonOption", "YesOption", "command", "confirm", "noun"]

P = ParamSpec("P")

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
AccountOption = Annotated[
    str | None,
    typer.Option(
        "--account",
        envvar="EGRESSWAY_ACCOUNT",
        metavar="ACCOUNT",
        help="Name or id of the account; needed only when the token sees several.",
    ),
]

UrlOption = Annotated[
    str | None,
    typer.Option(
        "--url",
        metavar="URL",
        help="Where the API is; else `EGRESSWAY_URL`, else this machine.",
        rich_help_panel="Connection",
        show_default=False,
    ),
]
TokenFileOption = Annotated[
    Path | None,
    typer.Option(
        "--token-file",
        metavar="FILE",
        help="File with the token; else `EGRESSWAY_TOKEN`, `EGRESSWAY_TOKEN_FILE`, "
        "`admin-token` in the data directory.",
        rich_help_panel="Connection",
        show_default=False,
    ),
]


def noun(help: str) -> typer.Typer:
    """A group of commands about one kind of object."""
    return typer.Typer(help=help, no_args_is_help=True)


def command(
    app: typer.Typer, name: str
) -> Callable[[Callable[Concatenate[Client, P], None]], Callable[Concatenate[Client, P], None]]:
    """Register a function as the command `name` of `app`, and leave the function as it is."""

    def register(
        function: Callable[Concatenate[Client, P], None],
    ) -> Callable[Concatenate[Client, P], None]:
        app.command(name, help=inspect.getdoc(function))(_connected(function))
        return function

    return register


def confirm(question: str, is_yes: bool) -> None:
    """Ask before something is lost; leaves with code 1 unless the answer is yes."""
    if is_yes:
        return
    # Not `typer.confirm`: it writes a blank to stdout, which belongs to results alone.
    sys.stderr.write(f"{question} [y/N]: ")
    sys.stderr.flush()
    answer = sys.stdin.readline()
    if answer.strip().lower() in ("y", "yes"):
        return
    if answer:
        output.print_note("Nothing was done.")
    else:
        sys.stderr.write("\n")
        why = ["There was no answer."]
        output.print_problem("Nothing was done.", why, "Answer, or add `--yes`.")
    raise typer.Exit(1)


def _connected(function: Callable[Concatenate[Client, P], None]) -> Callable[..., None]:
    # Typer calls with keywords that the signature below describes; no type can say so.
    start = cast("Callable[..., None]", function)

    def run(url: str | None, token_file: Path | None, **options: object) -> None:
        try:
            with Client.open(url, token_file=token_file) as client:
                start(client, **options)
        except ClientError as error:
            output.print_problem(error.what, error.why, error.what_to_do)
            raise typer.Exit(1) from error

    # The command line is read from the signature: the function's own, with the client's place
    # taken by what it takes to connect one.
    signature = inspect.signature(function, eval_str=True)
    own = list(signature.parameters.values())[1:]
    parameters = [*own, _keyword("url", UrlOption), _keyword("token_file", TokenFileOption)]
    run.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in parameters]
    )
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run


def _keyword(name: str, annotation: object) -> inspect.Parameter:
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation
    )
