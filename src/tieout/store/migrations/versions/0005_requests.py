"""The log of requests."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision: str | None = "0004"


def upgrade() -> None:
    op.create_table(
        "requests",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), nullable=False, autoincrement=True),
        sa.Column("time", sa.Double, nullable=False, comment="seconds since 1970, when it was sent"),
        sa.Column("environment", sa.String(1024), nullable=False),
        sa.Column("company", sa.String(255), nullable=False),
        sa.Column("entity", sa.String(255), nullable=False, comment="'' for the token's own level"),
        sa.Column("method", sa.String(16), nullable=False),
        sa.Column("path", sa.String(255), nullable=False, comment="without a query string"),
        sa.Column("object", sa.String(255), nullable=False),
        sa.Column("operation", sa.String(255), nullable=False),
        sa.Column("status", sa.Integer, nullable=False, comment="0 where no answer came"),
        sa.Column("error_id", sa.String(255), nullable=False),
        sa.Column("support_id", sa.String(255), nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("replayed", sa.Boolean, nullable=False),
        sa.Column("transactions", sa.Integer, nullable=False),
        sa.Column("sent", sa.BigInteger, nullable=False, comment="bytes"),
        sa.Column("received", sa.BigInteger, nullable=False, comment="bytes"),
        sa.Column("seconds", sa.Double, nullable=False),
        sa.Column("waited", sa.Double, nullable=False),
        sa.Column("slept", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_requests"),
        comment="What was asked of Intacct, try by try: no bodies, no headers. The newest only.",
    )
    op.create_index("ix_requests_time", "requests", ["time"])
