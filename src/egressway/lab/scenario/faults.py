"""What goes wrong between machines: cuts on the uplink of a data center, sessions that end, full disks."""

from __future__ import annotations

from contextlib import suppress

from egressway.lab.errors import LabError
from egressway.lab.lab import Lab
from egressway.lab.nodes import Node
from egressway.lab.routers import control_bird
from egressway.lab.scenario.steps import Bgp, Cut

__all__ = ["cut", "fill_disk", "free_disk", "heal", "set_session"]

_CUT = """
table inet lab_cut {{
  chain in {{
    type filter hook prerouting priority -400; policy accept;
    {incoming}
  }}
  chain out {{
    type filter hook postrouting priority 400; policy accept;
    {outgoing}
  }}
}}
"""


def cut(step: Cut, lab: Lab) -> None:
    """Drop at the router of the source; of the target too when both directions are meant."""
    if not step.target:
        drop = 'ifname "uplink" drop'
        _drop_at(step.source, lab, incoming=f"i{drop}", outgoing=f"o{drop}")
        return
    _drop_at(step.source, lab, outgoing=_towards(step.target, lab))
    if step.both:
        _drop_at(step.target, lab, outgoing=_towards(step.source, lab))


def heal(lab: Lab) -> None:
    """Undo every cut."""
    for router in lab.plan.routers:
        with suppress(LabError):
            router.namespace.run("nft", "delete", "table", "inet", "lab_cut")


def set_session(step: Bgp, lab: Lab) -> None:
    """The router ends its sessions with a server, or takes them up."""
    hall = lab.topology.data_center_of(step.server)
    verb = "enable" if step.is_on else "disable"
    for version in (4, 6):
        name = f"{step.server.replace('-', '_')}_v{version}"
        control_bird(hall, lab.directory, verb, name)


def fill_disk(node: Node) -> None:
    """Not a byte is left on the file system of its data."""
    with (node.data / _FILLING).open("ab", buffering=0) as file:
        for size in (1 << 20, 4_096, 1):
            with suppress(OSError):
                while True:
                    file.write(bytes(size))


def free_disk(node: Node) -> None:
    """There is room again."""
    with suppress(FileNotFoundError):
        (node.data / _FILLING).unlink()


def _drop_at(hall: str, lab: Lab, *, incoming: str = "", outgoing: str = "") -> None:
    namespace = lab.plan.router(hall).namespace
    namespace.nft(_CUT.format(incoming=incoming, outgoing=outgoing))


def _towards(hall: str, lab: Lab) -> str:
    networks = lab.plan.router(hall).bridge
    four, six = (
        next(each for each in networks if (":" in each) is is_six) for is_six in (False, True)
    )
    return f'oifname "uplink" ip daddr {four} drop; oifname "uplink" ip6 daddr {six} drop'


_FILLING = "filling"
