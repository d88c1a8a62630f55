"""Tables of connections and of what is remembered about companies. Other rooms' tables join the same `metadata`.

Ids are UUID text. Moments are ISO 8601 text in UTC, token expiries seconds since 1970. `*_sealed` columns hold what the
vault made of a secret, bound to the row; this module cannot open them.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Double,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

meta = Table(
    "meta",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("value", Text, nullable=False),
    comment="Facts about this database: `installation` is its id.",
)

grants = Table(
    "grants",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("environment", String(32), nullable=False),
    Column("company", String(255), nullable=False),
    Column("user_id", String(255), nullable=False),
    Column("base_url", String(1024), nullable=False),
    Column("client_id", String(255), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("client_secret_sealed", LargeBinary),
    Column("refresh_token_sealed", LargeBinary),
    Column("previous_refresh_token_sealed", LargeBinary),
    Column("lease_holder", String(36)),
    Column("lease_until", Double),
    Column("created_at", String(32), nullable=False),
    UniqueConstraint("environment", "company", "user_id", "base_url"),
    CheckConstraint("kind in ('client_credentials', 'refresh_token')", name="kind"),
    comment="One per environment, company and Sage user, over all apps: a second one would kill the first.",
)

tokens = Table(
    "tokens",
    metadata,
    Column("grant_id", String(36), ForeignKey("grants.id", ondelete="CASCADE"), primary_key=True),
    Column("level", String(255), primary_key=True, comment="'' for the top level, else the id of the entity"),
    Column("access_token_sealed", LargeBinary, nullable=False),
    Column("expires_at", Double, nullable=False),
    Column("version", Integer, nullable=False),
)

connections = Table(
    "connections",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("name", String(255), nullable=False, unique=True),
    Column("environment", String(32), nullable=False),
    Column("company", String(255), nullable=False),
    Column("user_id", String(255), nullable=False),
    Column("entity", String(255)),
    Column("base_url", String(1024), nullable=False),
    Column("simulator", Boolean, nullable=False),
    Column("grant_id", String(36), ForeignKey("grants.id"), nullable=False, index=True),
    Column("created_at", String(32), nullable=False),
)

learnt_fields = Table(
    "learnt_fields",
    metadata,
    Column("environment", String(1024), primary_key=True),
    Column("company", String(255), primary_key=True),
    Column("object", String(255), primary_key=True),
    Column("field", String(512), primary_key=True),
    Column("reason", Text, nullable=False),
    Column("learnt_at", String(32), nullable=False),
    comment="Fields that a company's model lists but its queries refuse (REST-1106).",
)

models = Table(
    "models",
    metadata,
    Column("environment", String(1024), primary_key=True),
    Column("company", String(255), primary_key=True),
    Column("object", String(255), primary_key=True),
    Column("definition", LargeBinary, nullable=False, comment="the model as JSON"),
    Column("fetched_at", Double, nullable=False),
    comment="Object definitions of companies, with their age.",
)

earlier_models = Table(
    "earlier_models",
    metadata,
    Column("environment", String(1024), primary_key=True),
    Column("company", String(255), primary_key=True),
    Column("object", String(255), primary_key=True),
    Column("definition", LargeBinary, nullable=False, comment="the model as JSON"),
    Column("fetched_at", Double, nullable=False),
    comment="Object definitions of companies before the first change that nobody has looked at.",
)

requests = Table(
    "requests",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("time", Double, nullable=False, index=True, comment="seconds since 1970, when it was sent"),
    Column("environment", String(1024), nullable=False),
    Column("company", String(255), nullable=False),
    Column("entity", String(255), nullable=False, comment="'' for the token's own level"),
    Column("method", String(16), nullable=False),
    Column("path", String(255), nullable=False, comment="without a query string"),
    Column("object", String(255), nullable=False),
    Column("operation", String(255), nullable=False),
    Column("status", Integer, nullable=False, comment="0 where no answer came"),
    Column("error_id", String(255), nullable=False),
    Column("support_id", String(255), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("replayed", Boolean, nullable=False),
    Column("transactions", Integer, nullable=False),
    Column("sent", BigInteger, nullable=False, comment="bytes"),
    Column("received", BigInteger, nullable=False, comment="bytes"),
    Column("seconds", Double, nullable=False),
    Column("waited", Double, nullable=False),
    Column("slept", Double, nullable=False),
    comment="What was asked of Intacct, try by try: no bodies, no headers. The newest only.",
)
