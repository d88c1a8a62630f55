"""Runs migrations on the connection that `store.engine` hands in, inside its transaction."""

from __future__ import annotations

from alembic import context

from tieout.store.migrations import VERSION_TABLE
from tieout.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    transactional_ddl=True,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
