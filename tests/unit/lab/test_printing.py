"""What the lab prints: the map, the commands to try, the tables of a scenario."""

from __future__ import annotations

import io
import shlex

from rich.console import Console

from egressway.lab.drawing import draw_map
from egressway.lab.files import default_topology
from egressway.lab.lab import Lab
from egressway.lab.plan import make_plan
from egressway.lab.scenario.compare import Comparison, compare
from egressway.lab.scenario.report import Report
from egressway.lab.tries import things_to_try


def printed(comparison: Comparison) -> list[str]:
    out = io.StringIO()
    Report(Console(file=out, width=200, color_system=None)).table("requests", comparison)
    return [line.rstrip() for line in out.getvalue().splitlines() if line.strip()]


def test_the_map_names_every_place_with_its_address() -> None:
    topology = default_topology()
    plan = make_plan(topology, "egw-")
    drawn = "\n".join(draw_map(topology, plan))
    for name, server in plan.servers.items():
        assert f"{name:<12}{server.host.address}" in drawn
    for each in (*topology.locations, *topology.data_centers, *topology.origins):
        assert each.name in drawn
    assert drawn.isascii()


def test_there_is_a_command_for_each_location_and_for_the_end() -> None:
    lab = Lab(default_topology())
    commands = [line for line in things_to_try(lab) if line.startswith("sudo ")]
    for location in lab.topology.locations:
        assert any(f"client-{location.name} curl" in line for line in commands)
    assert shlex.split(commands[-1])[-2:] == ["lab", "down"]


def test_a_cell_shows_what_was_got_where_it_reads_differently() -> None:
    rows = [{"rung": "server", "status": "200"}] * 3
    lines = printed(compare(("rung", "status", "count"), [("*", "200", ">= 2")], rows))
    assert lines[0] == "  then requests"
    assert lines[-1].split() == ["ok", "*", "|", "server", "200", ">=", "2", "|", "3"]


def test_a_row_that_is_missing_and_one_that_nobody_expected_are_told_apart() -> None:
    comparison = compare(("rung",), [("location",)], [{"rung": "server"}])
    lines = printed(comparison)
    assert lines[-2].split() == ["missing", "location"]
    assert lines[-1].split() == ["unexpected", "server"]
