"""Beside CONFIG 2: what the database says, in the words of the error tree.

Texts of PostgreSQL may repeat whole rows, keys included; only their first line, which does not, is kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import psycopg
from sqlalchemy import Engine
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError

from egressway.model.errors import Conflict, EgresswayError, Invalid, NotFound, StoreUnavailable

__all__ = ["place_of", "refusal_of", "unavailable"]


@dataclass(frozen=True, slots=True)
class _Guard:
    """A constraint: how SQLite and PostgreSQL name it, and what to tell whoever meets it."""

    column: str
    constraint: str
    text: str
    pointer: str | None


# Writers look before they write and say more; these are for what came in between.
_GUARDS: Final = (
    _Guard("lease.ip", "uq_lease_ip", "The address is already leased.", "/ip"),
    _Guard("zone.name", "uq_zone_name", "The zone already exists.", "/name"),
    _Guard("host.name", "pk_host", "The name is already served by another zone.", "/name"),
    _Guard("pool_ip.ip", "pk_pool_ip", "The address is already in another pool.", "/ips"),
    _Guard(
        "port_slice_overlap",
        "port_slice_overlap",
        "Slices of an address must not overlap.",
        "/slices",
    ),
    _Guard(
        "port_slice_locations",
        "port_slice_locations",
        "An address is in at most four locations.",
        "/shares",
    ),
    _Guard(
        "dns_record.zone_id",
        "uq_dns_record_zone_id_name_type_content",
        "An identical record already exists.",
        None,
    ),
)

_SQLITE_ADVICE: Final = (
    ("locked", "is locked by another process; stop that process or try again later."),
    ("readonly", "cannot be written; make the file and its directory writable for this user."),
    ("unable to open", "cannot be opened; make its directory writable for this user."),
    ("full", "cannot grow; free some space on its disk."),
    ("disk i/o", "cannot be read or written (input/output error); check its disk."),
    ("not a database", "is not a database; move the file away or choose another one."),
    ("malformed", "is damaged; restore it from a backup."),
)

# By SQLSTATE, or its class: the first that fits.
_POSTGRESQL_ADVICE: Final = (
    ("28", "does not let this user in; check user and password in its URL."),
    ("3D000", "does not exist; make it: `createdb --encoding=UTF8 DATABASE`."),
    ("42501", "does not let this user do that; make the user its owner."),
    ("53100", "cannot grow; free some space on the server's disk."),
    ("53300", "has no connection left; raise `max_connections` of the server, or try again later."),
    ("55P03", "has been busy with another change for too long; try again later."),
    ("57014", "has taken too long to answer; try again later."),
    ("57P", "is stopping or starting; try again later."),
    ("25006", "cannot be written, it is a standby; let its URL name the primary server."),
    ("25P03", "has waited too long for this process, and undone the change; try again."),
    ("40", "has undone the change in favour of another one; try again."),
    ("XX", "is damaged; look into the server's log, and restore it from a backup."),
    ("08", "cannot be reached; check that its server runs and that its URL is right."),
)


def place_of(engine: Engine) -> str:
    """Where the database is, without anything secret."""
    url = engine.url
    if url.get_backend_name() == "sqlite":
        return str(url.database)
    host = url.host or url.query.get("host") or "this host"
    where = host if isinstance(host, str) else ", ".join(host)
    return f"{url.database} on {where}" + (f":{url.port}" if url.port else "")


def refusal_of(error: DBAPIError, place: str, *, is_writing: bool) -> EgresswayError:
    """Whatever went wrong, in the words of the error tree."""
    _forget_details(error)
    if isinstance(error, IntegrityError):
        return _conflict_of(error)
    if isinstance(error, DataError) and not is_writing:
        return NotFound("Nothing that is stored has such a name or value.")
    if isinstance(error, DataError):
        return Invalid(
            "A value is too long, too large, or holds a character that cannot be stored."
        )
    return unavailable(error, place)


def unavailable(error: DBAPIError, place: str) -> StoreUnavailable:
    """Why the database cannot serve, and what to do about it."""
    _forget_details(error)
    said = str(error.orig).strip()
    if isinstance(error.orig, psycopg.Error):
        code = _sqlstate(error.orig)
        for sign, advice in _POSTGRESQL_ADVICE:
            if code.startswith(sign):
                return StoreUnavailable(f"The database {place} {advice}")
        return StoreUnavailable(f"The database {place} failed: {said}.")
    for sign, advice in _SQLITE_ADVICE:
        if sign in said.lower():
            return StoreUnavailable(f"The database {place} {advice}")
    return StoreUnavailable(f"The database {place} failed: {said}.")


def _conflict_of(error: IntegrityError) -> Conflict:
    """The guard that refused a write."""
    for guard in _GUARDS:
        if _is_of(guard, error):
            return Conflict(guard.text, pointer=guard.pointer)
    return Conflict("The change contradicts what is stored; read again and retry.")


def _is_of(guard: _Guard, error: IntegrityError) -> bool:
    if isinstance(error.orig, psycopg.Error):
        diagnosis = error.orig.diag
        # What a trigger raises has no constraint of its own, its text is the name.
        return guard.constraint in (diagnosis.constraint_name, diagnosis.message_primary)
    return guard.column in str(error.orig)


def _sqlstate(error: psycopg.Error) -> str:
    """What was said while connecting comes as text only."""
    if error.sqlstate is not None:
        return error.sqlstate
    said = str(error)
    for sign, code in _CONNECTING:
        if sign in said:
            return code
    return "08000" if isinstance(error, psycopg.OperationalError) else ""


_CONNECTING: Final = (
    ("authentication failed", "28P01"),
    ('role "', "28000"),
    ("no password supplied", "28P01"),
    ("no pg_hba.conf entry", "28000"),
    ("does not exist", "3D000"),
    ("too many clients", "53300"),
    ("connection slots", "53300"),
    ("is starting up", "57P03"),
    ("is shutting down", "57P03"),
    ("not yet accepting connections", "57P03"),
)


def _forget_details(error: DBAPIError) -> None:
    """Rows, which the server repeats below the first line of its text, must not get into a log."""
    original = error.orig
    if isinstance(original, psycopg.Error) and original.diag.message_primary is not None:
        original.args = (original.diag.message_primary,)
        error.args = (f"({type(original).__name__}) {original.diag.message_primary}",)
