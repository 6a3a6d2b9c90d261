"""Why a server does not steer. Either way the node goes on: its own slices work where routers bring
their packets to it.

    SteeringError
    |-- SteeringUnavailable   this host or process cannot; `missing` names what it takes
    |-- SteeringRefused       it would break what somebody else has set up; nothing was changed
    |-- SteeringBusy          another process steers in this network namespace; try again later
    `-- SteeringFailed        the kernel refused a step; repeating is safe, each apply starts afresh
"""

from __future__ import annotations

__all__ = [
    "SteeringBusy",
    "SteeringError",
    "SteeringFailed",
    "SteeringRefused",
    "SteeringUnavailable",
]


class SteeringError(Exception):
    """Base of the tree; its text ends with what to do."""


class SteeringUnavailable(SteeringError):
    """This host cannot steer."""

    def __init__(self, missing: str, advice: str) -> None:
        super().__init__(f"return packets cannot be steered: {missing} is missing. {advice}")
        self.missing = missing


class SteeringRefused(SteeringError):
    """The host's own rules would not survive it."""


class SteeringBusy(SteeringError):
    """One process at a time."""


class SteeringFailed(SteeringError):
    """A step that should have worked."""
