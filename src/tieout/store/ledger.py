"""The push ledger: which source record went out in which request, and what became of it (DESIGN rule 1).

Written before every request and after every answer. Knows no files, no mapping and no wire; bodies come in sealed.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import delete, func, insert, select, update

from tieout.errors import StoreError
from tieout.store.access_tables import DEFAULT_OWNER
from tieout.store.bulk import insert_many, update_many
from tieout.store.crashpoints import reached
from tieout.store.ledger_facts import (
    IN_FLIGHT,
    NOT_ARRIVED,
    Batch,
    Entry,
    LastRun,
    LedgerRecord,
    Result,
    Scope,
    Seal,
    State,
    now_text,
)
from tieout.store.ledger_tables import push_batches, push_entries, push_records, push_runs

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection, Row, Table

    from tieout.store.engine import Store
    from tieout.store.leases import Lease

__all__ = [
    "IN_FLIGHT",
    "NOT_ARRIVED",
    "Batch",
    "Entry",
    "LastRun",
    "Ledger",
    "LedgerRecord",
    "Result",
    "Scope",
    "Seal",
    "State",
]
_CHUNK = 500
_RESULT = (
    "position",
    "state",
    "sage_key",
    "sage_id",
    "href",
    "sage_state",
    "error",
    "attempt",
    "batch_id",
    "updated_at",
)
"""What an answer says of a record."""


class Ledger:
    """The ledger of one scope. Every method is one transaction; those that write first assure the lease."""

    def __init__(
        self,
        store: Store,
        scope: Scope,
        seal: Seal,
        *,
        owner: str = DEFAULT_OWNER,
        operation: str = "create",
        step: int = 0,
    ) -> None:
        """`owner` is whose bodies are sealed here."""
        self._store, self._seal, self._owner, self.scope = store, seal, owner, scope
        self._identity = scope.values() | {"operation": operation, "step": step}

    # Reading -------------------------------------------------------------------------------------------------------

    def known(self, source_ids: Sequence[str]) -> dict[str, LedgerRecord]:
        """What the ledger has of these records, by source id."""
        found: dict[str, LedgerRecord] = {}
        with self._store.read() as connection:
            for start in range(0, len(source_ids), _CHUNK):
                chunk = source_ids[start : start + _CHUNK]
                query = select(push_records).where(self._mine(push_records), push_records.c.source_id.in_(chunk))
                for row in connection.execute(query):
                    found[row.source_id] = _record(row)
        return found

    def records(self, states: Iterable[State] | None = None) -> Iterator[LedgerRecord]:
        """Every record, or those in some states, in the order of their ids; dismissed ones left out."""
        columns = push_records.c
        query = select(push_records).where(self._mine(push_records), columns.dismissed_at.is_(None))
        query = query.order_by(columns.source_id)
        if states is not None:
            query = query.where(push_records.c.state.in_(tuple(states)))
        with self._store.read() as connection:
            for row in connection.execute(query):
                yield _record(row)

    def is_empty(self) -> bool:
        """Whether nothing was ever written of this push here."""
        query = select(push_records.c.source_id).where(self._mine(push_records)).limit(1)
        with self._store.read() as connection:
            return connection.execute(query).first() is None

    def entities_with_open_batches(self) -> set[str]:
        """The entities in which this push has requests whose outcome is not known."""
        columns = push_batches.c
        scope = self.scope
        query = (
            select(columns.entity)
            .distinct()
            .where(
                columns.company == scope.company,
                columns.environment == scope.environment,
                columns.push == scope.push,
                columns.state == "open",
            )
        )
        with self._store.read() as connection:
            return set(connection.scalars(query))

    def owners(self, entries: Sequence[str]) -> dict[str, str]:
        """Row id -> the document it was last in, for grouped pushes."""
        found: dict[str, str] = {}
        columns = push_entries.c
        with self._store.read() as connection:
            for start in range(0, len(entries), _CHUNK):
                chunk = entries[start : start + _CHUNK]
                query = select(columns.entry_id, columns.source_id).where(
                    self._in_scope(push_entries), columns.entry_id.in_(chunk)
                )
                found.update((row.entry_id, row.source_id) for row in connection.execute(query))
        return found

    def entries(self, source_ids: Sequence[str]) -> dict[str, list[str]]:
        """Document -> the ids of the rows it was last made of, for grouped pushes."""
        found: dict[str, list[str]] = {}
        columns = push_entries.c
        with self._store.read() as connection:
            for start in range(0, len(source_ids), _CHUNK):
                chunk = source_ids[start : start + _CHUNK]
                query = select(columns.source_id, columns.entry_id).where(
                    self._in_scope(push_entries), columns.source_id.in_(chunk)
                )
                for row in connection.execute(query.order_by(columns.entry_id)):
                    found.setdefault(row.source_id, []).append(row.entry_id)
        return found

    def elsewhere(self, object: str, source_ids: Sequence[str]) -> dict[str, tuple[str, str | None]]:
        """Records of this object and company that went out under another scope: source id -> (which, key): by another
        push of the same books, or by this push under another label or entity. They must not go out again."""
        found: dict[str, tuple[str, str | None]] = {}
        batches, records = push_batches.c, push_records.c
        scopes = self.other_scopes(object)
        if not scopes or not source_ids:
            return found
        with self._store.read() as connection:
            for scope in scopes:
                for start in range(0, len(source_ids), _CHUNK):
                    theirs = (
                        select(records.source_id, records.sage_key)
                        .join(push_batches, batches.id == records.batch_id)
                        .where(
                            *(records[name] == value for name, value in scope.values().items()),
                            records.operation == self._identity["operation"],
                            records.step == self._identity["step"],
                            records.source_id.in_(source_ids[start : start + _CHUNK]),
                            records.state.in_(("posted", *IN_FLIGHT)),
                            batches.object == object,
                        )
                    )
                    label = scope.seen_from(self.scope)
                    found.update((row.source_id, (label, row.sage_key)) for row in connection.execute(theirs))
        return found

    def other_scopes(self, object: str) -> list[Scope]:
        """Where else records of this object and company went out that could be those of this push."""
        batches = push_batches.c
        where = (batches.environment, batches.entity, batches.push)
        query = select(*where).distinct().where(batches.company == self.scope.company, batches.object == object)
        with self._store.read() as connection:
            rows = [Scope(self.scope.company, *row) for row in connection.execute(query)]
        return [scope for scope in rows if scope.could_repeat(self.scope)]

    def objects(self) -> set[str]:
        """The objects that this push has posted to."""
        query = select(push_batches.c.object).distinct().where(self._in_scope(push_batches))
        with self._store.read() as connection:
            return set(connection.scalars(query))

    def last_run(self) -> LastRun | None:
        """The latest run of this push, or None where there was none. Dry runs leave no trace."""
        columns = push_runs.c
        query = select(push_runs).where(self._in_scope(push_runs)).order_by(columns.started_at.desc()).limit(1)
        with self._store.read() as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            return None
        counts = msgspec.json.decode(row.counts, type=dict[str, int]) if row.counts else {}
        return LastRun(started_at=row.started_at, finished=row.finished_at is not None, counts=counts)

    def dismissed(self) -> int:
        """How many records are dismissed."""
        query = select(func.count()).where(self._mine(push_records), push_records.c.dismissed_at.is_not(None))
        with self._store.read() as connection:
            return int(connection.scalar(query) or 0)

    def entry_counts(self, source_ids: Sequence[str]) -> dict[str, int]:
        """How many rows each document was last made of, for grouped pushes."""
        found: dict[str, int] = {}
        columns = push_entries.c
        with self._store.read() as connection:
            for start in range(0, len(source_ids), _CHUNK):
                chunk = source_ids[start : start + _CHUNK]
                query = (
                    select(columns.source_id, func.count())
                    .where(self._in_scope(push_entries), columns.source_id.in_(chunk))
                    .group_by(columns.source_id)
                )
                found.update((source_id, number) for source_id, number in connection.execute(query))
        return found

    def open_batches(self) -> list[Batch]:
        """Requests whose outcome is not known, oldest first. Their bytes come one by one from `body`."""
        query = (
            select(push_batches)
            .where(self._in_scope(push_batches), push_batches.c.state == "open")
            .order_by(push_batches.c.created_at)
        )
        with self._store.read() as connection:
            return [self._batch(row) for row in connection.execute(query)]

    def body(self, batch_id: str) -> bytes:
        """The very bytes that were sent. Raises what the seal raises where they cannot be opened."""
        with self._store.read() as connection:
            sealed = connection.scalar(select(push_batches.c.body_sealed).where(push_batches.c.id == batch_id))
        return zlib.decompress(self._seal.decrypt(sealed or b"", body_context(batch_id)))

    def source_ids(self, batch_id: str) -> list[str]:
        """The records of a batch in the order sent: position is the mapping (DESIGN rule 2)."""
        query = (
            select(push_records.c.source_id)
            .where(push_records.c.batch_id == batch_id)
            .order_by(push_records.c.position)
        )
        with self._store.read() as connection:
            return list(connection.scalars(query))

    # Writing -------------------------------------------------------------------------------------------------------

    def begin_batch(self, lease: Lease, run_id: str, batch: Batch, records: Sequence[Entry]) -> None:
        """Write a batch and its records as `sending`, before the request. After this the bytes outlive a crash.

        Raises StoreError, and writes nothing, where one of the records is posted or in flight already."""
        moment = now_text()
        with self._store.begin() as connection:
            lease.assure(connection)
            row = self.scope.values() | {
                "id": batch.id,
                "object": batch.object,
                "method": batch.method,
                "path": batch.path,
                "body_sealed": self._seal.encrypt(zlib.compress(batch.body, 1), body_context(batch.id), self._owner),
                "idempotency_key": batch.idempotency_key,
                "epoch": batch.epoch,
                "record_count": batch.count,
                "state": "open",
                "created_at": moment,
                "sent_at": moment,
                "run_id": run_id,
            }
            connection.execute(insert(push_batches).values(row))
            self._upsert(connection, records, run_id, "sending", batch.id)
            written = connection.scalar(select(func.count()).where(push_records.c.batch_id == batch.id))
            if written != len(records):
                raise StoreError(
                    f"The ledger of push {self.scope.push} holds other states than when the run began.",
                    advice="Run the command again; nothing was sent.",
                )
            self._own(connection, records)

    def resolve(self, lease: Lease, batch_id: str, results: Sequence[Result]) -> None:
        """Record what became of every position, and close the batch. Its body is dropped."""
        self._store_results(lease, batch_id, results, {"state": "resolved", "body_sealed": None, "note": None})

    def leave_open(self, lease: Lease, batch_id: str, note: str, results: Sequence[Result]) -> None:
        """The answer never came: records are `unknown`, the bytes stay, and only they may be sent again."""
        self._store_results(lease, batch_id, results, {"state": "open", "note": note})

    def announce(self, lease: Lease, run_id: str, records: Sequence[Entry]) -> None:
        """Write what a run will send as `pending`, lest it be forgotten if the run ends early. Known ones stay."""
        with self._store.begin() as connection:
            lease.assure(connection)
            if any(record.entries for record in records):
                ids = [record.source_id for record in records]
                known: set[str] = set()
                for start in range(0, len(ids), _CHUNK):
                    query = select(push_records.c.source_id).where(
                        self._mine(push_records), push_records.c.source_id.in_(ids[start : start + _CHUNK])
                    )
                    known.update(connection.scalars(query))
                self._own(connection, [record for record in records if record.source_id not in known])
            self._upsert(connection, records, run_id, "pending", conflict="on conflict do nothing")

    def hold(self, lease: Lease, run_id: str, records: Sequence[Entry]) -> None:
        """Write records that are not sent, with the reason in `error`."""
        if not records:
            return
        with self._store.begin() as connection:
            lease.assure(connection)
            self._upsert(connection, records, run_id, "held")
            self._own(connection, records)

    def forget_rows_without_id(self, lease: Lease, ending: str) -> None:
        """Drop held rows that had no id: `(row 3 of bills.csv)` is known by its place, so a file read anew replaces
        its own; `ending` is how the names of its rows end."""
        columns = push_records.c
        named = columns.source_id.like("(row %") & columns.source_id.endswith(ending, autoescape=True)
        with self._store.begin() as connection:
            lease.assure(connection)
            connection.execute(delete(push_records).where(self._mine(push_records), columns.state == "held", named))

    def forget(self, lease: Lease, source_ids: Sequence[str]) -> None:
        """Drop records that never reached Intacct and whose rows now belong to other documents."""
        with self._store.begin() as connection:
            lease.assure(connection)
            for start in range(0, len(source_ids), _CHUNK):
                chunk = source_ids[start : start + _CHUNK]
                connection.execute(
                    delete(push_records).where(
                        self._mine(push_records),
                        push_records.c.source_id.in_(chunk),
                        push_records.c.state.in_(NOT_ARRIVED),
                    )
                )

    def mark_changed(self, lease: Lease, source_ids: Sequence[str], changed: Mapping[str, dict[str, Any]]) -> None:
        """Of these posted records, those in `changed` differ from what was posted, for the reason given there."""
        columns = push_records.c
        with self._store.begin() as connection:
            lease.assure(connection)
            marked = select(columns.source_id).where(
                self._mine(push_records), columns.state == "posted", columns.error.is_not(None)
            )
            clean = set(connection.scalars(marked)).intersection(source_ids) - changed.keys()
            facts = [(source_id, None) for source_id in clean]
            for source_id, error in [*facts, *((s, _json(error)) for s, error in changed.items())]:
                mine = (self._mine(push_records), columns.source_id == source_id, columns.state == "posted")
                connection.execute(update(push_records).where(*mine).values(error=error))

    def dismiss(self, lease: Lease, source_ids: Sequence[str]) -> list[str]:
        """Records that never arrived and of which nobody wants to hear any more -> those that were dismissed.

        Their rows belong to nobody from now on. They keep their epoch, should they come back."""
        moment = now_text()
        columns = push_records.c
        with self._store.begin() as connection:
            lease.assure(connection)
            mine = (self._mine(push_records), columns.source_id.in_(source_ids), columns.state.in_(NOT_ARRIVED))
            found = list(connection.scalars(select(columns.source_id).where(*mine)))
            connection.execute(update(push_records).where(*mine).values(dismissed_at=moment))
            connection.execute(
                delete(push_entries).where(self._in_scope(push_entries), push_entries.c.source_id.in_(found))
            )
        return found

    def start_run(self, run_id: str, source: str) -> None:
        with self._store.begin() as connection:
            row = self.scope.values() | {"id": run_id, "started_at": now_text(), "source": source}
            connection.execute(insert(push_runs).values(row))

    def finish_run(self, run_id: str, sha256: str, rows: int, counts: Mapping[str, int]) -> None:
        with self._store.begin() as connection:
            connection.execute(
                update(push_runs)
                .where(push_runs.c.id == run_id)
                .values(finished_at=now_text(), source_sha256=sha256, source_rows=rows, counts=_json(dict(counts)))
            )

    # Inside --------------------------------------------------------------------------------------------------------

    def _store_results(
        self, lease: Lease, batch_id: str, results: Sequence[Result], batch: Mapping[str, object]
    ) -> None:
        moment = now_text()
        sets = dict.fromkeys(_RESULT, "new") | {"attempt": "attempt + new"}
        rows = [
            (
                result.position,
                result.state,
                result.sage_key,
                result.sage_id,
                result.href,
                result.sage_state,
                _json(result.error),
                # The epoch rises with a definite failure only (DESIGN rule 1).
                int(result.state in ("failed", "unprocessed")),
                batch_id,
                moment,
            )
            for result in results
        ]
        with self._store.begin() as connection:
            lease.assure(connection)
            # By batch and position only, so that the index of these two is used: the scope would look better to SQLite.
            # What is posted stays posted, whatever a later answer says.
            update_many(connection, push_records, sets, ("batch_id", "position"), _RESULT, rows, "state <> 'posted'")
            done = {"resolved_at": moment} if batch["state"] == "resolved" else {}
            connection.execute(update(push_batches).where(push_batches.c.id == batch_id).values(**batch, **done))
            reached("push.before_result_commit")

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
        same = self._identity | {"state": state, "updated_at": now_text(), "run_id": run_id, "dismissed_at": None}
        names = ["source_id", "payload_hash", "rows", "totals", "attempt", "error"]
        rows: list[tuple[Any, ...]] = [
            (r.source_id, r.payload_hash, r.rows, r.totals, r.attempt, r.error) for r in records
        ]
        if batch_id is not None:
            same |= {"batch_id": batch_id, "error": None}
            names = [*names[:-1], "position"]
            rows = [(*row[:-1], position) for position, row in enumerate(rows)]
        key = [column.name for column in push_records.primary_key.columns]
        fresh = [name for name in (*same, *names) if name not in (*key, "attempt")]
        conflict = conflict or (
            f"on conflict ({', '.join(key)}) do update set "
            + ", ".join(f'"{name}" = excluded."{name}"' for name in fresh)
            + " where "
            + " and ".join(f"push_records.state <> '{name}'" for name in ("posted", *IN_FLIGHT))
        )
        insert_many(connection, push_records, same, names, rows, conflict)

    def _own(self, connection: Connection, records: Sequence[Entry]) -> None:
        """Remember which document each row of a grouped source was last in."""
        owners = {entry: record.source_id for record in records for entry in record.entries}
        entries = list(owners)
        for start in range(0, len(entries), _CHUNK):
            chunk = entries[start : start + _CHUNK]
            connection.execute(
                delete(push_entries).where(self._in_scope(push_entries), push_entries.c.entry_id.in_(chunk))
            )
            rows = [self.scope.values() | {"entry_id": entry, "source_id": owners[entry]} for entry in chunk]
            connection.execute(insert(push_entries), rows)

    def _same_books(self, table: Table) -> ColumnElement[bool]:
        scope = self.scope
        columns = table.c
        return (
            (columns.company == scope.company)
            & (columns.environment == scope.environment)
            & (columns.entity == scope.entity)
        )

    def _in_scope(self, table: Table) -> ColumnElement[bool]:
        return self._same_books(table) & (table.c.push == self.scope.push)

    def _mine(self, table: Table) -> ColumnElement[bool]:
        return (
            self._in_scope(table)
            & (table.c.operation == self._identity["operation"])
            & (table.c.step == self._identity["step"])
        )

    def _batch(self, row: Row[Any]) -> Batch:
        return Batch(
            id=row.id,
            object=row.object,
            method=row.method,
            path=row.path,
            idempotency_key=row.idempotency_key,
            epoch=row.epoch,
            count=row.record_count,
            created_at=row.created_at,
            note=row.note,
        )


def body_context(batch_id: str) -> str:
    return f"push_batches/{batch_id}/body"


def _json(value: object) -> str | None:
    return None if value is None else msgspec.json.encode(value).decode()


def _record(row: Row[Any]) -> LedgerRecord:
    return LedgerRecord(
        source_id=row.source_id,
        payload_hash=row.payload_hash,
        state=row.state,
        rows=msgspec.json.decode(row.rows, type=tuple[int, ...]),
        totals=msgspec.json.decode(row.totals, type=dict[str, Decimal]),
        batch_id=row.batch_id,
        position=row.position,
        sage_key=row.sage_key,
        sage_id=row.sage_id,
        href=row.href,
        sage_state=row.sage_state,
        error=msgspec.json.decode(row.error) if row.error else None,
        attempt=row.attempt,
        updated_at=row.updated_at,
        dismissed_at=row.dismissed_at,
    )
