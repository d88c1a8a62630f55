"""Rows of push_records as values. Knows their columns, not how they are found."""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter
from typing import Any

import msgspec

from tieout.store.ledger_facts import LedgerRecord
from tieout.store.ledger_sent import ROWS, TOTALS
from tieout.store.ledger_tables import push_records

_NAMES = [
    "source_id",
    "payload_hash",
    "state",
    "rows",
    "totals",
    "batch_id",
    "position",
    "sage_key",
    "sage_id",
    "href",
    "page",
    "sage_state",
    "error",
    "attempt",
    "updated_at",
    "dismissed_at",
    "gone_at",
    "facts",
    "operation",
    "step",
]
_PICK = itemgetter(*(push_records.columns.keys().index(name) for name in _NAMES))
WIDTH = len(push_records.columns)


def record_at(row: Sequence[Any]) -> LedgerRecord:
    """All columns of a record, as the table has them. Taken by place: by name it would take four times as long."""
    (
        source_id, payload_hash, state, rows, totals, batch_id, position, sage_key, sage_id, href, page,
        sage_state, error, attempt, updated_at, dismissed_at, gone_at, facts, operation, step,
    ) = _PICK(row)  # fmt: skip
    return LedgerRecord(
        source_id=source_id,
        payload_hash=payload_hash,
        state=state,
        rows=ROWS.decode(rows),
        totals=TOTALS.decode(totals),
        batch_id=batch_id,
        position=position,
        sage_key=sage_key,
        sage_id=sage_id,
        href=href,
        page=page,
        sage_state=sage_state,
        error=msgspec.json.decode(error) if error else None,
        attempt=attempt,
        updated_at=updated_at,
        dismissed_at=dismissed_at,
        gone_at=gone_at,
        facts=msgspec.json.decode(facts) if facts else None,
        operation=operation,
        step=step,
    )
