"""`/egressway/rollout`: how far a change may go by itself, and steps with it.

CONFIG 1 of 5, a vendor extension, the operator's. The document is not in the store: it lies where
servers read it, and a `RolloutControl` that `services` provides reaches it.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal, Protocol

from litestar import get, post
from litestar.handlers import HTTPRouteHandler
from msgspec import UNSET, Meta, Struct, UnsetType, field

from egressway.api.access import OPERATOR
from egressway.api.envelope import Answer, answer
from egressway.api.parameters import Given, JsonBody
from egressway.model.errors import Conflict
from egressway.model.rollout import IMMEDIATE, Rollout, RolloutStep, Stage

__all__ = ["HANDLERS", "NoRollouts", "RolloutControl"]


class RolloutControl(Protocol):
    """Reads and changes the document; raises `StoreUnavailable` where it cannot be reached."""

    def read(self) -> Rollout:
        """As it is now."""

    def take(self, step: RolloutStep) -> Rollout:
        """As it is after the step; `Conflict` where the step makes no sense."""


class NoRollouts:
    """Where there is nobody to stage changes for."""

    def read(self) -> Rollout:
        """Every change is in force at once."""
        return IMMEDIATE

    def take(self, step: RolloutStep) -> Rollout:  # noqa: ARG002
        """There is nothing to step with."""
        raise Conflict("This Egressway has no servers to roll out to.")


class RolloutStage(Struct, frozen=True):
    """Who may be at which revision."""

    revision: int
    servers: list[str]
    data_centers: list[str]
    all: bool


class ShownRollout(Struct, frozen=True):
    """The document."""

    mode: Literal["immediate", "staged"]
    state: Literal["rolling", "stopped", "back"]
    stable: Annotated[int, Meta(description="Where servers stay that no stage is about")]
    stages: list[RolloutStage]
    reason: Annotated[str | None, Meta(description="Why it has stopped by itself")]


class RolloutStepTaken(Struct, frozen=True, forbid_unknown_fields=True):
    """A step: `start`, `advance` some or all, `stop`, `resume`, `back`, `finish`."""

    action: Literal["start", "advance", "stop", "resume", "back", "finish"]
    servers: list[str] | UnsetType = UNSET
    data_centers: list[str] | UnsetType = UNSET
    everyone: bool | UnsetType = field(name="all", default=UNSET)


@get(
    "/egressway/rollout",
    operation_id="egressway.rollout.get",
    tags=["egressway"],
    opt=OPERATOR,
    sync_to_thread=True,
)
def read_rollout(rollouts: Given[RolloutControl]) -> Answer[ShownRollout]:
    """How far changes go."""
    return answer(_shown(rollouts.read()))


@post(
    "/egressway/rollout",
    operation_id="egressway.rollout.step",
    tags=["egressway"],
    opt=OPERATOR,
    status_code=200,
    sync_to_thread=True,
)
def step_rollout(
    rollouts: Given[RolloutControl], data: JsonBody[RolloutStepTaken]
) -> Answer[ShownRollout]:
    """Take one step. `advance` lets servers go to the newest revision there is."""
    return answer(_shown(rollouts.take(RolloutStep.parse(data.members))))


HANDLERS: Final[list[HTTPRouteHandler]] = [read_rollout, step_rollout]


def _shown(rollout: Rollout) -> ShownRollout:
    return ShownRollout(
        mode=rollout.mode.value,
        state=rollout.state.value,
        stable=rollout.stable,
        stages=[_stage(stage) for stage in rollout.stages],
        reason=rollout.reason,
    )


def _stage(stage: Stage) -> RolloutStage:
    return RolloutStage(
        stage.revision, list(stage.servers), list(stage.data_centers), stage.is_everyone
    )
