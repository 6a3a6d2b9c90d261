"""Scenarios one after the other, on one lab for as long as they want the same topology.

A lab that was up before is used, and stays, with what `lab up` configures; one that had to be built is
taken away at the end.
"""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Self

from egressway.lab.errors import LabError
from egressway.lab.files import default_topology, tour
from egressway.lab.lab import Lab, remove_lab
from egressway.lab.requirements import check_requirements
from egressway.lab.run_directory import DEFAULT, RunDirectory
from egressway.lab.scenario.report import Report
from egressway.lab.scenario.run import run_scenario
from egressway.lab.scenario.script import Given, Scenario

__all__ = ["Stage"]


class Stage:
    """For the length of its block, nobody else changes the lab."""

    def __init__(self, tell: Callable[[str], None], directory: RunDirectory = DEFAULT) -> None:
        self._tell = tell
        self._directory = directory
        self._lock = directory.locked()
        self._was_up = False
        self._lab: Lab | None = None

    def __enter__(self) -> Self:
        check_requirements()
        self._lock.__enter__()
        if self._directory.is_ready:
            self._was_up = True
            self._lab = Lab.running(self._directory)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if self._lab is not None and not self._was_up:
                remove_lab(self._directory)
            elif self._lab is not None and kind is None:
                self._lab.api.configure(tour().given)
        finally:
            self._lock.__exit__(kind, error, trace)

    def run(self, scenario: Scenario, report: Report) -> bool:
        """Whether everything was as expected."""
        return run_scenario(scenario, self._lab_for(scenario), report)

    def _lab_for(self, scenario: Scenario) -> Lab:
        wanted = scenario.topology or default_topology()
        if self._lab is not None and self._lab.topology.text == wanted.text:
            return self._lab
        if self._was_up:
            raise LabError(
                f"`{scenario.title}` has a topology of its own, and a lab with another one is up. "
                "Take that away first with `egressway lab down`."
            )
        remove_lab(self._directory)
        self._lab = Lab(wanted, self._directory)
        self._lab.up(Given(), self._tell)
        return self._lab
