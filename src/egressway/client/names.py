"""Names where ids are asked for: one rule for every kind of object.

An exact id wins. Otherwise the name must fit exactly one object; none and several are errors that
list what there is.
"""

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from egressway.client.errors import AmbiguousNameError, UnknownNameError

__all__ = ["pick"]

MOST_LISTED = 10


class HasId(Protocol):
    """Anything the API has given an id."""

    @property
    def id(self) -> str: ...


T = TypeVar("T", bound=HasId)


def pick(
    reference: str,
    candidates: Sequence[T],
    kind: str,
    names: Callable[[T], Sequence[str]],
    describe: Callable[[T], str],
) -> T:
    """The one candidate whose id is `reference`, or whose names contain it."""
    for candidate in candidates:
        if candidate.id == reference:
            return candidate
    fitting = [candidate for candidate in candidates if reference in names(candidate)]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise AmbiguousNameError(
            f"`{reference}` could be more than one {kind}.",
            [f"{len(fitting)} fit: {_listed(fitting, describe)}."],
            "Give the id instead of the name.",
        )
    raise UnknownNameError(
        f"There is no {kind} `{reference}`.",
        [f"There is: {_listed(candidates, describe)}."]
        if candidates
        else [f"There is no {kind} yet."],
        "Give one of their names or ids." if candidates else f"Create the {kind} first.",
    )


def _listed(candidates: Sequence[T], describe: Callable[[T], str]) -> str:
    shown = [describe(candidate) for candidate in candidates[:MOST_LISTED]]
    left = len(candidates) - len(shown)
    return ", ".join([*shown, f"{left} more"] if left else shown)
