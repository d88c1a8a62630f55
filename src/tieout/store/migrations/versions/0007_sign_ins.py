"""A sign-in under way knows the company and the entity that are meant."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision: str | None = "0006"


def upgrade() -> None:
    op.add_column(
        "authorizations", sa.Column("company", sa.String(255), comment="the only one that may be connected; null: any")
    )
    op.add_column("authorizations", sa.Column("entity", sa.String(255), comment="to work in; null: as the connection"))
