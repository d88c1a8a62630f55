"""Models of companies as they were before they changed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision: str | None = "0003"


def upgrade() -> None:
    op.create_table(
        "earlier_models",
        sa.Column("environment", sa.String(1024), nullable=False),
        sa.Column("company", sa.String(255), nullable=False),
        sa.Column("object", sa.String(255), nullable=False),
        sa.Column("definition", sa.LargeBinary, nullable=False, comment="the model as JSON"),
        sa.Column("fetched_at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("environment", "company", "object", name="pk_earlier_models"),
        comment="Object definitions of companies before the first change that nobody has looked at.",
    )
