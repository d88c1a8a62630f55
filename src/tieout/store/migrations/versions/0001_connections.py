"""Connections, grants, tokens, and what is remembered about companies."""

from __future__ import annotations

import uuid

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision: str | None = None


def upgrade() -> None:
    meta = op.create_table(
        "meta",
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_meta"),
        comment="Facts about this database: `installation` is its id.",
    )
    op.bulk_insert(meta, [{"name": "installation", "value": str(uuid.uuid4())}])
    _create_grants()
    op.create_table(
        "tokens",
        sa.Column("grant_id", sa.String(36), nullable=False),
        sa.Column("level", sa.String(255), nullable=False, comment="'' for the top level, else the id of the entity"),
        sa.Column("access_token_sealed", sa.LargeBinary, nullable=False),
        sa.Column("expires_at", sa.Double, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("grant_id", "level", name="pk_tokens"),
        sa.ForeignKeyConstraint(["grant_id"], ["grants.id"], name="fk_tokens_grant_id_grants", ondelete="CASCADE"),
    )
    op.create_table(
        "connections",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("environment", sa.String(32), nullable=False),
        sa.Column("company", sa.String(255), nullable=False),
        sa.Column("user_id", sa.String(255), nullable=False),
        sa.Column("entity", sa.String(255)),
        sa.Column("base_url", sa.String(1024), nullable=False),
        sa.Column("simulator", sa.Boolean, nullable=False),
        sa.Column("grant_id", sa.String(36), nullable=False),
        sa.Column("created_at", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_connections"),
        sa.UniqueConstraint("name", name="uq_connections_name"),
        sa.ForeignKeyConstraint(["grant_id"], ["grants.id"], name="fk_connections_grant_id_grants"),
    )
    op.create_index("ix_connections_grant_id", "connections", ["grant_id"])
    _create_memory()


def _create_grants() -> None:
    op.create_table(
        "grants",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("environment", sa.String(32), nullable=False),
        sa.Column("company", sa.String(255), nullable=False),
        sa.Column("user_id", sa.String(255), nullable=False),
        sa.Column("base_url", sa.String(1024), nullable=False),
        sa.Column("client_id", sa.String(255), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("client_secret_sealed", sa.LargeBinary),
        sa.Column("refresh_token_sealed", sa.LargeBinary),
        sa.Column("previous_refresh_token_sealed", sa.LargeBinary),
        sa.Column("lease_holder", sa.String(36)),
        sa.Column("lease_until", sa.Double),
        sa.Column("created_at", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_grants"),
        sa.UniqueConstraint(
            "environment", "company", "user_id", "base_url", name="uq_grants_environment_company_user_id_base_url"
        ),
        sa.CheckConstraint("kind in ('client_credentials', 'refresh_token')", name="ck_grants_kind"),
        comment="One per environment, company and Sage user, over all apps: a second one would kill the first.",
    )


def _create_memory() -> None:
    op.create_table(
        "learnt_fields",
        sa.Column("environment", sa.String(1024), nullable=False),
        sa.Column("company", sa.String(255), nullable=False),
        sa.Column("object", sa.String(255), nullable=False),
        sa.Column("field", sa.String(512), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("learnt_at", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("environment", "company", "object", "field", name="pk_learnt_fields"),
        comment="Fields that a company's model lists but its queries refuse (REST-1106).",
    )
    op.create_table(
        "models",
        sa.Column("environment", sa.String(1024), nullable=False),
        sa.Column("company", sa.String(255), nullable=False),
        sa.Column("object", sa.String(255), nullable=False),
        sa.Column("definition", sa.LargeBinary, nullable=False, comment="the model as JSON"),
        sa.Column("fetched_at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("environment", "company", "object", name="pk_models"),
        comment="Object definitions of companies, with their age.",
    )
