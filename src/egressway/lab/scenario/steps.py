"""Everything a `when:` block can say, one type for each verb, and how a line becomes one.

A step is parsed against the topology, so that a name that does not exist is refused before anything runs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from egressway.lab.lines import Line, seconds, whole_number
from egressway.lab.topology import Topology

__all__ = [
    "Await",
    "Bgp",
    "Clock",
    "Cut",
    "Disk",
    "Drain",
    "EndLoad",
    "Finish",
    "Heal",
    "Hold",
    "Leave",
    "Load",
    "Machine",
    "Move",
    "Place",
    "Release",
    "Request",
    "Service",
    "Step",
    "Traffic",
    "Transfer",
    "Upgrade",
    "parse_step",
]


@dataclass(frozen=True, slots=True)
class Traffic:
    """Who asks, which servers, for which host. `n` is divided evenly among the servers."""

    client: str
    servers: tuple[str, ...]
    host: str
    tls: bool


@dataclass(frozen=True, slots=True)
class Request:
    """Requests that are answered before the next step begins."""

    traffic: Traffic
    n: int
    at_once: int


@dataclass(frozen=True, slots=True)
class Hold:
    """Requests that the origin does not answer until `release`: each keeps a connection."""

    traffic: Traffic
    n: int
    name: str


@dataclass(frozen=True, slots=True)
class Release:
    """Origins answer whatever they hold."""


@dataclass(frozen=True, slots=True)
class Leave:
    """Clients close what they hold, without waiting for an answer."""


@dataclass(frozen=True, slots=True)
class Transfer:
    """`download` or `websocket`: open from now on, with something passing ten times a second."""

    kind: str
    traffic: Traffic
    n: int


@dataclass(frozen=True, slots=True)
class Finish:
    """Transfers come to their proper end, and are counted."""


@dataclass(frozen=True, slots=True)
class Load:
    """Clients that ask again and again, a new connection each time, until `end-load`."""

    traffic: Traffic
    clients: int
    pause: float


@dataclass(frozen=True, slots=True)
class EndLoad:
    """The load stops."""


@dataclass(frozen=True, slots=True)
class Await:
    """Requests, until one leaves from `egress_server`: a server that was lost is in use again."""

    traffic: Traffic
    egress_server: str


@dataclass(frozen=True, slots=True)
class Machine:
    """`kill` (-9), `start` or `restart` the node of a server."""

    verb: str
    server: str


@dataclass(frozen=True, slots=True)
class Upgrade:
    """A new node process takes over from the one that runs; for all servers one after the other."""

    servers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Service:
    """`stop` or `start` the `control` plane or the `bus`."""

    verb: str
    service: str


@dataclass(frozen=True, slots=True)
class Cut:
    """Packets from one data center to another are lost; without `target`, to everywhere and back."""

    source: str
    target: str
    both: bool


@dataclass(frozen=True, slots=True)
class Heal:
    """All cuts are undone."""


@dataclass(frozen=True, slots=True)
class Bgp:
    """The router ends its session with a server, or takes it up again."""

    is_on: bool
    server: str


@dataclass(frozen=True, slots=True)
class Place:
    """New shares for an address."""

    ip: str
    shares: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Move:
    """Ports of an address go from one server to another; all that `source` has, unless said."""

    ip: str
    ports: str
    source: str
    target: str


@dataclass(frozen=True, slots=True)
class Drain:
    """A `server`, `data-center` or `address` takes nothing new, or again (`activate`)."""

    verb: str
    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class Disk:
    """The file system of a node's data is full, or free again."""

    is_full: bool
    server: str


@dataclass(frozen=True, slots=True)
class Clock:
    """The wall clock of a node's host jumps, from its true time."""

    server: str
    by: float


Step = (
    Request
    | Hold
    | Release
    | Leave
    | Transfer
    | Finish
    | Load
    | EndLoad
    | Await
    | Machine
    | Upgrade
    | Service
    | Cut
    | Heal
    | Bgp
    | Place
    | Move
    | Drain
    | Disk
    | Clock
)


def parse_step(line: Line, topology: Topology) -> Step:
    """The step a line asks for."""
    verb = line.word_of("step", tuple(_VERBS))
    step = _VERBS[verb](line, topology)
    line.end()
    return step


def _request(line: Line, topology: Topology) -> Step:
    return Request(
        _traffic(line, topology),
        line.parsed("n", whole_number, 1),
        line.parsed("at-once", whole_number, 10),
    )


def _hold(line: Line, topology: Topology) -> Step:
    return Hold(_traffic(line, topology), line.parsed("n", whole_number), line.option("as", "held"))


def _transfer(kind: str) -> Callable[[Line, Topology], Step]:
    return lambda line, topology: Transfer(
        kind, _traffic(line, topology), line.parsed("n", whole_number)
    )


