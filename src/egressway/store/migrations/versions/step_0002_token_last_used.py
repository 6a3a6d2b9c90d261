"""Step 0002: when a token was last used. Tokens that were there before have no such moment yet."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """One column more."""
    op.add_column("token", sa.Column("last_used_on", sa.DateTime(timezone=True), nullable=True))
