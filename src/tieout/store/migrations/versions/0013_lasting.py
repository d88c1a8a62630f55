"""Holders are named by their process, and a refresh takes the room that its answer will need."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision: str | None = "0008"


def upgrade() -> None:
    comment = "by which others on its machine see whether it lives; null: they cannot"
    for table in ("leases", "slots"):
        op.add_column(table, sa.Column("process", sa.String(255), comment=comment))
    comment = "taken before a refresh is sent, so that its answer finds room; else null"
    op.add_column("grants", sa.Column("room", sa.LargeBinary, comment=comment))
