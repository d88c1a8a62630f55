"""Source rows of records that are not posted are kept, sealed, for people to correct; what they change is recorded."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision: str | None = "0014"


def upgrade() -> None:
    op.create_table(
        "push_originals",
        sa.Column(
            "id", sa.String(32), primary_key=True, comment="by which a corrected file names it: a hash of whose it is"
        ),
        *_scope(),
        sa.Column("source_id", sa.String(1024), nullable=False),
        sa.Column("generation", sa.String(8), nullable=False, comment="another one where a source says something else"),
        sa.Column("columns", sa.Text, nullable=False, comment="names of columns in the source's order, a JSON array"),
        sa.Column("rows_sealed", sa.LargeBinary, comment="compressed and encrypted; dropped when the record is posted"),
        sa.Column("kept_at", sa.String(32), nullable=False),
        comment="The source rows of records that are not posted, so that people can correct them.",
    )
    op.create_index("ix_push_originals_scope", "push_originals", ["company", "environment", "push", "entity"])
    op.create_table(
        "push_corrections",
        sa.Column("id", sa.String(36), primary_key=True),
        *_scope(),
        sa.Column("source_id", sa.String(1024), nullable=False, comment="as it was before"),
        sa.Column("row", sa.BigInteger, nullable=False, comment="number of the row in the source"),
        sa.Column("column", sa.String(1024), nullable=False),
        sa.Column(
            "change_sealed", sa.LargeBinary, comment="what stood there and what stands there now, encrypted JSON"
        ),
        sa.Column("by", sa.String(255), nullable=False),
        sa.Column("file", sa.Text, nullable=False),
        sa.Column("run_id", sa.String(36), nullable=False),
        sa.Column("at", sa.String(32), nullable=False),
        comment="What people changed in rows that were not posted. Append-only.",
    )
    op.create_index("ix_push_corrections_scope", "push_corrections", ["company", "environment", "push", "entity"])


def _scope() -> list[sa.Column[str]]:
    return [
        sa.Column("company", sa.String(255), nullable=False),
        sa.Column("environment", sa.String(64), nullable=False),
        sa.Column("entity", sa.String(255), nullable=False),
        sa.Column("push", sa.String(255), nullable=False),
    ]
