"""CONFIG 2 of 5: the journal of changes. An entry says *look again at this*, never what changed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session

from egressway.model.ids import ZoneId
from egressway.store.schema import ChangeRow

__all__ = ["Change", "ChangeKind", "Journal", "changes_since", "is_complete_since", "revision"]


class ChangeKind(StrEnum):
    """What kind of object was touched."""

    ACCOUNT = "account"
    TOKEN = "token"  # noqa: S105 - the name of a kind
    ZONE = "zone"
    RECORD = "record"
    CERTIFICATE = "certificate"
    LEASE = "lease"
    POOL = "pool"
    GRANT = "grant"
    SETTING = "setting"
    REGIONAL_HOSTNAME = "regional_hostname"
    SERVER = "server"
    """A server, data center or location."""
    PLACEMENT = "placement"
    """Slices, moves or the drain of an address; its pool is touched too."""


@dataclass(frozen=True, slots=True)
class Change:
    """One object was touched. With a `zone_id`, that zone is to be compiled again."""

    revision: int
    kind: ChangeKind
    object_id: str
    zone_id: ZoneId | None
    actor: str
    at: datetime


class Journal:
    """Collects what one transaction touches, and writes it at its end."""

    def __init__(self, actor: str, at: datetime) -> None:
        self._actor = actor[:120]
        self._at = at
        self._rows: dict[tuple[ChangeKind, str, ZoneId | None], dict[str, Any]] = {}

    def touched(self, kind: ChangeKind, object_id: str, zone_id: ZoneId | None = None) -> None:
        """Notes an object, once per transaction."""
        self._rows[kind, object_id, zone_id] = {
            "kind": kind.value,
            "object_id": object_id,
            "zone_id": zone_id,
            "actor": self._actor,
            "at": self._at,
        }

    def touched_zones(self, zone_ids: Iterable[ZoneId]) -> None:
        """Notes zones that another object's change reaches."""
        for zone_id in zone_ids:
            self.touched(ChangeKind.ZONE, zone_id, zone_id)

    def write(self, session: Session) -> int | None:
        """Appends what was noted; the new revision, or None if nothing was."""
        if not self._rows:
            return None
        session.execute(insert(ChangeRow), list(self._rows.values()))
        return revision(session)


def revision(session: Session) -> int:
    """The counter of the newest change; 0 before the first."""
    return session.scalar(select(func.max(ChangeRow.revision))) or 0


def changes_since(session: Session, since: int) -> list[Change]:
    """Every change after `since`, oldest first."""
    rows = session.scalars(
        select(ChangeRow).where(ChangeRow.revision > since).order_by(ChangeRow.revision)
    )
    return [
        Change(row.revision, ChangeKind(row.kind), row.object_id, row.zone_id, row.actor, row.at)
        for row in rows
    ]


def is_complete_since(session: Session, since: int) -> bool:
    """No change after `since` has been removed: they go oldest first, and one as old is still there.

    Numbers prove nothing. PostgreSQL uses one up for each row of a transaction that is rolled back.
    """
    oldest = session.scalar(select(func.min(ChangeRow.revision)))
    return oldest is not None and oldest <= since
