"""`egressway placement`: which server may open connections from which ports of an address."""

from typing import Annotated

import typer

from egressway.cli.command import JsonOption, YesOption, command, confirm, noun
from egressway.cli.output import print_details, print_done, print_json, print_table, time_text
from egressway.client import Client
from egressway.client.objects import Move, Placement

__all__ = ["mount"]

app = noun("Which server has which ports of an address; needs the operator's token.")
IpArgument = Annotated[str, typer.Argument(metavar="IP", help="Address, or id of its lease.")]
DeadlineOption = Annotated[
    int | None,
    typer.Option(
        "--deadline",
        metavar="SECONDS",
        help="How long former owners keep established connections; else one hour.",
    ),
]


def mount(root: typer.Typer) -> None:
    """Add the noun to the root command."""
    root.add_typer(app, name="placement")


@command(app, "list")
def list_placements(client: Client, as_json: JsonOption = False) -> None:
    """List who has which ports, of every leased address."""
    placements = client.placements.list()
    if as_json:
        return print_json(placements)
    rows = [
        (
            each.ip,
            "\n".join(slice.ports for slice in each.slices) or _nobody(each),
            "\n".join(slice.server for slice in each.slices),
            "\n".join(slice.location for slice in each.slices),
            "draining" if each.is_draining else "",
        )
        for each in placements
    ]
    print_table(("IP", "Ports", "Server", "Location", "State"), rows, "No IP is leased yet.")


@command(app, "get")
def get_placement(client: Client, ip: IpArgument, as_json: JsonOption = False) -> None:
    """Show who has which ports of an address."""
    show(client.placements.get(ip), as_json)


@command(app, "set")
def set_placement(
    client: Client,
    *,
    ip: IpArgument,
    server: Annotated[
        list[str] | None, typer.Option(metavar="NAME=PORTS", help="So many ports for a server.")
    ] = None,
    data_center: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=PORTS", help="So many for the servers of a data center."),
    ] = None,
    slice: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=LOW-HIGH", help="These very ports for a server."),
    ] = None,
    nobody: Annotated[bool, typer.Option("--nobody", help="Take the address from all.")] = False,
    deadline: DeadlineOption = None,
    as_json: JsonOption = False,
) -> None:
    """Split an address: by shares, or by ports written out. Nobody else keeps any."""
    has_shares = bool(server or data_center)
    if [has_shares, bool(slice), nobody].count(True) != 1:
        raise typer.BadParameter(
            "give shares (`--server`, `--data-center`), `--slice` or `--nobody`"
        )
    if slice:
        slices = [_pair(each, "--slice") for each in slice]
        show(client.placements.set_slices(ip, slices, deadline_seconds=deadline), as_json)
        return
    placed = client.placements.set_shares(
        ip,
        servers=_shares(server, "--server"),
        data_centers=_shares(data_center, "--data-center"),
        deadline_seconds=deadline,
    )
    show(placed, as_json)


@command(app, "move")
def move_ports(
    client: Client,
    *,
    ip: IpArgument,
    source: Annotated[str, typer.Argument(metavar="FROM", help="The server that has the ports.")],
    target: Annotated[str, typer.Argument(metavar="TO", help="The server that gets them.")],
    ports: Annotated[
        str | None, typer.Option(metavar="LOW-HIGH", help="Only these; else all it has.")
    ] = None,
    deadline: DeadlineOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give ports of one server to another; established connections stay until they are done."""
    moves = client.placements.move(
        ip, source=source, target=target, ports=ports, deadline_seconds=deadline
    )
    show_moves(list(moves), as_json)


@command(app, "moves")
def list_moves(client: Client, ip: IpArgument, as_json: JsonOption = False) -> None:
    """List the moves of an address that are not finished."""
    show_moves(list(client.placements.moves(ip)), as_json)


@command(app, "finish")
def finish_move(
    client: Client,
    ip: IpArgument,
    move: Annotated[str, typer.Argument(metavar="MOVE", help="Id of the move.")],
    yes: YesOption = False,
) -> None:
    """Finish a move now; connections that the former owner still has may break."""
    confirm(f"Finish the move `{move}` of `{ip}`?", yes)
    client.placements.finish_move(ip, move)
    print_done(f"Finished the move `{move}` of `{ip}`.")


@command(app, "drain")
def drain_placement(client: Client, ip: IpArgument, as_json: JsonOption = False) -> None:
    """Open nothing new from an address, on any server."""
    show(client.placements.drain(ip), as_json)


@command(app, "activate")
def activate_placement(client: Client, ip: IpArgument, as_json: JsonOption = False) -> None:
    """Take the drain of an address back."""
    show(client.placements.activate(ip), as_json)


def show(placement: Placement, as_json: bool) -> None:
    """One placement, as JSON or for people."""
    if as_json:
        return print_json(placement)
    slices = [
        f"{each.ports} on {each.server} ({each.data_center}, {each.location})"
        for each in placement.slices
    ]
    print_details(
        {
            "IP": placement.ip,
            "Account": placement.account_id,
            "Ports": str(placement.ports),
            "Slices": "\n".join(slices) or _nobody(placement),
            "Default": "yes" if placement.is_default else "no",
            "Draining": "yes" if placement.is_draining else "no",
        }
    )


def show_moves(moves: list[Move], as_json: bool) -> None:
    """Moves, as JSON or for people."""
    if as_json:
        return print_json(moves)
    rows = [
        (each.ports, each.source, _target(each), time_text(each.deadline), each.id)
        for each in moves
    ]
    print_table(("Ports", "From", "To", "Until", "Id"), rows, "Nothing is being moved.")


def _target(move: Move) -> str:
    return "nobody" if move.target == move.source else move.target


def _nobody(placement: Placement) -> str:
    return "each server's own" if ":" in placement.ip else "nobody's"


def _pair(text: str, option: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name or not value:
        raise typer.BadParameter(f"`{text}` is not like `s1=20000`", param_hint=option)
    return name, value


def _shares(given: list[str] | None, option: str) -> dict[str, int]:
    shares: dict[str, int] = {}
    for text in given or ():
        name, ports = _pair(text, option)
        if not ports.isascii() or not ports.isdigit():
            raise typer.BadParameter(f"`{ports}` is not a number of ports", param_hint=option)
        if name in shares:
            raise typer.BadParameter(f"`{name}` is given twice", param_hint=option)
        shares[name] = int(ports)
    return shares
