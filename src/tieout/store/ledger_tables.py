"""Tables of the push ledger. What a row means is in `ledger`; this module only knows its columns.

Moments are ISO 8601 text in UTC.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    false,
    text,
)

from tieout.store.ledger_facts import LONGEST
from tieout.store.tables import metadata


def _scope(entity_comment: str | None = None, **how: bool) -> list[Column[str]]:
    """Whose ledger a row is of: `ledger_facts.Scope`. The entity is "" at the top level."""
    sizes = {"company": 255, "environment": 64, "entity": 255, "push": 255}
    comments = {"entity": entity_comment}
    return [
        Column(name, String(size), comment=comments.get(name), **how)  # type: ignore[arg-type]  # two flags
        for name, size in sizes.items()
    ]


push_records = Table(
    "push_records",
    metadata,
    *_scope("'' at the top level", primary_key=True),
    Column("operation", String(32), primary_key=True),
    Column("step", Integer, primary_key=True),
    Column("source_id", String(1024), primary_key=True),
    Column("payload_hash", String(64), nullable=False),
    Column("state", String(16), nullable=False),
    Column("batch_id", String(36)),
    Column("position", Integer),
    Column("rows", Text, nullable=False, comment="row numbers of the source, a JSON array"),
    Column("totals", Text, nullable=False, comment="exact sums by field path, JSON"),
    Column("sage_key", String(LONGEST["key"])),
    Column("sage_id", String(LONGEST["id"])),
    Column("href", String(LONGEST["href"])),
    Column("page", String(LONGEST["page"]), comment="where a person finds it in Intacct, as Intacct says"),
    Column("sage_state", String(LONGEST["state"])),
    Column("error", Text, comment="JSON; never a request body"),
    Column("attempt", Integer, nullable=False, comment="definite failures so far: the epoch of the next request"),
    Column("updated_at", String(32), nullable=False),
    Column("run_id", String(36), nullable=False),
    Column("dismissed_at", String(32), comment="its owner wants to hear no more of it"),
    Column("gone_at", String(32), comment="since when Intacct is known not to hold it any more"),
    Column("facts", Text, comment="what a step needs, JSON"),
    CheckConstraint(
        "state in ('pending', 'sending', 'posted', 'failed', 'unprocessed', 'unknown', 'held')", name="state"
    ),
    Index("ix_push_records_batch_id_position", "batch_id", "position"),
    # What was done to a posted record is few and asked for by record; to creates the index costs nothing.
    Index("ix_push_records_later", "source_id", sqlite_where=text("step > 0"), postgresql_where=text("step > 0")),
    comment="One per record of a source. No connection name in it: reconnecting never posts twice.",
)

push_entries = Table(
    "push_entries",
    metadata,
    *_scope(primary_key=True),
    Column("entry_id", String(1024), primary_key=True),
    Column("source_id", String(1024), nullable=False),
    Index("ix_push_entries_source_id", "source_id"),
    comment="Where rows are grouped: the document that each row was last in.",
)

push_batches = Table(
    "push_batches",
    metadata,
    Column("id", String(36), primary_key=True),
    *_scope(nullable=False),
    Column("object", String(255), nullable=False),
    Column("method", String(8), nullable=False),
    Column("path", String(1024), nullable=False),
    Column("body_sealed", LargeBinary, comment="compressed and encrypted; dropped when resolved"),
    Column("idempotency_key", String(256), nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("operation", String(32), nullable=False, server_default="create"),
    Column("step", Integer, nullable=False, server_default="0"),
    Column("atomic", Boolean, nullable=False, server_default=false()),
    Column("keys", Text, comment="keys that the records have already, a JSON array; null where Intacct gives them"),
    Column("record_count", Integer, nullable=False),
    Column("records", LargeBinary, comment="until each has a row: as in push_records, compressed JSON"),
    Column("outcomes", LargeBinary, comment="what Intacct called them, where all were posted, compressed JSON"),
    Column("state", String(16), nullable=False),
    Column("note", Text, comment="why it is still open"),
    Column("created_at", String(32), nullable=False),
    Column("sent_at", String(32)),
    Column("resolved_at", String(32)),
    Column("run_id", String(36), nullable=False),
    CheckConstraint("state in ('open', 'resolved')", name="state"),
    Index("ix_push_batches_push_state", "push", "state"),
    # Few at any moment, and looked for by every reader of a push.
    Index(
        "ix_push_batches_records",
        "company",
        "object",
        sqlite_where=text("records is not null"),
        postgresql_where=text("records is not null"),
    ),
)

push_runs = Table(
    "push_runs",
    metadata,
    Column("id", String(36), primary_key=True),
    *_scope(nullable=False),
    Column("started_at", String(32), nullable=False),
    Column("finished_at", String(32)),
    Column("source", Text, nullable=False),
    Column("source_sha256", String(64)),
    Column("source_rows", BigInteger),
    Column("counts", Text, comment="documents by outcome, JSON"),
    Index("ix_push_runs_push", "push"),
)

push_planned = Table(
    "push_planned",
    metadata,
    Column("id", String(36), primary_key=True),
    *_scope(nullable=False),
    Column("operation", String(32), nullable=False),
    Column("run_id", String(36), nullable=False),
    Column("records", LargeBinary, nullable=False, comment="as in push_records, compressed JSON; no bodies"),
    Column("planned_at", String(32), nullable=False),
    Index("ix_push_planned_scope", "company", "environment", "push", "entity"),
    comment="What a run still has to send, many records in a row. Gone when all was sent, or became pending.",
)

push_originals = Table(
    "push_originals",
    metadata,
    Column("id", String(32), primary_key=True, comment="by which a corrected file names it: a hash of whose it is"),
    *_scope(nullable=False),
    Column("source_id", String(1024), nullable=False),
    Column("generation", String(8), nullable=False, comment="another one where a source says something else"),
    Column("columns", Text, nullable=False, comment="names of columns in the source's order, a JSON array"),
    Column("rows_sealed", LargeBinary, comment="compressed and encrypted; dropped when the record is posted"),
    Column("origins", Text, comment="of rows that were corrected before: the records that they came from, JSON"),
    Column("kept_at", String(32), nullable=False),
    Index("ix_push_originals_scope", "company", "environment", "push", "entity"),
    comment="The source rows of records that are not posted, so that people can correct them.",
)

push_corrections = Table(
    "push_corrections",
    metadata,
    Column("id", String(36), primary_key=True),
    *_scope(nullable=False),
    Column("source_id", String(1024), nullable=False, comment="as it was before"),
    Column("row", BigInteger, nullable=False, comment="number of the row in the source"),
    Column("column", String(1024), nullable=False),
    Column("change_sealed", LargeBinary, comment="what stood there and what stands there now, encrypted JSON"),
    Column("by", String(255), nullable=False),
    Column("file", Text, nullable=False),
    Column("run_id", String(36), nullable=False),
    Column("at", String(32), nullable=False),
    Index("ix_push_corrections_scope", "company", "environment", "push", "entity"),
    comment="What people changed in rows that were not posted. Append-only.",
)

push_corrected = Table(
    "push_corrected",
    metadata,
    *_scope(primary_key=True),
    Column("source_id", String(1024), primary_key=True, comment="of the record, as the source has it"),
    Column("said", String(64), primary_key=True, comment="a hash of what its rows said when they were corrected"),
    Column("became", Text, nullable=False, comment="the records they went out in: entity, id, hash of content, JSON"),
    Column("run_id", String(36), nullable=False),
    Column("at", String(32), nullable=False),
    comment="What the source said of records that were corrected outside it: while it says so still, it changes none.",
)
