"""What a node answers to a snapshot (between CONFIG 4 and CONFIG 3)."""

from __future__ import annotations

import msgspec

__all__ = ["Acknowledgement"]


class Acknowledgement(msgspec.Struct, frozen=True):
    """The revision that runs now; another than the snapshot's means that it was refused."""

    revision: int
    reason: str | None = None
    """Why it was refused, for people."""
    zone_id: str | None = None
    """The zone at fault, where there is one: without it the rest may be taken."""
