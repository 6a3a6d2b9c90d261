"""CONFIG 2 of 5: what every writer of one transaction shares."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from egressway.store.changes import Journal

__all__ = ["Transaction"]


@dataclass(frozen=True, slots=True)
class Transaction:
    """The session, the journal, and the one moment that all its changes bear."""

    session: Session
    journal: Journal
    now: datetime
