"""What the source said of records that were corrected outside it is remembered, so that it undoes no correction."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision: str | None = "0016"


def upgrade() -> None:
    op.create_table(
        "push_corrected",
        sa.Column("company", sa.String(255), primary_key=True),
        sa.Column("environment", sa.String(64), primary_key=True),
        sa.Column("entity", sa.String(255), primary_key=True),
        sa.Column("push", sa.String(255), primary_key=True),
        sa.Column("source_id", sa.String(1024), primary_key=True, comment="of the record, as the source has it"),
        sa.Column(
            "said", sa.String(64), primary_key=True, comment="a hash of what its rows said when they were corrected"
        ),
        sa.Column(
            "became", sa.Text, nullable=False, comment="the records they went out in: entity, id, hash of content, JSON"
        ),
        sa.Column("run_id", sa.String(36), nullable=False),
        sa.Column("at", sa.String(32), nullable=False),
        comment="What the source said of records that were corrected outside it: while it says so still, it changes "
        "none.",
    )
    comment = "of rows that were corrected before: the records that they came from, JSON"
    op.add_column("push_originals", sa.Column("origins", sa.Text, comment=comment))
