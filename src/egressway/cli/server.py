"""`egressway server`: the machines that carry requests."""

from typing import Annotated

import typer

from egressway.cli.command import JsonOption, YesOption, command, confirm, noun
from egressway.cli.output import print_details, print_done, print_json, print_table, time_text
from egressway.client import Client
from egressway.client.objects import Server

__all__ = ["mount"]

app = noun("Machines that carry requests; needs the operator's token.")
NameArgument = Annotated[str, typer.Argument(metavar="SERVER", help="Its name.")]
LinkOption = Annotated[
    str | None,
    typer.Option(metavar="IP:PORT", help="Where other servers connect to, to pass requests on."),
]


def mount(root: typer.Typer) -> None:
    """Add the noun to the root command."""
    root.add_typer(app, name="server")


@command(app, "list")
def list_servers(client: Client, as_json: JsonOption = False) -> None:
    """List the servers."""
    servers = client.servers.list()
    if as_json:
        return print_json(servers)
    rows = [
        (each.name, str(each.number), each.data_center, each.state, each.link or "")
        for each in servers
    ]
    print_table(("Server", "Number", "Data center", "State", "Link"), rows, "There is no server.")


@command(app, "show")
def show_server(client: Client, server: NameArgument, as_json: JsonOption = False) -> None:
    """Show one server."""
    show(client.servers.get(server), as_json)


@command(app, "create")
def create_server(
    client: Client,
    *,
    server: NameArgument,
    data_center: Annotated[str, typer.Option(metavar="DATA_CENTER", help="Where it stands.")],
    link: LinkOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add a server to a data center."""
    show(client.servers.create(server, data_center=data_center, link=link), as_json)


@command(app, "edit")
def edit_server(
    client: Client,
    *,
    server: NameArgument,
    data_center: Annotated[
        str | None, typer.Option(metavar="DATA_CENTER", help="Where it stands.")
    ] = None,
    link: LinkOption = None,
    as_json: JsonOption = False,
) -> None:
    """Change a server's link, or its data center while it holds no ports."""
    if data_center is None and link is None:
        raise typer.BadParameter("give `--data-center` or `--link`")
    show(client.servers.edit(server, data_center=data_center, link=link), as_json)


@command(app, "token")
def make_token(
    client: Client,
    server: NameArgument,
    expires_in: Annotated[
        int | None, typer.Option(metavar="SECONDS", help="Good for so long; else one hour.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Make a join token, which lets a node be this server; it is shown once."""
    made = client.servers.token(server, expires_in_seconds=expires_in)
    if as_json:
        return print_json(made)
    print_details(
        {"Server": made.server, "Token": made.token, "Expires": time_text(made.expires_on)}
    )


@command(app, "drain")
def drain_server(client: Client, server: NameArgument, as_json: JsonOption = False) -> None:
    """Open nothing new on a server; what is open stays."""
    show(client.servers.drain(server), as_json)


@command(app, "activate")
def activate_server(client: Client, server: NameArgument, as_json: JsonOption = False) -> None:
    """Take a drain back."""
    show(client.servers.activate(server), as_json)


@command(app, "revoke")
def revoke_server(client: Client, server: NameArgument, yes: YesOption = False) -> None:
    """Take a server's identity away, for life."""
    confirm(f"Revoke the server `{server}` for life?", yes)
    client.servers.revoke(server)
    print_done(f"Revoked the server `{server}`; move its ports to others.")


@command(app, "delete")
def delete_server(client: Client, server: NameArgument, yes: YesOption = False) -> None:
    """Delete a server that holds no ports."""
    confirm(f"Delete the server `{server}`?", yes)
    client.servers.delete(server)
    print_done(f"Deleted the server `{server}`.")


def show(server: Server, as_json: bool) -> None:
    """One server, as JSON or for people."""
    if as_json:
        return print_json(server)
    print_details(
        {
            "Server": server.name,
            "Number": str(server.number),
            "Data center": server.data_center,
            "State": server.state,
            "Link": server.link,
            "Joined": f"{server.epoch} times" if server.epoch != 1 else "once",
            "Created": time_text(server.created_on),
        }
    )
