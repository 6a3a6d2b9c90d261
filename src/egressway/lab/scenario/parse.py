"""From the text of a scenario file to a `Scenario`.

::

    # Rung 2: another server of the same data center

    Any prose, until a heading. Indented lines below a heading belong to it.

    given:
        address 192.0.2.1 lisbon-1b=1000 oslo-1a=5000
        pool    near 192.0.2.1
        zone    near.example.com pool=near origin=shop:8001

    when:
        request n=20 client=lisbon server=lisbon-1a host=near.example.com

    then requests:
        | ingress_server | rung        | egress_server | count |
        | lisbon-1a      | data_center | lisbon-1b     | 20    |

Further headings: `topology:` (a network of its own), `when 20 times:`, `then VIEW within 5s:`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from typing import Final

from egressway.lab.errors import LabError
from egressway.lab.lines import Line, parse_line, seconds
from egressway.lab.scenario.script import (
    Expectation,
    Given,
    PlacedAddress,
    Pool,
    Scenario,
    When,
    Zone,
)
from egressway.lab.scenario.steps import parse_step, shares
from egressway.lab.topology import Topology, parse_topology

__all__ = ["VIEWS", "parse_scenario"]

VIEWS: Final[dict[str, frozenset[str]]] = {
    "requests": frozenset(
        (
            *("client", "server", "host", "status", "error", "count"),
            *("rung", "ingress_server", "egress_server", "egress_ip", "seen_ip"),
        )
    ),
    "held": frozenset(("hold", "outcome", "count")),
    "connections": frozenset(("server", "egress_ip", "origin", "count")),
    "origins": frozenset(("origin", "from", "count", "most")),
    "transfers": frozenset(("kind", "open", "whole", "broken")),
    "outages": frozenset(("after", "runs", "p99", "worst", "slowest")),
    "servers": frozenset(("server", "running", "ready", "panics", "refused_snapshots")),
    "routes": frozenset(("address", "at", "via")),
    "secrets": frozenset(("server", "plaintext", "key")),
    "errors": frozenset(("server", "code", "count")),
}
"""What a `then` can look at, and the columns its table may have."""

_HEADING: Final = re.compile(r"(topology|given|when|then)\b(.*):\s*\Z")


@dataclass
class _Section:
    heading: str
    words: str
    line: int
    body: list[tuple[int, str]] = field(default_factory=list)


def parse_scenario(text: str, topology: Topology) -> Scenario:
    """The whole file; `topology` is the default one, against which names are checked."""
    title, prose, sections = _split(text)
    own = _own_topology(sections)
    parser = _Parser(own or topology)
    for section in sections:
        parser.take(section)
    if not any(isinstance(block, Expectation) for block in parser.blocks):
        raise LabError("a scenario needs at least one `then` table.")
    given = Given(tuple(parser.addresses), tuple(parser.pools), tuple(parser.zones))
    return Scenario(title, prose, own, given, tuple(parser.blocks))


def _split(text: str) -> tuple[str, str, list[_Section]]:
    title, prose, sections = "", [], list[_Section]()
    for number, line in enumerate(text.splitlines(), 1):
        if heading := _HEADING.match(line):
            sections.append(_Section(heading[1], heading[2].strip(), number))
        elif line[:1].isspace() and sections:
            sections[-1].body.append((number, line.strip()))
        elif line.startswith("# ") and not title:
            title = line[2:].strip()
        elif line.strip():
            prose.append(line.strip())
    if not title:
        raise LabError("a scenario begins with `# ` and its title.")
    return title, " ".join(prose), sections


def _own_topology(sections: list[_Section]) -> Topology | None:
    lines = [text for each in sections if each.heading == "topology" for _, text in each.body]
    return parse_topology("\n".join(lines)) if lines else None


class _Parser:
    def __init__(self, topology: Topology) -> None:
        self._topology = topology
        self.addresses: list[PlacedAddress] = []
        self.pools: list[Pool] = []
        self.zones: list[Zone] = []
        self.blocks: list[When | Expectation] = []

    def take(self, section: _Section) -> None:
        readers: dict[str, Callable[[_Section], None]] = {
            "given": self._given,
            "when": self._when,
            "then": self._then,
        }
        if section.heading in readers:
            readers[section.heading](section)

    def _given(self, section: _Section) -> None:
        kinds = {"address": self._address, "pool": self._pool, "zone": self._zone}
        for line in _lines(section):
            kinds[line.word_of("kind of thing", tuple(kinds))](line)
            line.end()

    def _address(self, line: Line) -> None:
        try:
            ip = IPv4Address(line.word("an IPv4 address"))
        except ValueError as wrong:
            raise line.refused(str(wrong)) from wrong
        if ip not in self._topology.egress:
            raise line.refused(f"{ip} is not one of the egress addresses {self._topology.egress}")
        self.addresses.append(PlacedAddress(ip, shares(line, self._topology)))

    def _pool(self, line: Line) -> None:
        name = line.word("a name")
        overflow = line.one_of(line.option("overflow", "off"), "overflow", ("off", "nearest"))
        self.pools.append(Pool(name, line.rest(), overflow))

    def _zone(self, line: Line) -> None:
        origin, _, port = line.option("origin").partition(":")
        names = [each.name for each in self._topology.origins]
        known = self._topology.origin(line.one_of(origin, "origin", names))
        if not port.isdigit() or int(port) not in known.ports:
            raise line.refused(f"the origin `{origin}` listens on ports {known.ports}")
        pools = [each.name for each in self.pools]
        self.zones.append(
            Zone(
                line.word("a hostname"),
                line.one_of(line.option("pool"), "pool", pools),
                origin,
                int(port),
                int(line.one_of(line.option("family", "4"), "family", ("4", "6"))),
                line.option("region", ""),
                line.one_of(line.option("tls", "no"), "answer", ("yes", "no")) == "yes",
            )
        )

    def _when(self, section: _Section) -> None:
        found = re.fullmatch(r"(?:(\d+) times)?", section.words)
        if not found:
            raise LabError(f"line {section.line}: `when {section.words}:` is not understood.")
        steps = tuple((parse_step(line, self._topology), line.text) for line in _lines(section))
        self.blocks.append(When(steps, int(found[1] or 1), section.line))

    def _then(self, section: _Section) -> None:
        found = re.fullmatch(r"([a-z]+)(?: within (\S+))?", section.words)
        if not found or found[1] not in VIEWS:
            known = ", ".join(VIEWS)
            raise LabError(f"line {section.line}: after `then` comes one of {known}.")
        columns, rows = _table(section, found[1])
        within = seconds(found[2]) if found[2] else 0.0
        self.blocks.append(Expectation(found[1], columns, rows, within, section.line))


def _lines(section: _Section) -> Iterator[Line]:
    for number, text in section.body:
        if (line := parse_line(text, number)) is not None:
            yield line


def _table(section: _Section, view: str) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    rows = [_cells(number, text) for number, text in section.body if text]
    if not rows:
        raise LabError(f"line {section.line}: a table of `{view}` follows.")
    columns, body = rows[0], rows[1:]
    unknown = [name for name in columns if name not in VIEWS[view]]
    if unknown:
        known = ", ".join(sorted(VIEWS[view]))
        raise LabError(
            f"line {section.line}: `{view}` has no column `{unknown[0]}`; it has {known}."
        )
    for (number, _), row in zip([each for each in section.body if each[1]][1:], body, strict=True):
        if len(row) != len(columns):
            raise LabError(f"line {number}: {len(row)} cells under {len(columns)} columns.")
    return columns, tuple(body)


def _cells(number: int, text: str) -> tuple[str, ...]:
    if not (text.startswith("|") and text.endswith("|")) or len(text) < 2:
        raise LabError(f"line {number}: a row of a table begins and ends with `|`.")
    return tuple(cell.strip() for cell in text[1:-1].split("|"))
