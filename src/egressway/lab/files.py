"""Texts that come with the package: the default topology, and the tour that configures a new lab."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from egressway.lab.errors import LabError
from egressway.lab.scenario.parse import parse_scenario
from egressway.lab.scenario.script import Scenario
from egressway.lab.topology import Topology, parse_topology

__all__ = ["default_topology", "read_scenario", "tour"]


def default_topology() -> Topology:
    """What `lab up` builds."""
    return parse_topology(_packaged("default.topology"))


def tour() -> Scenario:
    """What `lab up` configures, and `lab run` runs when no file is given."""
    return parse_scenario(_packaged("default.scenario"), default_topology())


def read_scenario(path: Path) -> Scenario:
    """A scenario file; errors name it."""
    try:
        return parse_scenario(path.read_text("utf-8"), default_topology())
    except OSError as failure:
        raise LabError(f"`{path}` cannot be read: {failure.strerror}.") from failure
    except LabError as wrong:
        raise LabError(f"`{path}`: {wrong}") from wrong


def _packaged(name: str) -> str:
    return files(__package__).joinpath(name).read_text("utf-8")
