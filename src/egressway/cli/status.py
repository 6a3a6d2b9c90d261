"""`egressway status`: whether this Egressway is ready, and what its data plane says of itself."""

import typer

from egressway.cli.command import JsonOption, command
from egressway.cli.output import bool_text, print_details, print_json
from egressway.client import Client
from egressway.client.objects import NodeStatus, Status

__all__ = ["mount"]


def mount(root: typer.Typer) -> None:
    """Add the command to the root command."""
    command(root, "status")(show_status)


def show_status(client: Client, as_json: JsonOption = False) -> None:
    """Show whether Egressway is ready; exit code 1 when it is not.

    The data plane's numbers are shown to the operator's token only.
    """
    status = client.measurements.status()
    if as_json:
        print_json(status)
    else:
        show(status)
    if not status.is_ready:
        raise typer.Exit(1)


def show(status: Status) -> None:
    """For people: readiness, every reason against it, the data plane's numbers."""
    reasons = [f"{reason.message} ({reason.code})" for reason in status.reasons]
    print_details(
        {
            "API": status.url,
            "Ready": bool_text(status.is_ready),
            "Why not": "\n".join(reasons) or None,
            **(_node(status.node) if status.node else {}),
        }
    )


def _node(node: NodeStatus) -> dict[str, str]:
    listeners = [
        f"{_endpoint(one.address, one.port)} {'https' if one.tls else 'http'}"
        for one in node.listeners
    ]
    return {
        "Listens on": "\n".join(listeners),
        "Revision": f"{node.revision}{' (draining)' if node.is_draining else ''}",
        "Zones": f"{node.zones:,} with {node.hosts:,} hostnames",
        "Workers": f"{node.workers}",
        "Connections": f"{node.connections:,} of clients, {node.origin_connections:,} to origins",
        "Waiting": f"{node.waiting:,} requests for a connection",
        "Foreign egress": f"{node.foreign_egress:,} connections (must stay 0)",
        "Panics": f"{node.panics:,}",
        "Log lines lost": f"{node.log_dropped:,}",
    }


def _endpoint(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
