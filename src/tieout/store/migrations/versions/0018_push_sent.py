"""The records of a request stand with it until its outcome is known, and are then written once each."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision: str | None = "0017"


def upgrade() -> None:
    comment = "what goes out, until the answer is there: as in push_records, compressed JSON"
    op.add_column("push_batches", sa.Column("records", sa.LargeBinary, comment=comment))
