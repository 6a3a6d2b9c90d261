"""Step 0005: names of zones that are served in one region only. Until one is made, nothing changes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """One table, and an index for the zones of a name."""
    op.create_table(
        "regional_hostname",
        sa.Column("zone_id", sa.String(length=32), nullable=False),
        sa.Column("hostname", sa.String(length=253), nullable=False),
        sa.Column("region_key", sa.String(length=32), nullable=False),
        sa.Column("routing", sa.String(length=255), nullable=False),
        sa.Column("created_on", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["zone_id"], ["zone.id"], name=op.f("fk_regional_hostname_zone_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("zone_id", "hostname", name=op.f("pk_regional_hostname")),
    )
    op.create_index(
        op.f("ix_regional_hostname_hostname"), "regional_hostname", ["hostname"], unique=False
    )
