"""Every scenario file of `scenarios/`, in the lab: real control plane, bus, routers, nodes and origins.

One lab serves all scenarios that want the same topology; each puts back what it has changed.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from egressway.lab.files import read_scenario, tour
from egressway.lab.scenario.report import Report
from egressway.lab.stage import Stage

SCENARIOS = sorted((Path(__file__).parents[2] / "scenarios").glob("*.scenario"))

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with Stage(print) as made:
        yield made


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_scenario(path: Path, stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    scenario = read_scenario(path)
    with capsys.disabled():
        assert stage.run(scenario, Report()), f"`{scenario.title}` differs, see its tables"


def test_the_tour_shows_what_it_says(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        assert stage.run(tour(), Report())
