"""The connect page: settings of the installation, browser sessions, webhook events; links name their application."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision: str | None = "0007"

_ENVIRONMENTS = "environment in ('production', 'sandbox', 'simulator')"


def upgrade() -> None:
    op.add_column("connect_links", sa.Column("app", sa.String(255), comment="null: the page's own"))
    op.add_column("connect_links", sa.Column("label", sa.String(255), comment="what the page calls the owner"))
    op.create_table(
        "installation",
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("value", sa.Text, nullable=False, comment="JSON without secrets"),
        sa.Column("secret_sealed", sa.LargeBinary),
        sa.Column("set_at", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_installation"),
        comment="Settings of the whole installation: `webhook`, and the key that signs connect sessions.",
    )
    _create_sessions()
    _create_events()


def _create_sessions() -> None:
    op.create_table(
        "connect_sessions",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("owner", sa.String(255), nullable=False),
        sa.Column("token_hash", sa.String(64), nullable=False, comment="SHA-256 of what opened it, once"),
        sa.Column("cookie_hash", sa.String(64), nullable=False, comment="SHA-256 of the browser's cookie"),
        sa.Column("connection_id", sa.String(36)),
        sa.Column("again", sa.Integer, nullable=False, comment="1 where that connection is connected anew"),
        sa.Column("name", sa.String(255), nullable=False, comment="of the connection to make; '' where it is chosen"),
        sa.Column("label", sa.String(255), nullable=False, comment="what the page calls the owner"),
        sa.Column("app", sa.String(255), nullable=False),
        sa.Column("environment", sa.String(32), comment="null: the page asks"),
        sa.Column("company", sa.String(255), nullable=False, comment="the only one that may be connected, or ''"),
        sa.Column("return_url", sa.String(1024), nullable=False),
        sa.Column("said_company", sa.String(255), nullable=False),
        sa.Column("said_user", sa.String(255), nullable=False),
        sa.Column("said_environment", sa.String(32), nullable=False),
        sa.Column("stage", sa.String(16), nullable=False),
        sa.Column("sign_in_id", sa.String(36), nullable=False, comment="that this browser was sent to, or ''"),
        sa.Column("reason", sa.String(64), nullable=False, comment="why it failed, or ''"),
        sa.Column("facts", sa.Text, nullable=False, comment="JSON for the page of the result"),
        sa.Column("created_at", sa.String(32), nullable=False),
        sa.Column("expires", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_connect_sessions"),
        sa.UniqueConstraint("token_hash", name="uq_connect_sessions_token_hash"),
        sa.UniqueConstraint("cookie_hash", name="uq_connect_sessions_cookie_hash"),
        sa.ForeignKeyConstraint(["owner"], ["owners.id"], name="fk_connect_sessions_owner_owners"),
        sa.ForeignKeyConstraint(
            ["connection_id"],
            ["connections.id"],
            name="fk_connect_sessions_connection_id_connections",
            ondelete="CASCADE",
        ),
        sa.CheckConstraint(_ENVIRONMENTS, name="ck_connect_sessions_environment"),
        sa.CheckConstraint(
            "stage in ('asking', 'same_user', 'ready', 'sent', 'finishing', 'choosing', 'done', 'failed')",
            name="ck_connect_sessions_stage",
        ),
        comment="Browsers on the connect page. They end an hour after they began.",
    )
    op.create_index("ix_connect_sessions_owner", "connect_sessions", ["owner"])
    op.create_index("ix_connect_sessions_connection_id", "connect_sessions", ["connection_id"])


def _create_events() -> None:
    op.create_table(
        "webhook_events",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("owner", sa.String(255), nullable=False),
        sa.Column("connection_id", sa.String(36), nullable=False),
        sa.Column("type", sa.String(64), nullable=False),
        sa.Column("body", sa.Text, nullable=False, comment="JSON without secrets, as it is signed and sent"),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("due", sa.Double, nullable=False, comment="not sent before, on the database's clock"),
        sa.Column("lease_holder", sa.String(36)),
        sa.Column("lease_until", sa.Double),
        sa.Column("error", sa.String(255), nullable=False, comment="of the last try, or ''"),
        sa.Column("created_at", sa.String(32), nullable=False),
        sa.Column("settled_at", sa.Double, comment="when it was delivered or given up"),
        sa.PrimaryKeyConstraint("id", name="pk_webhook_events"),
        sa.CheckConstraint("state in ('waiting', 'delivered', 'failed')", name="ck_webhook_events_state"),
        comment="What the vendor's webhook is told: written with the fact, delivered later.",
    )
    op.create_index("ix_webhook_events_owner", "webhook_events", ["owner"])
    op.create_index("ix_webhook_events_state_due", "webhook_events", ["state", "due"])
