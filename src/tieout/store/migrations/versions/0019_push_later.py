"""What was done to posted records is found by the record: a push with many changes looked through all of them again."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision: str | None = "0018"


def upgrade() -> None:
    later = sa.text("step > 0")
    op.create_index("ix_push_records_later", "push_records", ["source_id"], sqlite_where=later, postgresql_where=later)
