"""Of all paths: how far a change may go by itself. One document for the whole fleet.

While it is `immediate`, every change reaches every server at once. While it is `staged`, each server
stays at the stable revision until a stage lets it go further; stages may be taken back at any time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from egressway.model.errors import Conflict, Invalid
from egressway.model.members import as_bool, as_choice, as_list, as_text, refuse_unknown

__all__ = [
    "IMMEDIATE",
    "Rollout",
    "RolloutAction",
    "RolloutMode",
    "RolloutState",
    "RolloutStep",
    "Stage",
]


class RolloutMode(StrEnum):
    """Whether changes wait for an operator."""

    IMMEDIATE = "immediate"
    STAGED = "staged"


class RolloutState(StrEnum):
    """What a staged rollout does."""

    ROLLING = "rolling"
    STOPPED = "stopped"
    """No server goes further, none goes back."""
    BACK = "back"
    """Every server is at the stable revision, or on its way there."""


@dataclass(frozen=True, slots=True)
class Stage:
    """These servers may be at a revision up to this one."""

    revision: int
    servers: tuple[str, ...] = ()
    data_centers: tuple[str, ...] = ()
    is_everyone: bool = False

    def covers(self, server: str, data_center: str) -> bool:
        """Whether it is about this server."""
        return self.is_everyone or server in self.servers or data_center in self.data_centers


@dataclass(frozen=True, slots=True)
class Rollout:
    """The document. Each step gives a new one, or `Conflict` where it makes no sense."""

    mode: RolloutMode = RolloutMode.IMMEDIATE
    stable: int = 0
    """Where servers stay that no stage is about, and where they return to."""
    stages: tuple[Stage, ...] = ()
    state: RolloutState = RolloutState.ROLLING
    reason: str | None = None
    """Why it was stopped, if it has stopped by itself."""

    def permitted(self, server: str, data_center: str) -> int | None:
        """The highest revision that a server may run; None: any."""
        if self.mode is RolloutMode.IMMEDIATE:
            return None
        if self.state is RolloutState.BACK:
            return self.stable
        covering = (stage for stage in self.stages if stage.covers(server, data_center))
        return max((stage.revision for stage in covering), default=self.stable)

    def start(self, newest: int) -> Rollout:
        """From now on nothing goes further than `newest` by itself."""
        if self.mode is RolloutMode.STAGED:
            raise Conflict("A rollout is under way already; finish it or take it back first.")
        return Rollout(RolloutMode.STAGED, newest)

    def advance(self, stage: Stage) -> Rollout:
        """Let more servers go, or the same ones further. With everyone there it is the new stable."""
        self._refuse_without_stages()
        if self.state is not RolloutState.ROLLING:
            raise Conflict(
                f"The rollout is `{self.state}`; resume it, or finish it, before it goes on."
            )
        if stage.is_everyone:
            return replace(self, stable=stage.revision, stages=(), reason=None)
        return replace(self, stages=(*self.stages, stage))

    def stop(self, reason: str | None = None) -> Rollout:
        """Let no server go further."""
        self._refuse_without_stages()
        return replace(self, state=RolloutState.STOPPED, reason=reason)

    def resume(self) -> Rollout:
        """Go on from where it was stopped, or begin again after it was taken back."""
        self._refuse_without_stages()
        stages = () if self.state is RolloutState.BACK else self.stages
        return replace(self, state=RolloutState.ROLLING, stages=stages, reason=None)

    def back(self) -> Rollout:
        """Every server returns to the stable revision."""
        self._refuse_without_stages()
        return replace(self, state=RolloutState.BACK)

    def finish(self) -> Rollout:
        """Everything reaches every server again, at once."""
        return IMMEDIATE

    def _refuse_without_stages(self) -> None:
        if self.mode is RolloutMode.IMMEDIATE:
            raise Conflict("No rollout is under way; start one first.")


IMMEDIATE = Rollout()
"""As long as nobody has said anything else."""


class RolloutAction(StrEnum):
    """What an operator may say."""

    START = "start"
    ADVANCE = "advance"
    STOP = "stop"
    RESUME = "resume"
    BACK = "back"
    FINISH = "finish"


@dataclass(frozen=True, slots=True)
class RolloutStep:
    """One word of the operator, and for `advance` whom it is about."""

    action: RolloutAction
    servers: tuple[str, ...] = ()
    data_centers: tuple[str, ...] = ()
    is_everyone: bool = False

    @classmethod
    def parse(cls, body: Mapping[str, object]) -> RolloutStep:
        """From the body of a request: `action`, and `servers`, `data_centers` or `all`."""
        refuse_unknown(body, {"action", "servers", "data_centers", "all"})
        step = cls(
            action=as_choice(RolloutAction, body.get("action"), "/action"),
            servers=_names(body, "servers"),
            data_centers=_names(body, "data_centers"),
            is_everyone=as_bool(body.get("all", False), "/all"),
        )
        is_about_some = bool(step.servers or step.data_centers or step.is_everyone)
        if is_about_some != (step.action is RolloutAction.ADVANCE):
            raise Invalid(
                "`advance` names `servers`, `data_centers` or `all`; the other actions name nobody.",
                pointer="",
            )
        return step

    def taken(self, rollout: Rollout, newest: int) -> Rollout:
        """The document after it. `newest` is the newest revision there is."""
        match self.action:
            case RolloutAction.START:
                return rollout.start(newest)
            case RolloutAction.ADVANCE:
                stage = Stage(newest, self.servers, self.data_centers, self.is_everyone)
                return rollout.advance(stage)
            case RolloutAction.STOP:
                return rollout.stop()
            case RolloutAction.RESUME:
                return rollout.resume()
            case RolloutAction.BACK:
                return rollout.back()
            case RolloutAction.FINISH:
                return rollout.finish()


def _names(body: Mapping[str, object], member: str) -> tuple[str, ...]:
    given = as_list(body.get(member, ()), f"/{member}", limit=1_000)
    return tuple(as_text(each, f"/{member}/{at}", limit=63) for at, each in enumerate(given))
