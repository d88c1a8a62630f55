"""Records that their owner dismissed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision: str | None = "0002"


def upgrade() -> None:
    op.add_column(
        "push_records",
        sa.Column("dismissed_at", sa.String(32), comment="its owner wants to hear no more of it"),
    )
