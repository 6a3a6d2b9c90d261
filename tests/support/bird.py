"""BIRD as a router in a namespace: configuration from peers, tables as they are."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from egressway.lab.namespaces import Namespace, run
from tests.support.namespaces import Network
from tests.support.router import RouterPeer, SeenRoute
from tests.support.waiting import eventually

_HEAD = """
log "{log}" all;
router id {router_id};
protocol device {{ }}
protocol kernel {{ ipv4 {{ export where source = RTS_BGP; import none; }}; merge paths on; }}
protocol kernel {{ ipv6 {{ export where source = RTS_BGP; import none; }}; merge paths on; }}
"""
_PEER = """
protocol bgp {name} {{
  local as {asn};
  neighbor {address} as {peer_asn};
  hold time {hold}; startup hold time {hold};
  connect retry time 1; connect delay time 1; error wait time 1, 2;
  passive on;
  {password}
  {channels}
}}
"""


class Bird:
    """One BIRD; it can be stopped and started again."""

    def __init__(
        self,
        network: Network,
        namespace: str,
        directory: Path,
        *,
        asn: int,
        router_id: str,
        peers: Sequence[RouterPeer],
    ) -> None:
        self._network = network
        self._name = namespace
        self.namespace: Namespace = network[namespace]
        self._directory = directory / f"bird-{namespace}"
        self._directory.mkdir()
        self._socket = str(self._directory / "bird.ctl")
        head = _HEAD.format(log=self._directory / "bird.log", router_id=router_id)
        protocols = (
            _PEER.format(
                name=peer.name,
                asn=asn,
                address=peer.address,
                peer_asn=peer.asn,
                hold=peer.hold,
                password=f'password "{peer.password}";' if peer.password else "",
                channels=" ".join(
                    f"ipv{family} {{ import all; export none; }};" for family in peer.families
                ),
            )
            for peer in peers
        )
        (self._directory / "bird.conf").write_text(head + "".join(protocols), "ascii")

    def start(self) -> None:
        config = str(self._directory / "bird.conf")
        self._process = self._network.spawn(
            self._name, "bird", "-f", "-c", config, "-s", self._socket
        )
        eventually(lambda: self._ask("show", "status"), why="bird is up")

    def kill(self) -> None:
        """`kill -9`: it says nothing to anybody."""
        self._process.kill()
        self._process.wait()

    def disable(self, peer: str) -> None:
        """Close the session with this peer, and keep it closed."""
        self._ask("disable", peer)

    def enable(self, peer: str) -> None:
        self._ask("enable", peer)

    def is_up(self, peer: str) -> bool:
        return "Established" in self._ask("show", "protocols", peer)

    def seen(self, version: int) -> dict[str, SeenRoute]:
        """Routes that came by BGP, by prefix: the best one of each."""
        told = self._ask("show", "route", "table", f"master{version}", "primary", "all")
        routes: dict[str, SeenRoute] = {}
        for block in re.split(r"\n(?=\S)", told):
            if "BGP.as_path" in block:
                routes[block.split()[0]] = _read(block)
        return routes

    def prefixes(self, version: int) -> set[str]:
        """As `seen`, without what is said of them."""
        return set(self.seen(version))

    def _ask(self, *words: str) -> str:
        try:
            return run("birdc", "-s", self._socket, *words)
        except Exception:
            return ""


def _read(block: str) -> SeenRoute:
    def attribute(name: str) -> str:
        found = re.search(rf"BGP\.{name}: (.*)", block)
        return found.group(1).strip() if found else ""

    def communities(name: str) -> tuple[str, ...]:
        return tuple(
            part.strip("()").replace(",", ":").replace(" ", "")
            for part in re.findall(r"\([^)]*\)", attribute(name))
        )

    return SeenRoute(
        next_hop=attribute("next_hop").split()[0],
        path=tuple(map(int, attribute("as_path").split())),
        med=int(attribute("med")) if attribute("med") else None,
        communities=communities("community"),
        large_communities=communities("large_community"),
    )
