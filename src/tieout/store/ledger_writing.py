"""Writes records into the push ledger, many at once: what the ledger and its steps share.

Knows how a record that is there already is met, not when it is written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, insert

from tieout.store.bulk import among, insert_many
from tieout.store.ledger_facts import IN_FLIGHT, Entry, State, now_text
from tieout.store.ledger_reading import CHUNK, Reading
from tieout.store.ledger_tables import push_entries, push_records

if TYPE_CHECKING:
    from sqlalchemy import Connection

_KEY = tuple(column.name for column in push_records.primary_key.columns)


class Writing(Reading):
    """Reading, and how records are written."""

    def _upsert(
        self,
        connection: Connection,
        records: Sequence[Entry],
        run_id: str,
        state: State,
        batch_id: str | None = None,
        conflict: str = "",
    ) -> None:
        """Insert, or update what is neither posted nor in flight. Without a batch a record keeps the one it was in."""
        same: dict[str, Any] = {"state": state, "updated_at": now_text(), "run_id": run_id}
        names = ["source_id", "payload_hash", "rows", "totals", "attempt", "error"]
        rows: list[tuple[Any, ...]] = [
            (r.source_id, r.payload_hash, r.rows, r.totals, r.attempt, r.error) for r in records
        ]
        if any(r.facts for r in records):
            names = ["facts", *names]
            rows = [(r.facts, *row) for r, row in zip(records, rows, strict=True)]
        if batch_id is not None:
            same |= {"batch_id": batch_id, "error": None}
            names = [*names[:-1], "position"]
            rows = [(*row[:-1], position) for position, row in enumerate(rows)]
        insert_or_update(connection, self._identity | same, names, rows, conflict=conflict)

    def _own(self, connection: Connection, records: Sequence[Entry]) -> None:
        """Remember which document each row of a grouped source was last in."""
        owners = {entry: record.source_id for record in records for entry in record.entries}
        entries = list(owners)
        for start in range(0, len(entries), CHUNK):
            chunk = entries[start : start + CHUNK]
            mine = among(connection, push_entries, self.scope.values(), "entry_id", chunk)
            connection.execute(delete(push_entries).where(mine))
            rows = [self.scope.values() | {"entry_id": entry, "source_id": owners[entry]} for entry in chunk]
            connection.execute(insert(push_entries), rows)


def insert_or_update(
    connection: Connection,
    same: Mapping[str, Any],
    names: Sequence[str],
    rows: Sequence[tuple[Any, ...]],
    attempt: str = "push_records.attempt",
    conflict: str = "",
) -> None:
    """Insert records, or update those that are neither posted nor in flight. `same` says whose they are too; `attempt`
    is what becomes of the epoch of a record that is there already."""
    same = {"dismissed_at": None, "gone_at": None, **same}
    fresh = [name for name in (*same, *names) if name not in (*_KEY, "attempt")]
    conflict = conflict or (
        on_conflict(*fresh)
        + f", attempt = {attempt}"
        + " where "
        + " and ".join(f"push_records.state <> '{name}'" for name in ("posted", *IN_FLIGHT))
    )
    insert_many(connection, push_records, same, names, rows, conflict)


def on_conflict(*names: str) -> str:
    """Of what is there already these columns become what was to be written."""
    return f"on conflict ({', '.join(_KEY)}) do update set " + ", ".join(f'"{n}" = excluded."{n}"' for n in names)
