"""Whether this server may get traffic, and if not, every reason (beside CONFIG 4).

Pure: a function of the node's state and the data plane's status. Live is another question: a
process that answers is alive, even when it is not ready.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from egressway.data_plane.handle import Status
from egressway.node.apply import NodeState

__all__ = ["Readiness", "Reason", "readiness"]


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a server is not ready: a code for programs, a sentence for people."""

    code: str
    message: str
    subject: str | None = None
    """What it is about, such as the address."""


@dataclass(frozen=True, slots=True)
class Readiness:
    """Ready exactly when there is no reason against it."""

    reasons: tuple[Reason, ...]
    desired_revision: int
    applied_revision: int

    @property
    def is_ready(self) -> bool:
        """May get traffic."""
        return not self.reasons


def readiness(state: NodeState, status: Status) -> Readiness:
    """Judge a server by what it was told and what it does."""
    return Readiness(
        reasons=tuple(_reasons(state, status)),
        desired_revision=state.desired_revision,
        applied_revision=state.applied_revision,
    )


def _reasons(state: NodeState, status: Status) -> Iterator[Reason]:
    if status.is_draining:
        yield Reason("draining", "The server is stopping.")
    if state.applied is None and state.refusal is None:
        yield Reason("no_snapshot", "No snapshot has been applied yet.")
    if state.refusal is not None:
        yield _refused(state)
    for address in status.unbindable:
        yield Reason(
            "egress_address_unbindable",
            f"The egress address `{address.ip}` cannot be used on this server: {address.reason}. "
            "Route it locally, or take it out of its pool.",
            subject=address.ip,
        )


def _refused(state: NodeState) -> Reason:
    refusal = state.refusal
    assert refusal is not None
    runs = f"Revision {state.applied_revision} goes on." if state.applied else "Nothing runs yet."
    if refusal.kind == "listener":
        return Reason(
            "listener_unavailable",
            f"Revision {refusal.revision} cannot be listened for: {refusal.reason}. {runs}",
        )
    return Reason(
        "snapshot_refused", f"Revision {refusal.revision} was refused: {refusal.reason}. {runs}"
    )
