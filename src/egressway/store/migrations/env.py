"""Run by Alembic: takes the steps inside the transaction that `store.migrate` has begun."""

from __future__ import annotations

from alembic import context

from egressway.store.schema import Base

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=Base.metadata, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
