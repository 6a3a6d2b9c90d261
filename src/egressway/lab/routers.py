"""BIRD on every router: BGP along the cables, and with the servers of its data center.

Routers notice a neighbour that is gone by BFD within a second, as they do out there. A server that
announces addresses need not speak BFD; its session has short timers instead.
"""

from __future__ import annotations

from collections.abc import Iterator

from egressway.lab.errors import LabError
from egressway.lab.namespaces import run
from egressway.lab.plan import Neighbour, Plan, Router
from egressway.lab.process import LabProcess
from egressway.lab.run_directory import RunDirectory

__all__ = ["bird_config", "control_bird", "routers_are_settled", "start_routers"]

_HEAD = """
log stderr all;
router id {router_id};
protocol device {{ scan time 5; }}
protocol direct {{ ipv4; ipv6; }}
protocol kernel {{ ipv4 {{ export where source = RTS_BGP; }}; merge paths on; }}
protocol kernel {{ ipv6 {{ export where source = RTS_BGP; }}; merge paths on; }}
protocol bfd {{ interface "*" {{ interval 200 ms; multiplier 3; }}; }}
template bgp session {{
  local as {asn};
  hold time 6; keepalive time 2;
  connect delay time 1; connect retry time 2; error wait time 1, 4; startup hold time 10;
}}
"""
_SESSION = """
protocol bgp {name}_v{version} from session {{
  neighbor {address} as {asn};
  ipv{version} {{ import all; export {export}; }};
  {extra}
}}
"""


def bird_config(router: Router) -> str:
    """The whole configuration file."""
    head = _HEAD.format(router_id=router.router_id, asn=router.asn)
    return head + "".join(_sessions(router))


def _sessions(router: Router) -> Iterator[str]:
    for peer in router.neighbours:
        yield from _both_families(peer, export="all", extra="bfd on;")
    for node in router.nodes:
        # The node connects: a router that tries itself would only find the door closed.
        yield from _both_families(node, export="none", extra="passive on;")


def _both_families(peer: Neighbour, export: str, extra: str) -> Iterator[str]:
    for version, address in ((4, peer.address), (6, peer.address6)):
        yield _SESSION.format(
            name=peer.name.replace("-", "_"),
            version=version,
            address=address,
            asn=peer.asn,
            export=export,
            extra=extra,
        )


def start_routers(plan: Plan, directory: RunDirectory) -> None:
    """All of them; they find each other by themselves."""
    for router in plan.routers:
        process = _bird(router, directory)
        (directory.of(process.name) / "bird.conf").write_text(bird_config(router), "ascii")
        process.start()


def routers_are_settled(plan: Plan, directory: RunDirectory) -> bool:
    """Every session between routers is up, in both families."""
    return all(
        _established(router.name, directory) >= 2 * len(router.neighbours)
        for router in plan.routers
    )


def control_bird(router: str, directory: RunDirectory, *words: str) -> str:
    """What `birdc` answers; empty while the router is not up."""
    socket = directory.of(f"bird-{router}") / "bird.ctl"
    try:
        # A control socket is a file: the same from every namespace.
        return run("birdc", "-s", str(socket), *words)
    except LabError:
        return ""


def _established(router: str, directory: RunDirectory) -> int:
    return control_bird(router, directory, "show", "protocols").count("Established")


def _bird(router: Router, directory: RunDirectory) -> LabProcess:
    name = f"bird-{router.name}"
    home = directory.of(name)
    command = ("bird", "-f", "-c", f"{home}/bird.conf", "-s", f"{home}/bird.ctl")
    return LabProcess(name, router.namespace, command, directory)
