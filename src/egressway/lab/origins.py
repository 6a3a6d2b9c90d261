"""The customers' servers: their processes, and a firewall that admits the egress addresses alone."""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from egressway.lab.plan import Host
from egressway.lab.process import LabProcess, wait_until
from egressway.lab.run_directory import RunDirectory
from egressway.lab.topology import Origin, Topology

__all__ = ["OriginHost"]

_FIREWALL = """
table inet lab {{
  counter refused {{ }}
  chain input {{
    type filter hook input priority filter; policy accept;
    ip saddr {egress} tcp dport {{ {ports} }} accept
    ip6 saddr {egress6} tcp dport {{ {ports} }} accept
    tcp dport {{ {ports} }} counter name refused drop
  }}
}}
"""


class OriginHost:
    """One customer's server."""

    def __init__(
        self, origin: Origin, host: Host, topology: Topology, directory: RunDirectory
    ) -> None:
        self.origin = origin
        self.host = host
        self._topology = topology
        self._directory = directory
        self.processes = [self._process(number) for number in range(origin.processes)]

    def start(self) -> None:
        """Firewall first, then the processes."""
        self.host.namespace.nft(
            _FIREWALL.format(
                egress=self._topology.egress,
                egress6=self._topology.egress6,
                ports=", ".join(map(str, self.origin.ports)),
            )
        )
        self._directory.of(self.origin.name)
        for process in self.processes:
            process.start()

    def wait_ready(self) -> None:
        """Until every process answers."""
        for number, process in enumerate(self.processes):
            socket_file = self._control(number)
            wait_until(socket_file.exists, 30, f"`{process.name}` listens", 0.05)

    def release(self) -> int:
        """Answer everything that is held; how many that were."""
        return sum(self._tell("release"))

    def drop(self) -> None:
        """Close every connection."""
        self._tell("drop")

    def peers(self) -> Iterator[tuple[str, int, int, int]]:
        """Peer address, own port, connections now, and the most there have been since `forget`."""
        now: dict[tuple[str, int], int] = {}
        most: dict[tuple[str, int], int] = {}
        for told in self._tell("peers"):
            for counts, into in ((told["open"], now), (told["most"], most)):
                for port, ip, count in counts:
                    into[ip, port] = into.get((ip, port), 0) + count
        for (ip, port), count in sorted(most.items()):
            yield ip, port, now.get((ip, port), 0), count

    def forget(self) -> None:
        """The most there have been are those of now."""
        self._tell("forget")

    def refused(self) -> int:
        """Packets that came from anywhere but an egress address."""
        told = json.loads(
            self.host.namespace.run("nft", "--json", "list", "counter", "inet", "lab", "refused")
        )
        return int(
            next(each["counter"]["packets"] for each in told["nftables"] if "counter" in each)
        )

    def _process(self, number: int) -> LabProcess:
        command = (
            *(sys.executable, "-m", "egressway.lab.traffic.origin", str(self._control(number))),
            *(str(self.host.address), str(self.host.address6), "--"),
            *map(str, self.origin.ports),
        )
        name = f"origin-{self.origin.name}-{number + 1}"
        return LabProcess(name, self.host.namespace, command, self._directory)

    def _control(self, number: int) -> Path:
        return self._directory.path / self.origin.name / f"{number + 1}.sock"

    def _tell(self, command: str) -> list[Any]:
        """What each process answers."""
        answers = []
        for number in range(len(self.processes)):
            with socket.socket(socket.AF_UNIX) as control:
                control.settimeout(60)
                control.connect(str(self._control(number)))
                control.sendall(command.encode() + b"\n")
                with control.makefile("rb") as lines:
                    answers.append(json.loads(lines.readline()))
        return answers
