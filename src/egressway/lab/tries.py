"""Commands to copy from the terminal once a lab is up; every one of them works as it is printed."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from egressway.lab.files import tour
from egressway.lab.lab import Lab
from egressway.lab.nodes import HTTP_PORT, HTTPS_PORT

__all__ = ["things_to_try"]


def things_to_try(lab: Lab) -> list[str]:
    """Each with a line that says what it shows."""
    told: list[tuple[str, str]] = []
    host = tour().given.zones[0].host
    for location in lab.topology.locations:
        servers = lab.topology.servers_at(location.name)
        if servers:
            address = lab.plan.servers[servers[0]].host.address
            url = f"http://{address}:{HTTP_PORT}/".replace(":80/", "/")
            curl = f"exec client-{location.name} curl -s -H 'Host: {host}' {url}"
            told.append(
                (f"ask {servers[0]} in {location.name}; seen_ip is an egress address", curl)
            )
    first = lab.topology.servers[0]
    address = lab.plan.servers[first.name].host.address
    resolve = f"--resolve {host}:{HTTPS_PORT}:{address}"
    client = f"client-{lab.topology.location_of(first.name)}"
    log = lab.nodes[first.name].access_log
    told += [
        ("the same over TLS and HTTP/2", f"exec {client} curl -sk {resolve} https://{host}/"),
        (
            "what the servers say of it: rung, ingress and egress server",
            f"exec core tail -n 1 {log}",
        ),
        ("which server has which ports", "exec core egressway placement list"),
        ("how a router reaches the egress addresses", f"exec {first.data_center} ip route"),
        ("pull the plug of a server, ask again as above, and start it", f"do kill {first.name}"),
        ("", f"do start {first.name}"),
        ("lose the control plane; everything goes on", "do stop control"),
        ("", "do start control"),
        ("run the tour, or a file of `scenarios/`", "run"),
        ("take everything away", "down"),
    ]
    lines = []
    for text, command in told:
        lines += ["", f"# {text}"] if text else []
        lines.append(f"sudo {_program()} lab {command}")
    return lines


def _program() -> str:
    """As it can be called from anywhere; `sudo` has a path of its own."""
    program = shutil.which(sys.argv[0]) or str(Path(sys.executable).with_name("egressway"))
    return str(Path(program).absolute())
