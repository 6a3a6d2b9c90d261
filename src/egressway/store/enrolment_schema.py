"""CONFIG 2 of 5: the tables of enrolment, beside those of `schema`.

server --< join_token           one use each, only a digest is kept
   `-----< node_certificate     what the authority has signed for it
authority                       at most one row: the key from which all trust in the fleet comes
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from egressway.model.server import ServerName
from egressway.store.schema import Base

__all__ = ["AuthorityRow", "JoinTokenRow", "NodeCertificateRow"]


class AuthorityRow(Base):
    """The fleet's certificate authority. Only the owner of the database can read the key."""

    __tablename__ = "authority"
    __table_args__ = (CheckConstraint("number = 1", name="only_one"),)

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    certificate: Mapped[bytes] = mapped_column(LargeBinary)
    key: Mapped[bytes] = mapped_column(LargeBinary)
    created_on: Mapped[datetime]


class JoinTokenRow(Base):
    """An invitation of one server. Once used it belongs to the key that used it."""

    __tablename__ = "join_token"
    __table_args__ = (
        CheckConstraint("(used_on IS NULL) = (used_by IS NULL)", name="used_means_by_somebody"),
    )

    sha256: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    server: Mapped[ServerName] = mapped_column(
        ForeignKey("server.name", ondelete="CASCADE"), index=True
    )
    created_on: Mapped[datetime]
    expires_on: Mapped[datetime] = mapped_column(index=True)
    used_on: Mapped[datetime | None]
    used_by: Mapped[bytes | None] = mapped_column(LargeBinary(32))


class NodeCertificateRow(Base):
    """A certificate that a node was given; without its row it cannot be renewed."""

    __tablename__ = "node_certificate"

    serial: Mapped[str] = mapped_column(String(40), primary_key=True)
    server: Mapped[ServerName] = mapped_column(
        ForeignKey("server.name", ondelete="CASCADE"), index=True
    )
    epoch: Mapped[int]
    issued_on: Mapped[datetime]
    not_after: Mapped[datetime] = mapped_column(index=True)
