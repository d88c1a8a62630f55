"""A push can change, delete and move records, in steps; what people deleted in Intacct is remembered."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision: str | None = "0013"


def upgrade() -> None:
    comment = "since when Intacct is known not to hold it any more"
    op.add_column("push_records", sa.Column("gone_at", sa.String(32), comment=comment))
    op.add_column("push_records", sa.Column("facts", sa.Text, comment="what a step needs, JSON"))
    op.add_column("push_batches", sa.Column("operation", sa.String(32), nullable=False, server_default="create"))
    op.add_column("push_batches", sa.Column("step", sa.Integer, nullable=False, server_default="0"))
    op.add_column("push_batches", sa.Column("atomic", sa.Boolean, nullable=False, server_default=sa.false()))
    comment = "keys that the records have already, a JSON array; null where Intacct gives them"
    op.add_column("push_batches", sa.Column("keys", sa.Text, comment=comment))
