"""Three servers that share an address, in namespaces.

::

                      198.51.100.1 origin
                            |
                          edge
                            |  (a narrow link, on request)
    192.0.2.1 ->  router ---+--- far
      all to `one`  |                |
             +------+------+         |
          one 10.1.0.1  two 10.1.0.2 three 10.2.0.1
             \\___ data center a ___/   data center b
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.support.namespaces import Network
from tests.support.processes import Worker

IP = "192.0.2.1"
ORIGIN = ["198.51.100.1", 7007]
SERVERS = [
    ["one", 1, "a", "10.1.0.1"],
    ["two", 2, "a", "10.1.0.2"],
    ["three", 3, "b", "10.2.0.1"],
]
OWNERS = [
    [IP, 20_000, 29_999, "one"],
    [IP, 30_000, 39_999, "two"],
    [IP, 40_000, 49_999, "three"],
]
NAMES = ("one", "two", "three")
PORT = {"one": 20_001, "two": 30_001, "three": 40_001}


class Fleet:
    """Network, one talker per host, one steering process per server."""

    def __init__(self, network: Network, directory: Path, *, narrow: int = 1500) -> None:
        self.network = network
        self._directory = directory
        network.switch("lan", "one 10.1.0.1/24", "two 10.1.0.2/24", "router 10.1.0.9/24")
        network.cable("three 10.2.0.1/24 2001:db8:3::1/64", "far 10.2.0.9/24 2001:db8:3::9/64")
        network.cable("router 10.0.0.1/30", "far 10.0.0.2/30")
        network.cable("router 10.0.1.1/30", "edge 10.0.1.2/30", mtu=narrow)
        network.cable(
            "edge 198.51.100.9/24 2001:db8:9::9/64", "origin 198.51.100.1/24 2001:db8:9::1/64"
        )
        for name, gateway in (("one", "10.1.0.9"), ("two", "10.1.0.9"), ("three", "10.2.0.9")):
            network[name].ip([f"route add default via {gateway}"])
        network["origin"].ip(["route add default via 198.51.100.9"])
        network["router"].ip(
            [
                f"route add {IP}/32 via 10.1.0.1",
                "route add 10.2.0.0/24 via 10.0.0.2",
                "route add default via 10.0.1.2",
            ]
        )
        network["edge"].ip(["route add default via 10.0.1.1"])
        network["far"].ip(["route add default via 10.0.0.1"])
        for router in ("router", "far", "edge"):
            network[router].sysctl(
                {"net.ipv4.ip_forward": 1, "net.ipv4.conf.all.send_redirects": 0}
            )
        self._talkers: dict[str, Worker] = {}
        self._steering: dict[str, Worker] = {}
        assert self.talk("origin", "echo", ip=ORIGIN[0], port=ORIGIN[1]) == "done"

    # Steering.

    def process(self, name: str, *before: str) -> Worker:
        """A new steering process of a server; `before` stands in front of its command."""
        inside = [*self.network[name].entering(), *before]
        record = str(self._directory / f"{name}.json")
        worker = Worker("tests.e2e.steering_process", record, "1450", inside=inside)
        self.network.cleanup.callback(worker.kill)
        return worker

    def steer(self, name: str, command: str, **details: Any) -> Any:
        if name not in self._steering:
            self._steering[name] = self.process(name)
        return self._steering[name].ask(command, **details)

    def apply(self, name: str, **details: Any) -> None:
        details = {"own": name, "servers": SERVERS, "owners": OWNERS, **details}
        assert self.steer(name, "apply", **details) == "done"

    def start(self, *names: str) -> None:
        """As it should be, on each of them or all."""
        for name in names or NAMES:
            assert self.steer(name, "start") == "done"
            self.apply(name)

    def kill(self, name: str) -> None:
        self._steering.pop(name).kill()

    # Sockets.

    def talk(self, host: str, command: str, **details: Any) -> Any:
        if host not in self._talkers:
            inside = self.network[host].entering()
            worker = self._talkers[host] = Worker("tests.e2e.talker_process", inside=inside)
            self.network.cleanup.callback(worker.kill)
        return self._talkers[host].ask(command, **details)

    def connect(self, server: str, port: int, name: str = "c", **details: Any) -> Any:
        return self.talk(server, "connect", name=name, source=[IP, port], target=ORIGIN, **details)

    def exchange(self, server: str, size: int = 1_000, name: str = "c", **details: Any) -> Any:
        return self.talk(server, "exchange", name=name, size=size, **details)

    def works(self, server: str, port: int, name: str = "c") -> Mapping[str, str]:
        """A connection is opened and carries data."""
        connected = self.connect(server, port, name)
        exchanged = self.exchange(server, name=name) if connected == "done" else "not"
        return {"connect": connected, "exchange": exchanged}


WORKS = {"connect": "done", "exchange": "done"}
