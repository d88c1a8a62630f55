"""Records that were all posted stand with their request until many of them are written at once."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision: str | None = "0020"


def upgrade() -> None:
    comment = "what Intacct called them, where all were posted, compressed JSON"
    op.add_column("push_batches", sa.Column("outcomes", sa.LargeBinary, comment=comment))
    if op.get_bind().dialect.name == "postgresql":
        comment = "until each has a row: as in push_records, compressed JSON"
        op.execute(f"comment on column push_batches.records is '{comment}'")
    standing = sa.text("records is not null")
    op.create_index(
        "ix_push_batches_records",
        "push_batches",
        ["company", "object"],
        sqlite_where=standing,
        postgresql_where=standing,
    )
