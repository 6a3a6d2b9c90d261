"""What the command line tells a node about the fleet it is to join."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["Invitation"]


@dataclass(frozen=True, slots=True)
class Invitation:
    """Any part may be missing: a node that has joined needs none; `repr` is free of the token."""

    control_url: str | None = None
    token: str | None = field(default=None, repr=False)
    server: str | None = None

    @classmethod
    def given(cls, join: str | None, token: str | None, server: str | None) -> Invitation:
        """Empty is not given."""
        return cls(join or None, token or None, server or None)