def _load(line: Line, topology: Topology) -> Step:
    return Load(
        _traffic(line, topology),
        line.parsed("clients", whole_number, 4),
        line.parsed("pause", seconds, 0.05),
    )


def _traffic(line: Line, topology: Topology) -> Traffic:
    locations = [each.name for each in topology.locations]
    client = line.one_of(line.option("client"), "location with a client", locations)
    asked = line.option("server", "")
    servers = tuple(asked.split(",")) if asked else topology.servers_at(client)
    for each in servers:
        line.one_of(each, "server", _servers(topology))
    tls = line.one_of(line.option("tls", "no"), "answer", ("yes", "no")) == "yes"
    return Traffic(client, servers, line.option("host"), tls)


def _await(line: Line, topology: Topology) -> Step:
    server = line.one_of(line.option("egress"), "server", _servers(topology))
    return Await(_traffic(line, topology), server)


def _machine(verb: str) -> Callable[[Line, Topology], Step]:
    def parse(line: Line, topology: Topology) -> Step:
        name = line.word("a server or service")
        if name in _SERVICES and verb in ("stop", "start"):
            return Service(verb, name)
        return Machine(verb, line.one_of(name, "server", _servers(topology)))

    return parse


def _upgrade(line: Line, topology: Topology) -> Step:
    servers = _servers(topology)
    name = line.word("a server, or `all`")
    return Upgrade(tuple(servers) if name == "all" else (line.one_of(name, "server", servers),))


def _cut(line: Line, topology: Topology) -> Step:
    halls = [each.name for each in topology.data_centers]
    source = line.word_of("data center", halls)
    if not line.words:
        return Cut(source, "", both=True)
    arrow = line.word_of("direction", ("->", "<->"))
    return Cut(source, line.word_of("data center", halls), both=arrow == "<->")


def _bgp(line: Line, topology: Topology) -> Step:
    is_on = line.word_of("state", ("on", "off")) == "on"
    return Bgp(is_on, line.word_of("server", _servers(topology)))


def _place(line: Line, topology: Topology) -> Step:
    return Place(line.word("an address"), shares(line, topology))


def _move(line: Line, topology: Topology) -> Step:
    servers = _servers(topology)
    return Move(
        line.word("an address"),
        line.option("ports", ""),
        line.one_of(line.option("from"), "server", servers),
        line.one_of(line.option("to"), "server", servers),
    )


def _drain(verb: str) -> Callable[[Line, Topology], Step]:
    def parse(line: Line, topology: Topology) -> Step:
        kind = line.word_of("kind of thing", ("server", "data-center", "address"))
        name = line.word("a name")
        if kind == "server":
            line.one_of(name, "server", _servers(topology))
        if kind == "data-center":
            line.one_of(name, "data center", [each.name for each in topology.data_centers])
        return Drain(verb, kind, name)

    return parse


def _disk(is_full: bool) -> Callable[[Line, Topology], Step]:
    return lambda line, topology: Disk(is_full, line.word_of("server", _servers(topology)))


def _clock(line: Line, topology: Topology) -> Step:
    server = line.word_of("server", _servers(topology))
    return Clock(server, line.parsed("by", seconds))


def _plain(step: Step) -> Callable[[Line, Topology], Step]:
    def parse(_line: Line, _topology: Topology) -> Step:
        return step

    return parse


def shares(line: Line, topology: Topology) -> tuple[tuple[str, int], ...]:
    """`server=ports` for any server of the topology."""
    asked = [name for name in line.options if name in _servers(topology)]
    return tuple((name, line.parsed(name, whole_number)) for name in asked)


def _servers(topology: Topology) -> Sequence[str]:
    return [each.name for each in topology.servers]


_SERVICES: Final = ("control", "bus")
_VERBS: Final[dict[str, Callable[[Line, Topology], Step]]] = {
    "request": _request,
    "hold": _hold,
    "release": _plain(Release()),
    "leave": _plain(Leave()),
    "download": _transfer("download"),
    "websocket": _transfer("websocket"),
    "finish": _plain(Finish()),
    "load": _load,
    "end-load": _plain(EndLoad()),
    "await": _await,
    "kill": _machine("kill"),
    "start": _machine("start"),
    "stop": _machine("stop"),
    "restart": _machine("restart"),
    "upgrade": _upgrade,
    "cut": _cut,
    "heal": _plain(Heal()),
    "bgp": _bgp,
    "place": _place,
    "move": _move,
    "drain": _drain("drain"),
    "activate": _drain("activate"),
    "fill-disk": _disk(is_full=True),
    "free-disk": _disk(is_full=False),
    "clock": _clock,
}
