"""Tables of what is remembered about companies. Those of connections and of other rooms join the same `metadata`.

Moments are ISO 8601 text in UTC, or seconds since 1970.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
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
