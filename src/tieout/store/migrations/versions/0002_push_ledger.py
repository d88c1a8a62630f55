"""The push ledger, and the leases that keep two runs apart."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision: str | None = "0001"

_SCOPE = (("company", 255), ("environment", 64), ("entity", 255), ("push", 255))


def _scope() -> list[sa.Column[str]]:
    return [sa.Column(name, sa.String(length), nullable=False) for name, length in _SCOPE]


def upgrade() -> None:
    op.create_table(
        "leases",
        sa.Column("name", sa.String(1024), nullable=False),
        sa.Column("holder", sa.String(36), nullable=False),
        sa.Column("host", sa.String(255), nullable=False),
        sa.Column("pid", sa.Integer, nullable=False),
        sa.Column("since", sa.String(32), nullable=False),
        sa.Column("heard_at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_leases"),
        comment="Who runs what right now. `heard_at` is on the database's clock.",
    )
    _create_records()
    op.create_table(
        "push_entries",
        *_scope(),
        sa.Column("entry_id", sa.String(1024), nullable=False),
        sa.Column("source_id", sa.String(1024), nullable=False),
        sa.PrimaryKeyConstraint("company", "environment", "entity", "push", "entry_id", name="pk_push_entries"),
        comment="Where rows are grouped: the document that each row was last in.",
    )
    op.create_index("ix_push_entries_source_id", "push_entries", ["source_id"])
    _create_batches()
    op.create_table(
        "push_runs",
        sa.Column("id", sa.String(36), nullable=False),
        *_scope(),
        sa.Column("started_at", sa.String(32), nullable=False),
        sa.Column("finished_at", sa.String(32)),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("source_sha256", sa.String(64)),
        sa.Column("source_rows", sa.BigInteger),
        sa.Column("counts", sa.Text, comment="documents by outcome, JSON"),
        sa.PrimaryKeyConstraint("id", name="pk_push_runs"),
    )
    op.create_index("ix_push_runs_push", "push_runs", ["push"])


def _create_records() -> None:
    op.create_table(
        "push_records",
        sa.Column("company", sa.String(255), nullable=False),
        sa.Column("environment", sa.String(64), nullable=False),
        sa.Column("entity", sa.String(255), nullable=False, comment="'' at the top level"),
        sa.Column("push", sa.String(255), nullable=False),
        sa.Column("operation", sa.String(32), nullable=False),
        sa.Column("step", sa.Integer, nullable=False),
        sa.Column("source_id", sa.String(1024), nullable=False),
        sa.Column("payload_hash", sa.String(64), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("batch_id", sa.String(36)),
        sa.Column("position", sa.Integer),
        sa.Column("rows", sa.Text, nullable=False, comment="row numbers of the source, a JSON array"),
        sa.Column("totals", sa.Text, nullable=False, comment="exact sums by field path, JSON"),
        sa.Column("sage_key", sa.String(255)),
        sa.Column("sage_id", sa.String(1024)),
        sa.Column("href", sa.String(1024)),
        sa.Column("sage_state", sa.String(64)),
        sa.Column("error", sa.Text, comment="JSON; never a request body"),
        sa.Column(
            "attempt", sa.Integer, nullable=False, comment="definite failures so far: the epoch of the next request"
        ),
        sa.Column("updated_at", sa.String(32), nullable=False),
        sa.Column("run_id", sa.String(36), nullable=False),
        sa.PrimaryKeyConstraint(
            "company", "environment", "entity", "push", "operation", "step", "source_id", name="pk_push_records"
        ),
        sa.CheckConstraint(
            "state in ('pending', 'sending', 'posted', 'failed', 'unprocessed', 'unknown', 'held')",
            name="ck_push_records_state",
        ),
        comment="One per record of a source. No connection name in it: reconnecting never posts twice.",
    )
    op.create_index("ix_push_records_batch_id_position", "push_records", ["batch_id", "position"])


def _create_batches() -> None:
    op.create_table(
        "push_batches",
        sa.Column("id", sa.String(36), nullable=False),
        *_scope(),
        sa.Column("object", sa.String(255), nullable=False),
        sa.Column("method", sa.String(8), nullable=False),
        sa.Column("path", sa.String(1024), nullable=False),
        sa.Column("body_sealed", sa.LargeBinary, comment="compressed and encrypted; dropped when resolved"),
        sa.Column("idempotency_key", sa.String(256), nullable=False),
        sa.Column("epoch", sa.Integer, nullable=False),
        sa.Column("record_count", sa.Integer, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("note", sa.Text, comment="why it is still open"),
        sa.Column("created_at", sa.String(32), nullable=False),
        sa.Column("sent_at", sa.String(32)),
        sa.Column("resolved_at", sa.String(32)),
        sa.Column("run_id", sa.String(36), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_push_batches"),
        sa.CheckConstraint("state in ('open', 'resolved')", name="ck_push_batches_state"),
    )
    op.create_index("ix_push_batches_push_state", "push_batches", ["push", "state"])
