"""ExaBGP's languages: its configuration file and its commands, from our values. Pure.

The file holds sessions only, and possibly their passwords; routes come as commands.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from egressway.node.announce.desired import BgpSettings, Family, Peer, Route, family_of

__all__ = ["PROCESS", "announce", "configuration", "environment", "withdraw"]

PROCESS: Final = "egressway"


def configuration(settings: BgpSettings, relay: str) -> str:
    """The file; `relay` is the command that connects ExaBGP with us."""
    process = f"process {PROCESS} {{\n  run {relay};\n  encoder json;\n}}\n"
    return process + "".join(_neighbor(settings, peer) for peer in settings.peers)


def environment() -> dict[str, str]:
    """What is not to be read from files of this host, and what it is not to do by itself."""
    return {
        "exabgp.daemon.drop": "false",
        "exabgp.daemon.daemonize": "false",
        "exabgp.api.cli": "false",
        "exabgp.api.ack": "true",
        "exabgp.api.respawn": "false",
        "exabgp.api.terminate": "true",
        "exabgp.tcp.attempts": "0",
        "exabgp.log.enable": "true",
        "exabgp.log.level": "WARNING",
        "exabgp.log.destination": "stderr",
    }


def announce(settings: BgpSettings, route: Route) -> Iterator[str]:
    """One command for every peer that gets the route."""
    for peer in _receivers(settings, route):
        yield f"neighbor {peer.address} announce route {_words(settings, peer, route)}"


def withdraw(settings: BgpSettings, route: Route) -> Iterator[str]:
    """The same for its end."""
    for peer in _receivers(settings, route):
        yield f"neighbor {peer.address} withdraw route {_words(settings, peer, route)}"


def _receivers(settings: BgpSettings, route: Route) -> Iterator[Peer]:
    family = family_of(route.prefix)
    return (peer for peer in settings.peers if family in peer.carried)


def _words(settings: BgpSettings, peer: Peer, route: Route) -> str:
    return " ".join(_parts(settings, peer, route))


def _parts(settings: BgpSettings, peer: Peer, route: Route) -> Iterator[str]:
    next_hop = settings.next_hop(peer, family_of(route.prefix))
    yield f"{route.prefix} next-hop {next_hop or 'self'}"
    if route.med is not None:
        yield f"med {route.med}"
    if route.prepend and peer.asn != settings.asn:
        # Within the own AS, a path with that AS in it would be a loop.
        yield f"as-path [ {' '.join([str(settings.asn)] * (1 + route.prepend))} ]"
    if route.communities:
        yield f"community [ {' '.join(route.communities)} ]"
    if route.large_communities:
        yield f"large-community [ {' '.join(route.large_communities)} ]"


def _neighbor(settings: BgpSettings, peer: Peer) -> str:
    local = peer.local_address or "auto"
    password = f"  md5-password '{peer.password}';\n" if peer.password else ""
    families = "".join(f"    {_name(family)};\n" for family in peer.carried)
    return f"""
neighbor {peer.address} {{
  router-id {settings.router_id};
  local-address {local};
  local-as {settings.asn};
  peer-as {peer.asn};
  hold-time {settings.hold_seconds};
  connect {peer.port};
  adj-rib-out true;
  group-updates true;
{password}  family {{
{families}  }}
  api {{
    processes [ {PROCESS} ];
    neighbor-changes;
    send {{ parsed; update; }}
  }}
}}
"""


def _name(family: Family) -> str:
    return f"ipv{family} unicast"
