"""Zones that a node does not take, kept back so that all others can be served (CONFIG 3 of 5).

What the node had of such a zone goes on, or nothing of it is served. The store refuses what a data
plane refuses, so this is a second fence: a defect costs its own zone only, and is told.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from egressway.model.ids import ZoneId
from egressway.store import Read

__all__ = ["WithheldZones"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Refused:
    revision: int
    reason: str


class WithheldZones:
    """Written by the thread that distributes; `reasons` may be read by any."""

    def __init__(self) -> None:
        self._zones: dict[ZoneId, _Refused] = {}
        self._looked_at = 0

    @property
    def ids(self) -> frozenset[ZoneId]:
        """Which are withheld."""
        return frozenset(self._zones)

    @property
    def reasons(self) -> dict[ZoneId, str]:
        """And why."""
        return {zone_id: refused.reason for zone_id, refused in self._zones.copy().items()}

    def add(self, zone_id: ZoneId, revision: int, reason: str) -> bool:
        """Withhold a zone as it was at `revision`; false when it was withheld already."""
        if zone_id in self._zones:
            return False
        self._zones[zone_id] = _Refused(revision, reason)
        _log.error("zone %s is not distributed until it changes: %s", zone_id, reason)
        return True

    def release_changed(self, read: Read) -> None:
        """Zones that were touched since they were refused may be good now, or gone."""
        if not self._zones:
            return
        # A zone may be withheld for years: what has been looked at once is not read again.
        oldest = min(refused.revision for refused in self._zones.values())
        since, self._looked_at = max(oldest, self._looked_at), read.revision()
        for change in read.changes_since(since):
            refused = self._zones.get(change.zone_id) if change.zone_id else None
            if change.zone_id and refused and change.revision > refused.revision:
                del self._zones[change.zone_id]
