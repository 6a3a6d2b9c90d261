"""Step 0004: the fleet's certificate authority, join tokens, and certificates of nodes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Three tables; a single machine never fills them."""
    _authority()
    _join_token()
    _node_certificate()


def _authority() -> None:
    op.create_table(
        "authority",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("certificate", sa.LargeBinary(), nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("created_on", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_authority")),
        sa.CheckConstraint("number = 1", name=op.f("ck_authority_only_one")),
    )


def _join_token() -> None:
    op.create_table(
        "join_token",
        sa.Column("sha256", sa.LargeBinary(32), nullable=False),
        sa.Column("server", sa.String(63), nullable=False),
        sa.Column("created_on", _MOMENT, nullable=False),
        sa.Column("expires_on", _MOMENT, nullable=False),
        sa.Column("used_on", _MOMENT, nullable=True),
        sa.Column("used_by", sa.LargeBinary(32), nullable=True),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_join_token")),
        sa.ForeignKeyConstraint(
            ["server"], ["server.name"], name=op.f("fk_join_token_server"), ondelete="CASCADE"
        ),
        sa.CheckConstraint(
            "(used_on IS NULL) = (used_by IS NULL)",
            name=op.f("ck_join_token_used_means_by_somebody"),
        ),
    )
    op.create_index(op.f("ix_join_token_server"), "join_token", ["server"])
    op.create_index(op.f("ix_join_token_expires_on"), "join_token", ["expires_on"])


def _node_certificate() -> None:
    op.create_table(
        "node_certificate",
        sa.Column("serial", sa.String(40), nullable=False),
        sa.Column("server", sa.String(63), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("issued_on", _MOMENT, nullable=False),
        sa.Column("not_after", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("serial", name=op.f("pk_node_certificate")),
        sa.ForeignKeyConstraint(
            ["server"], ["server.name"], name=op.f("fk_node_certificate_server"), ondelete="CASCADE"
        ),
    )
    op.create_index(op.f("ix_node_certificate_server"), "node_certificate", ["server"])
    op.create_index(op.f("ix_node_certificate_not_after"), "node_certificate", ["not_after"])
