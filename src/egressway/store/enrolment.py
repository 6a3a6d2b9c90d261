"""CONFIG 2 of 5: the authority, join tokens, and which certificates may be renewed.

Whether a server is let in is decided here, in the transaction that then lets it in: two nodes that
show one token at the same moment are two turns, and the second is refused.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from egressway.model.enrolment import (
    KEPT_AFTER_EXPIRY,
    EnrolmentRefused,
    NodeCertificate,
    Refusal,
    StoredAuthority,
)
from egressway.model.server import Link, Server, ServerChange, ServerName, ServerState
from egressway.store.enrolment_schema import AuthorityRow, JoinTokenRow, NodeCertificateRow
from egressway.store.places import server_row
from egressway.store.schema import ServerRow
from egressway.store.servers import ServerWriter, server_of
from egressway.store.transaction import Transaction

__all__ = ["EnrolmentReader", "EnrolmentWriter"]

_ONLY: Final = 1
_NEW_TOKEN: Final = "Ask the operator for a new one: `egressway server token {}`."  # noqa: S105


class EnrolmentReader:
    """Reads what enrolment has left."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def authority(self) -> StoredAuthority | None:
        """The fleet's authority; None before the first start of a control plane."""
        row = self._session.get(AuthorityRow, _ONLY)
        return None if row is None else StoredAuthority(row.certificate, row.key)

    def certificates(self, server: ServerName) -> list[NodeCertificate]:
        """What a server was given and could still show, the newest last."""
        rows = self._session.scalars(
            select(NodeCertificateRow)
            .where(NodeCertificateRow.server == server)
            .order_by(NodeCertificateRow.epoch, NodeCertificateRow.not_after)
        )
        return [NodeCertificate(row.serial, row.server, row.epoch, row.not_after) for row in rows]


class EnrolmentWriter(EnrolmentReader):
    """Lets servers in."""

    def __init__(self, transaction: Transaction) -> None:
        super().__init__(transaction.session)
        self._transaction = transaction

    def ensure_authority(self, make: Callable[[], StoredAuthority]) -> StoredAuthority:
        """The fleet's authority, made now if there is none: all replicas share it."""
        stored = self.authority()
        if stored is None:
            stored = make()
            self._session.add(
                AuthorityRow(
                    number=_ONLY,
                    certificate=stored.certificate,
                    key=stored.key,
                    created_on=self._transaction.now,
                )
            )
            self._session.flush()
        return stored

    def invite(self, server: ServerName, digest: bytes, lifetime: timedelta) -> datetime:
        """Remembers a join token for a server; the moment when it expires."""
        if server_row(self._session, server).state is ServerState.REVOKED:
            raise _revoked(server)
        now = self._transaction.now
        self._forget_before(now)
        token = JoinTokenRow(
            sha256=digest, server=server, created_on=now, expires_on=now + lifetime
        )
        self._session.add(token)
        self._session.flush()
        return token.expires_on

    def join(self, server: ServerName, digest: bytes, key: bytes, link: Link | None) -> Server:
        """Uses a join token up for the holder of `key`; every node before has to give way.

        The same key may use it again: its first answer may have been lost on the way.
        """
        self._use_token(server, digest, key)
        if server_row(self._session, server).state is ServerState.REVOKED:
            raise _revoked(server)
        servers = ServerWriter(self._transaction)
        if link is not None:
            servers.edit(server, ServerChange(link=link))
        return servers.admit(server)

    def renew(self, server: ServerName, serial: str) -> Server:
        """The server, if the certificate with this serial may be followed by another."""
        found = self._session.get(ServerRow, server)
        certificate = self._session.get(NodeCertificateRow, serial)
        if found is None or certificate is None or certificate.server != server:
            raise EnrolmentRefused(
                Refusal.FOREIGN_CERTIFICATE,
                f"The certificate of `{server}` is not remembered: the server was removed, or was "
                f"off for more than {KEPT_AFTER_EXPIRY.days} days. Join it again: "
                f"`egressway server token {server}`.",
            )
        if found.state is ServerState.REVOKED:
            raise _revoked(server)
        if certificate.epoch != found.epoch:
            raise EnrolmentRefused(
                Refusal.SUPERSEDED,
                f"Another node has joined as `{server}` since. Stop this one, or join it again: "
                f"`egressway server token {server}`.",
            )
        return server_of(found)

    def remember(self, certificate: NodeCertificate) -> None:
        """A certificate was signed; it may be renewed until it is forgotten."""
        now = self._transaction.now
        self._forget_before(now)
        self._session.add(
            NodeCertificateRow(
                serial=certificate.serial,
                server=certificate.server,
                epoch=certificate.epoch,
                issued_on=now,
                not_after=certificate.not_after,
            )
        )
        self._session.flush()

    def _use_token(self, server: ServerName, digest: bytes, key: bytes) -> None:
        query = select(JoinTokenRow).where(JoinTokenRow.sha256 == digest).with_for_update()
        row = self._session.scalar(query)
        # The index finds by digest, which nobody can steer; the comparison takes constant time.
        if row is None or not hmac.compare_digest(row.sha256, digest):
            raise EnrolmentRefused(
                Refusal.UNKNOWN_TOKEN,
                f"The join token is not known. {_NEW_TOKEN.format(server)}",
            )
        if row.server != server:
            raise EnrolmentRefused(
                Refusal.OTHER_SERVER,
                f"The join token is for another server than `{server}`. Start the node with the "
                f"name it was made for, or make one: `egressway server token {server}`.",
            )
        if row.used_by is not None and not hmac.compare_digest(row.used_by, key):
            raise EnrolmentRefused(
                Refusal.USED_TOKEN,
                "The join token was used already; it lets in one node once. "
                f"{_NEW_TOKEN.format(server)}",
            )
        if row.expires_on <= self._transaction.now:
            raise EnrolmentRefused(
                Refusal.EXPIRED_TOKEN, f"The join token has expired. {_NEW_TOKEN.format(server)}"
            )
        row.used_on, row.used_by = self._transaction.now, key

    def _forget_before(self, now: datetime) -> None:
        """What nobody can use any more."""
        before = now - KEPT_AFTER_EXPIRY
        self._session.execute(delete(JoinTokenRow).where(JoinTokenRow.expires_on < before))
        self._session.execute(
            delete(NodeCertificateRow).where(NodeCertificateRow.not_after < before)
        )


def _revoked(server: ServerName) -> EnrolmentRefused:
    return EnrolmentRefused(
        Refusal.REVOKED,
        f"The server `{server}` is revoked, for life. Give its machine another name: "
        "`egressway server create`.",
    )
