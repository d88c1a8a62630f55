"""Rows of push_records as values. Knows their columns, not how they are found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from tieout.store.ledger_facts import LedgerRecord
from tieout.store.ledger_sent import ROWS, TOTALS
from tieout.store.ledger_tables import push_records

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, FromClause

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
WIDTH = len(_NAMES)


def columns_of(table: FromClause) -> list[ColumnElement[Any]]:
    """What a record is made of, of push_records under whatever name."""
    return [table.c[name] for name in _NAMES]


COLUMNS = columns_of(push_records)


def record_at(row: Sequence[Any]) -> LedgerRecord:
    """A record from its `COLUMNS`. Taken by place: by name it would take four times as long."""
    (
        source_id, payload_hash, state, rows, totals, batch_id, position, sage_key, sage_id, href, page,
        sage_state, error, attempt, updated_at, dismissed_at, gone_at, facts, operation, step,
    ) = row  # fmt: skip
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
