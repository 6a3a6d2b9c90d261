"""Scenario files: what is read from them, and what is refused."""

from __future__ import annotations

from ipaddress import IPv4Address
from pathlib import Path

import pytest

from egressway.lab.errors import LabError
from egressway.lab.files import default_topology, read_scenario, tour
from egressway.lab.scenario.parse import parse_scenario
from egressway.lab.scenario.script import Expectation, PlacedAddress, Scenario, When
from egressway.lab.scenario.steps import Cut, Hold, Machine, Request, Service

SCENARIOS = sorted((Path(__file__).parents[3] / "scenarios").glob("*.scenario"))

GOOD = """# A title

Prose that says
why.

given:
    address 192.0.2.1 lisbon-1b=1000 oslo-1a=5,000
    pool    near 192.0.2.1
    zone    near.example.com pool=near origin=shop:8001

when:
    request n=20 client=lisbon server=lisbon-1a host=near.example.com

then requests:
    | rung        | count |
    | data_center | 20    |

when 20 times:
    kill  lisbon-1b
    start lisbon-1b

then outages within 500ms:
    | after           | p99   |
    | kill lisbon-1b | <= 1s |
"""


def parsed(text: str) -> Scenario:
    return parse_scenario(text, default_topology())


def steps_of(block: When | Expectation) -> list[object]:
    assert isinstance(block, When)
    return [step for step, _ in block.steps]


def test_a_scenario_is_what_its_file_says() -> None:
    scenario = parsed(GOOD)
    assert scenario.title == "A title"
    assert scenario.prose == "Prose that says why."
    assert scenario.topology is None
    placed = PlacedAddress(IPv4Address("192.0.2.1"), (("lisbon-1b", 1_000), ("oslo-1a", 5_000)))
    assert scenario.given.addresses == (placed,)
    first, look, again, last = scenario.blocks
    [request] = steps_of(first)
    assert isinstance(request, Request)
    assert (request.n, request.traffic.servers) == (20, ("lisbon-1a",))
    assert isinstance(look, Expectation)
    assert (look.columns, look.rows) == (("rung", "count"), (("data_center", "20"),))
    assert isinstance(again, When)
    assert again.times == 20
    assert steps_of(again) == [Machine("kill", "lisbon-1b"), Machine("start", "lisbon-1b")]
    assert isinstance(last, Expectation)
    assert last.within == 0.5


def test_without_a_server_a_client_asks_those_of_its_location() -> None:
    scenario = parsed(GOOD.replace(" server=lisbon-1a", ""))
    [request] = steps_of(scenario.blocks[0])
    assert isinstance(request, Request)
    assert request.traffic.servers == ("lisbon-1a", "lisbon-1b", "lisbon-2a")


def test_cuts_have_a_direction() -> None:
    lines = "cut oslo-1\n    cut oslo-1 -> quito-1\n    cut oslo-1 <-> quito-1\n    stop control"
    scenario = parsed(GOOD.replace("kill  lisbon-1b", lines, 1))
    assert steps_of(scenario.blocks[2])[:4] == [
        Cut("oslo-1", "", both=True),
        Cut("oslo-1", "quito-1", both=False),
        Cut("oslo-1", "quito-1", both=True),
        Service("stop", "control"),
    ]


def test_a_scenario_may_bring_a_topology() -> None:
    own = """
topology:
    location    madrid latitude=40 longitude=-3
    data-center mad-1  location=madrid
    server      mad-a  data-center=mad-1
    origin      shop   location=madrid network=198.51.100.0/24 network6=2001:db8:a::/64 ports=8001
    egress      192.0.2.0/28 2001:db8:e::/64

when:
    hold n=5 client=madrid host=near.example.com

then held:
    | outcome | count |
    | held    | 5     |
"""
    scenario = parsed(f"# Own\n{own}")
    assert scenario.topology is not None
    [hold] = steps_of(scenario.blocks[0])
    assert isinstance(hold, Hold)
    assert hold.traffic.servers == ("mad-a",)


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("client=lisbon", "client=rome", "line 12.*`rome` is no location with a client"),
        ("server=lisbon-1a", "server=lisbon-9", "line 12.*`lisbon-9` is no server"),
        ("request n=20", "request n=many", "line 12.*`n=many`: a whole number"),
        ("request n=20", "ask n=20", "line 12.*`ask` is no step"),
        ("lisbon-1b=1000", "lisbon-9=1000", "line 7.*`lisbon-9=` is not understood"),
        ("address 192.0.2.1", "address 192.0.2.77", "line 7.*not one of the egress addresses"),
        ("origin=shop:8001", "origin=shop:80", "line 9.*`shop` listens on ports"),
        ("pool=near", "pool=far", "line 9.*`far` is no pool"),
        ("| data_center | 20    |", "| data_center |", "line 16: 1 cells under 2 columns"),
        ("| rung  ", "| step  ", "line 14: `requests` has no column `step`"),
        ("then requests:", "then answers:", "line 14: after `then` comes one of"),
        ("when 20 times:", "when often:", "line 18: `when often:`"),
        ("# A title", "A title", "begins with `# `"),
    ],
)
def test_a_wrong_file_is_refused_with_its_line(old: str, new: str, why: str) -> None:
    with pytest.raises(LabError, match=why):
        parsed(GOOD.replace(old, new, 1))


def test_a_scenario_without_a_table_is_refused() -> None:
    with pytest.raises(LabError, match="at least one `then`"):
        parsed("# Nothing\n\nwhen:\n    release\n")


def test_the_tour_that_comes_along_is_a_good_scenario() -> None:
    assert tour().given.zones


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_every_scenario_file_is_good(path: Path) -> None:
    assert read_scenario(path).blocks
