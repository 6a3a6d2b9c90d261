"""FRR as a router in a namespace: zebra and bgpd run directly, with files of their own."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from egressway.lab.namespaces import Namespace
from tests.support.namespaces import Network
from tests.support.router import RouterPeer, SeenRoute
from tests.support.waiting import eventually

_DAEMONS = Path("/usr/lib/frr")
_HEAD = """
hostname router
router bgp {asn}
 bgp router-id {router_id}
 no bgp ebgp-requires-policy
 no bgp default ipv4-unicast
 no bgp network import-check
 timers bgp 2 6
"""
_PEER = """ neighbor {address} remote-as {peer_asn}
 neighbor {address} passive
 neighbor {address} timers 2 {hold}
 neighbor {address} timers connect 1
{password}"""
_FAMILY = """ address-family ipv{version} unicast
  neighbor {address} activate
  maximum-paths 8
 exit-address-family
"""


class Frr:
    """zebra and bgpd; they can be stopped and started again."""

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
        self._asn = asn
        self._peers = {peer.name: peer for peer in peers}
        # The daemons run as their own user and keep their sockets here.
        self._directory = Path("/var/run/frr") / self.namespace.name
        self._directory.mkdir(parents=True)
        network.cleanup.callback(shutil.rmtree, self._directory, ignore_errors=True)
        config = self._directory / "bgpd.conf"
        config.write_text(self._config(router_id), "ascii")
        (self._directory / "zebra.conf").write_text("hostname router\n", "ascii")
        for path in (self._directory, *self._directory.iterdir()):
            shutil.chown(path, "frr", "frr")
        self._running: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        common = ("-N", self._directory.name, "-u", "frr", "-g", "frr")
        socket = str(self._directory / "zserv.api")
        for daemon, more in (("zebra", ()), ("bgpd", ("-p", "179"))):
            files = ("-f", str(self._directory / f"{daemon}.conf"))
            pid = ("-i", str(self._directory / f"{daemon}.pid"), "-z", socket)
            command = (str(_DAEMONS / daemon), *common, *files, *pid, *more)
            self._running.append(self._network.spawn(self._name, *command))
            eventually(lambda d=daemon: self._ask(d, "show version"), why=f"{daemon} is up")

    def kill(self) -> None:
        """`kill -9`: they say nothing to anybody."""
        for process in self._running:
            process.kill()
            process.wait()
        self._running.clear()
        for left in (*self._directory.glob("*.pid"), *self._directory.glob("*.vty")):
            left.unlink()

    def disable(self, peer: str) -> None:
        self._configure(f"neighbor {self._peers[peer].address} shutdown")

    def enable(self, peer: str) -> None:
        self._configure(f"no neighbor {self._peers[peer].address} shutdown")

    def is_up(self, peer: str) -> bool:
        told = self._json("show bgp neighbors json")
        return bool(told.get(self._peers[peer].address, {}).get("bgpState") == "Established")

    def seen(self, version: int) -> dict[str, SeenRoute]:
        routes: dict[str, SeenRoute] = {}
        for prefix in self.prefixes(version):
            entry = self._json(f"show bgp ipv{version} unicast {prefix} json")
            best = [path for path in entry.get("paths", ()) if "bestpath" in path]
            if best:
                routes[prefix] = _read(best[0])
        return routes

    def prefixes(self, version: int) -> set[str]:
        """As `seen`, without what is said of them: one question however many there are."""
        return set(self._json(f"show bgp ipv{version} unicast json").get("routes", {}))

    def _config(self, router_id: str) -> str:
        peers = self._peers.values()
        return (
            _HEAD.format(asn=self._asn, router_id=router_id)
            + "".join(
                _PEER.format(
                    address=peer.address,
                    peer_asn=peer.asn,
                    hold=peer.hold,
                    password=(
                        f" neighbor {peer.address} password {peer.password}\n"
                        if peer.password
                        else ""
                    ),
                )
                for peer in peers
            )
            + "".join(
                _FAMILY.format(version=family, address=peer.address)
                for peer in peers
                for family in peer.families
            )
        )

    def _configure(self, line: str) -> None:
        self._vtysh("bgpd", "configure terminal", f"router bgp {self._asn}", line)

    def _json(self, command: str) -> dict[str, Any]:
        try:
            told: dict[str, Any] = json.loads(self._ask("bgpd", command) or "{}")
        except json.JSONDecodeError:
            return {}
        return told

    def _ask(self, daemon: str, command: str) -> str:
        try:
            return self._vtysh(daemon, command)
        except subprocess.CalledProcessError:
            return ""

    def _vtysh(self, daemon: str, *commands: str) -> str:
        words = [word for command in commands for word in ("-c", command)]
        done = subprocess.run(
            ["vtysh", "--vty_socket", str(self._directory), "-d", daemon, *words],
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout


def _read(path: dict[str, Any]) -> SeenRoute:
    hops = path["nexthops"]
    used = next((hop for hop in hops if hop.get("scope") != "link-local"), hops[0])
    return SeenRoute(
        next_hop=used["ip"],
        path=tuple(map(int, path["aspath"]["string"].split())) if path["aspath"]["length"] else (),
        med=path.get("metric", path.get("med")),
        communities=tuple(path.get("community", {}).get("list", ())),
        large_communities=tuple(path.get("largeCommunity", {}).get("list", ())),
    )
