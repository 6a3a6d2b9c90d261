"""Whether this server may get traffic, and if not, every reason (beside CONFIG 4).

Pure: a function of the node's state and the data plane's status. Live is another question: a
process that answers is alive, even when it is not ready.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from egressway.data_plane.handle import Status
from egressway.node.apply import NodeState
from egressway.node.follow import FollowerState
from egressway.node.surroundings import Standing

__all__ = ["Readiness", "Reason", "readiness"]

_ALONE: Final = FollowerState()


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
    warnings: tuple[Reason, ...] = ()
    """What somebody should look at, while this server goes on serving."""

    @property
    def is_ready(self) -> bool:
        """May get traffic."""
        return not self.reasons


def readiness(state: NodeState, status: Status, following: FollowerState = _ALONE) -> Readiness:
    """Judge a server by what it was told, how it stands to the fleet, and what it does."""
    return Readiness(
        reasons=tuple(_reasons(state, status, following)),
        desired_revision=state.desired_revision,
        applied_revision=state.applied_revision,
        warnings=tuple(_warnings(following)),
    )


_STANDINGS: Final[dict[Standing, tuple[str, str]]] = {
    "draining": ("server_draining", "The operator drains this server."),
    "revoked": (
        "server_revoked",
        "The operator has revoked this server. Enrol it again, or end it.",
    ),
    "fenced": (
        "server_fenced",
        "Another process has joined under this server's name, so this one opens no more connections. "
        "End it, or enrol it under a name of its own.",
    ),
    "unknown": (
        "server_unknown",
        "The fleet knows no server of this name. Create it, or start this one under its right name.",
    ),
}
"""How a server may stand to the fleet that keeps it from getting traffic: code and sentence."""


def _reasons(state: NodeState, status: Status, following: FollowerState) -> Iterator[Reason]:
    if following.standing in _STANDINGS:
        yield Reason(*_STANDINGS[following.standing])
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


def _warnings(following: FollowerState) -> Iterator[Reason]:
    if following.alarm is not None:
        yield Reason(
            "config_not_used",
            f"What was published is not used: {following.alarm}. What runs goes on.",
        )
    if following.not_kept is not None:
        yield Reason(
            "last_good_not_kept",
            f"What runs is not on disk: {following.not_kept}. Make room; until then a restart needs "
            "the bus.",
        )
    for zone_id, reason in following.withheld.items():
        yield Reason(
            "zone_withheld",
            f"The zone is not served as it is stored: {reason}. Change it.",
            zone_id,
        )
