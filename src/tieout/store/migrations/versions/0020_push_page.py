"""The address of a posted record's page in Intacct is kept beside it, where Intacct gives one."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision: str | None = "0019"


def upgrade() -> None:
    comment = "where a person finds it in Intacct, as Intacct says"
    op.add_column("push_records", sa.Column("page", sa.String(1024), comment=comment))
