"""What a run still has to send is written down a part at a time instead of record by record."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision: str | None = "0015"


def upgrade() -> None:
    op.create_table(
        "push_planned",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("company", sa.String(255), nullable=False),
        sa.Column("environment", sa.String(64), nullable=False),
        sa.Column("entity", sa.String(255), nullable=False),
        sa.Column("push", sa.String(255), nullable=False),
        sa.Column("operation", sa.String(32), nullable=False),
        sa.Column("run_id", sa.String(36), nullable=False),
        sa.Column("records", sa.LargeBinary, nullable=False, comment="as in push_records, compressed JSON; no bodies"),
        sa.Column("planned_at", sa.String(32), nullable=False),
        comment="What a run still has to send, many records in a row. Gone when all was sent, or became pending.",
    )
    op.create_index("ix_push_planned_scope", "push_planned", ["company", "environment", "push", "entity"])
