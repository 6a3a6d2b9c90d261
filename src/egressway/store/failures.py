"""Beside CONFIG 2: what the database says, in the words of the error tree."""

from __future__ import annotations

from typing import Final

from sqlalchemy.exc import DBAPIError, IntegrityError

from egressway.model.errors import Conflict, StoreUnavailable

__all__ = ["conflict_of", "unavailable"]

# Writers look before they write and say more; these are for what came in between.
_GUARDS: Final = {
    "lease.ip": ("The address is already leased.", "/ip"),
    "zone.name": ("The zone already exists.", "/name"),
    "host.name": ("The name is already served by another zone.", "/name"),
    "pool_ip.ip": ("The address is already in another pool.", "/ips"),
    "dns_record.zone_id": ("An identical record already exists.", None),
}

_ADVICE: Final = (
    ("locked", "is locked by another process; stop that process or try again later."),
    ("readonly", "cannot be written; make the file and its directory writable for this user."),
    ("unable to open", "cannot be opened; make its directory writable for this user."),
    ("full", "cannot grow; free some space on its disk."),
    ("disk i/o", "cannot be read or written (input/output error); check its disk."),
    ("not a database", "is not a database; move the file away or choose another one."),
    ("malformed", "is damaged; restore it from a backup."),
)


def conflict_of(error: IntegrityError) -> Conflict:
    """The guard that refused a write."""
    said = str(error.orig)
    for column, (text, pointer) in _GUARDS.items():
        if column in said:
            return Conflict(text, pointer=pointer)
    return Conflict("The change contradicts what is stored; read again and retry.")


def unavailable(error: DBAPIError, path: str) -> StoreUnavailable:
    """Why the database cannot serve, and what to do about it."""
    said = str(error.orig).lower()
    for sign, advice in _ADVICE:
        if sign in said:
            return StoreUnavailable(f"The database {path} {advice}")
    return StoreUnavailable(f"The database {path} failed: {error.orig}.")
