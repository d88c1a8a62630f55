"""Tables of the connect page and of what is told to the vendor: settings of the installation, browser sessions, events.

Moments that are compared are seconds since 1970, others ISO 8601 text in UTC. What a row means is docs/connect-page.md;
no rule stands here.
"""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, Double, ForeignKey, Index, Integer, LargeBinary, String, Table, Text

from tieout.store.access_tables import ENVIRONMENTS
from tieout.store.tables import metadata

installation = Table(
    "installation",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("value", Text, nullable=False, comment="JSON without secrets"),
    Column("secret_sealed", LargeBinary),
    Column("set_at", String(32), nullable=False),
    comment="Settings of the whole installation: `webhook`, and the key that signs connect sessions.",
)

connect_sessions = Table(
    "connect_sessions",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("owner", String(255), ForeignKey("owners.id"), nullable=False, index=True),
    Column("token_hash", String(64), nullable=False, unique=True, comment="SHA-256 of what opened it, once"),
    Column("cookie_hash", String(64), nullable=False, unique=True, comment="SHA-256 of the browser's cookie"),
    Column("connection_id", String(36), ForeignKey("connections.id", ondelete="CASCADE"), index=True),
    Column("again", Integer, nullable=False, comment="1 where that connection is connected anew"),
    Column("name", String(255), nullable=False, comment="of the connection to make; '' where it is chosen"),
    Column("label", String(255), nullable=False, comment="what the page calls the owner"),
    Column("app", String(255), nullable=False),
    Column("environment", String(32), comment="null: the page asks"),
    Column("company", String(255), nullable=False, comment="the only one that may be connected, or ''"),
    Column("return_url", String(1024), nullable=False),
    Column("said_company", String(255), nullable=False),
    Column("said_user", String(255), nullable=False),
    Column("said_environment", String(32), nullable=False),
    Column("stage", String(16), nullable=False),
    Column("sign_in_id", String(36), nullable=False, comment="that this browser was sent to, or ''"),
    Column("reason", String(64), nullable=False, comment="why it failed, or ''"),
    Column("facts", Text, nullable=False, comment="JSON for the page of the result"),
    Column("created_at", String(32), nullable=False),
    Column("expires", Double, nullable=False),
    CheckConstraint(f"environment in ({ENVIRONMENTS})", name="environment"),
    CheckConstraint(
        "stage in ('asking', 'same_user', 'ready', 'sent', 'finishing', 'choosing', 'done', 'failed')", name="stage"
    ),
    comment="Browsers on the connect page. They end an hour after they began.",
)

webhook_events = Table(
    "webhook_events",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("owner", String(255), nullable=False, index=True),
    Column("connection_id", String(36), nullable=False),
    Column("type", String(64), nullable=False),
    Column("body", Text, nullable=False, comment="JSON without secrets, as it is signed and sent"),
    Column("state", String(16), nullable=False),
    Column("tries", Integer, nullable=False),
    Column("due", Double, nullable=False, comment="not sent before, on the database's clock"),
    Column("lease_holder", String(36)),
    Column("lease_until", Double),
    Column("error", String(255), nullable=False, comment="of the last try, or ''"),
    Column("created_at", String(32), nullable=False),
    Column("settled_at", Double, comment="when it was delivered or given up"),
    CheckConstraint("state in ('waiting', 'delivered', 'failed')", name="state"),
    Index("ix_webhook_events_state_due", "state", "due"),
    comment="What the vendor's webhook is told: written with the fact, delivered later.",
)
