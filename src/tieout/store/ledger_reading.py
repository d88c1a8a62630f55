"""Reads the push ledger: what is known of records, batches and runs of one push. Writes nothing.

Knows no files, no mapping and no wire.
"""

from __future__ import annotations

import zlib
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Self

import msgspec
from sqlalchemy import LABEL_STYLE_TABLENAME_PLUS_COL, and_, func, select

from tieout.store import ledger_planned, ledger_sent
from tieout.store.access_tables import DEFAULT_OWNER
from tieout.store.bulk import among
from tieout.store.ledger_corrected import Corrected
from tieout.store.ledger_facts import CHANGES, IN_FLIGHT, Batch, LastRun, LedgerRecord, Scope, Seal, State
from tieout.store.ledger_originals import Originals
from tieout.store.ledger_planned import Part
from tieout.store.ledger_rows import COLUMNS, WIDTH, columns_of, record_at
from tieout.store.ledger_tables import push_batches, push_entries, push_records, push_runs

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection, FromClause, Row, TextClause

    from tieout.store.engine import Store
    from tieout.store.ledger_sent import Sent

CHUNK = 500


class Reading:
    """What can be asked of the ledger of one scope, one operation and one step of it. Each is one transaction."""

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
        """`owner` is whose bodies are sealed here; `step` is 0 for the operation itself, then counts what follows."""
        self._store, self._seal, self._owner, self.scope = store, seal, owner, scope
        self.operation, self.step = operation, step
        self._identity = scope.values() | {"operation": operation, "step": step}

    def at(self, operation: str | None = None, step: int = 0) -> Self:
        """The same push's ledger of another operation or step."""
        if (operation or self.operation, step) == (self.operation, self.step):
            return self
        named = operation or self.operation
        return type(self)(self._store, self.scope, self._seal, owner=self._owner, operation=named, step=step)

    @property
    def originals(self) -> Originals:
        """The source rows of what is not posted."""
        return Originals(self._store, self.scope, self._seal, self._owner)

    @property
    def corrected(self) -> Corrected:
        """What the source said of records that were corrected outside it."""
        return Corrected(self._store, self.scope)

    def known(self, source_ids: Sequence[str]) -> dict[str, LedgerRecord]:
        """What the ledger has of these records, by source id."""
        with self._store.read() as connection:
            # First, and what has a row by then wins: else what gets one meanwhile was in neither.
            found = self._with_requests(connection, set(source_ids))
            for start in range(0, len(source_ids), CHUNK):
                chunk = source_ids[start : start + CHUNK]
                query = select(*COLUMNS).where(self._named(connection, chunk))
                for row in connection.execute(query).all():
                    record = record_at(row)
                    if record.source_id not in found or record.state in ("posted", *IN_FLIGHT):
                        found[record.source_id] = record
        return found

    def records(self, states: Iterable[State] | None = None) -> Iterator[LedgerRecord]:
        """Every record, or those in some states, in the order of their ids; dismissed ones left out. Those of a run
        that is under way, or was killed, come last: what it sent, then what it still had to send, as `pending`."""
        columns = push_records.c
        query = select(*COLUMNS).where(self._mine(push_records), columns.dismissed_at.is_(None))
        query = query.order_by(columns.source_id)
        if states is not None:
            states = tuple(states)
            query = query.where(push_records.c.state.in_(states))
        with self._store.read() as connection:
            # First: what becomes a record meanwhile is then seen twice rather than not at all, and left out below.
            planned = self._planned(connection) if states is None or "pending" in states else []
            sent = self._with_requests(connection)
            for row in connection.execute(query):
                if row.source_id not in sent:
                    yield record_at(row)
            yield from (record for record in sent.values() if states is None or record.state in states)
            for part in planned:
                yield from self._not_begun(connection, part, sent)

    def _with_requests(self, connection: Connection, wanted: Container[str] | None = None) -> dict[str, LedgerRecord]:
        """The records, all or those wanted, that stand with their request: `ledger_sent`."""
        return {record.source_id: record for each in self._sent(connection) for record in each.records(wanted)}

    def _sent(self, connection: Connection) -> list[Sent]:
        return [] if self.step else ledger_sent.sent(connection, self.scope, operation=self.operation)

    def _planned(self, connection: Connection) -> list[Part]:
        return [] if self.step else ledger_planned.parts(connection, self.scope, operation=self.operation)

    def _not_begun(
        self, connection: Connection, part: Part, sent: Mapping[str, LedgerRecord]
    ) -> Iterator[LedgerRecord]:
        entries = part.entries()
        for start in range(0, len(entries), CHUNK):
            chunk = entries[start : start + CHUNK]
            named = self._named(connection, [entry.source_id for entry in chunk])
            known = set(connection.scalars(select(push_records.c.source_id).where(named)))
            for entry in chunk:
                if entry.source_id not in known and entry.source_id not in sent:
                    yield ledger_sent.record_of(entry, "pending", self.operation, part.planned_at)

    def due(self, earlier: int, *, retry: bool) -> Iterator[tuple[LedgerRecord, LedgerRecord]]:
        """What waits for this step: (its line, the record's own line), where the step `earlier` is posted and the
        record is still there. With `retry` also what was refused."""
        states = ("pending", "unprocessed", "held", *(("failed",) if retry else ()))
        mine, before, main = push_records.alias("mine"), push_records.alias("before"), push_records.alias("main")
        same = (*self.scope.values(), "operation", "source_id")
        joined = mine.join(before, and_(before.c.step == earlier, *(mine.c[n] == before.c[n] for n in same)))
        joined = joined.join(main, and_(main.c.step == 0, *(mine.c[n] == main.c[n] for n in same)))
        after = ""
        while True:
            query = (
                select(*columns_of(mine), *columns_of(main))
                .select_from(joined)
                .where(
                    self._mine(mine),
                    mine.c.source_id > after,
                    mine.c.state.in_(states),
                    mine.c.dismissed_at.is_(None),
                    before.c.state == "posted",
                    main.c.state == "posted",
                    main.c.gone_at.is_(None),
                )
                .order_by(mine.c.source_id)
                .limit(CHUNK)
            )
            with self._store.read() as connection:
                found = connection.execute(query.set_label_style(LABEL_STYLE_TABLENAME_PLUS_COL)).all()
            for row in found:
                yield record_at(row[:WIDTH]), record_at(row[WIDTH:])
            if len(found) < CHUNK:
                return
            after = found[-1].mine_source_id

    def has_changes(self) -> bool:
        """Whether anything was ever done to a posted record of this push here."""
        columns = push_records.c
        query = select(columns.source_id).where(
            self._in_scope(push_records), columns.operation.in_(CHANGES), columns.step > 0
        )
        with self._store.read() as connection:
            return connection.execute(query.limit(1)).first() is not None

    def changes(self, source_ids: Sequence[str]) -> dict[str, list[LedgerRecord]]:
        """What was done to posted records since: source id -> updates and additions, the earliest first."""
        found: dict[str, list[LedgerRecord]] = {}
        columns = push_records.c
        with self._store.read() as connection:
            for start in range(0, len(source_ids), CHUNK):
                chunk = source_ids[start : start + CHUNK]
                named = among(
                    connection, push_records, self.scope.values(), "source_id", chunk, alone=True, part="step > 0"
                )
                query = select(*COLUMNS).where(named, columns.operation.in_(CHANGES)).order_by(columns.step)
                for row in connection.execute(query):
                    found.setdefault(row.source_id, []).append(record_at(row))
        return found

    def follow_ups(self, states: Iterable[State]) -> Iterator[LedgerRecord]:
        """Steps, updates and additions of records in some states, by id; dismissed ones left out."""
        columns = push_records.c
        wanted = (columns.step > 0, columns.state.in_(tuple(states)), columns.dismissed_at.is_(None))
        query = select(*COLUMNS).where(self._in_scope(push_records), *wanted)
        with self._store.read() as connection:
            for row in connection.execute(query.order_by(columns.source_id, columns.operation, columns.step)):
                yield record_at(row)

    def open_steps(self) -> list[tuple[int, str, int]]:
        """(step, state, how many) of steps that are not done, of posted records that are there; dismissed ones left
        out."""
        mine, main = push_records.alias("mine"), push_records.alias("main")
        same = (*self.scope.values(), "operation", "source_id")
        joined = mine.join(main, and_(main.c.step == 0, *(mine.c[n] == main.c[n] for n in same)))
        wanted = (mine.c.step > 0, mine.c.state != "posted", mine.c.dismissed_at.is_(None), main.c.state == "posted")
        query = select(mine.c.step, mine.c.state, func.count()).select_from(joined)
        query = query.where(self._in_scope(mine), mine.c.operation == self.operation, *wanted)
        with self._store.read() as connection:
            found = connection.execute(query.where(main.c.gone_at.is_(None)).group_by(mine.c.step, mine.c.state))
            return [(step, state, count) for step, state, count in found]

    def taken(self, sage_keys: Sequence[str]) -> set[str]:
        """Which of these keys in Intacct posted records of this push have here. Looks through all of them."""
        columns = push_records.c
        with self._store.read() as connection:
            sent = [posted for each in ledger_sent.sent(connection, self.scope) if (posted := each.posted())]
            found = {*sage_keys}.intersection(key for posted in sent for key in posted.keys)
            for start in range(0, len(sage_keys), CHUNK):
                wanted = (columns.step == 0, columns.sage_key.in_(sage_keys[start : start + CHUNK]))
                found.update(connection.scalars(select(columns.sage_key).where(self._in_scope(push_records), *wanted)))
        return found

    def shared_keys(self) -> Iterator[list[str]]:
        """Records of this operation that are posted under one key of Intacct: one of them is there, and no other."""
        columns = push_records.c
        mine = (self._mine(push_records), columns.state == "posted", columns.sage_key.is_not(None))
        both = select(columns.sage_key, columns.source_id).where(*mine)
        twice = select(columns.sage_key).where(*mine).group_by(columns.sage_key).having(func.count() > 1)
        with self._store.read() as connection:
            named: dict[str, set[str]] = {}
            for record in self._with_requests(connection).values():
                if record.sage_key:
                    named.setdefault(record.sage_key, set()).add(record.source_id)
            if named:
                for key, source_id in connection.execute(both):
                    if key in named:
                        named[key].add(source_id)
            rows = connection.execute(both.where(columns.sage_key.in_(twice)).order_by(*both.selected_columns))
            for key, same in groupby(rows, key=itemgetter(0)):
                yield sorted({source_id for _, source_id in same} | named.pop(key, set()))
            yield from (sorted(ids) for ids in named.values() if len(ids) > 1)

    def is_empty(self) -> bool:
        """Whether nothing was ever written of this push here."""
        query = select(push_records.c.source_id).where(self._mine(push_records)).limit(1)
        with self._store.read() as connection:
            return not self._sent(connection) and connection.execute(query).first() is None

    def entities(self) -> set[str]:
        """The entities in which this push ever had records."""
        query = select(push_records.c.entity).distinct().where(self._in_any_entity(push_records))
        with self._store.read() as connection:
            planned = ledger_planned.entities(connection, self.scope)  # first: what gets rows meanwhile is in those
            sent = {each.entity for each in ledger_sent.sent(connection, self.scope, any_entity=True)}
            return planned | sent | set(connection.scalars(query))

    def entities_with_open_batches(self) -> set[str]:
        """The entities in which this push has requests whose outcome is not known."""
        open_ = (self._in_any_entity(push_batches), push_batches.c.state == "open")
        with self._store.read() as connection:
            return set(connection.scalars(select(push_batches.c.entity).distinct().where(*open_)))

    def owners(self, entries: Sequence[str]) -> dict[str, str]:
        """Row id -> the document it was last in, for grouped pushes."""
        found: dict[str, str] = {}
        columns = push_entries.c
        with self._store.read() as connection:
            for start in range(0, len(entries), CHUNK):
                chunk = entries[start : start + CHUNK]
                mine = among(connection, push_entries, self.scope.values(), "entry_id", chunk)
                query = select(columns.entry_id, columns.source_id).where(mine)
                found.update((row.entry_id, row.source_id) for row in connection.execute(query))
        return found

    def entries(self, source_ids: Sequence[str]) -> dict[str, list[str]]:
        """Document -> the ids of the rows it was last made of, for grouped pushes."""
        found: dict[str, list[str]] = {}
        columns = push_entries.c
        with self._store.read() as connection:
            for start in range(0, len(source_ids), CHUNK):
                chunk = source_ids[start : start + CHUNK]
                mine = among(connection, push_entries, self.scope.values(), "source_id", chunk, alone=True)
                query = select(columns.source_id, columns.entry_id).where(mine)
                for row in connection.execute(query.order_by(columns.entry_id)):
                    found.setdefault(row.source_id, []).append(row.entry_id)
        return found

    def elsewhere(self, object: str, source_ids: Sequence[str]) -> dict[str, tuple[str, str | None]]:
        """Records of this object and company that went out under another scope: source id -> (which, key): by another
        push of the same books, or by this push under another label or entity. They must not go out again."""
        found: dict[str, tuple[str, str | None]] = {}
        batches, records = push_batches.c, push_records.c
        scopes = self.other_scopes(object)
        wanted = set(source_ids)
        if not scopes or not wanted:
            return found
        with self._store.read() as connection:
            for scope in scopes:
                label = scope.seen_from(self.scope)
                for each in ledger_sent.sent(connection, scope, operation=self.operation, object=object):
                    found.update((record.source_id, (label, record.sage_key)) for record in each.records(wanted))
                for start in range(0, len(source_ids), CHUNK):
                    theirs = (
                        select(records.source_id, records.sage_key)
                        .join(push_batches, batches.id == records.batch_id)
                        .where(
                            among(
                                connection,
                                push_records,
                                self._identity | scope.values(),
                                "source_id",
                                source_ids[start : start + CHUNK],
                            ),
                            records.state.in_(("posted", *IN_FLIGHT)),
                            batches.object == object,
                        )
                    )
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
        query = select(push_records.c.source_id)
        query = query.where(self._mine(push_records), push_records.c.dismissed_at.is_not(None))
        with self._store.read() as connection:
            sent = self._with_requests(connection)  # which came back
            return sum(source_id not in sent for source_id in connection.scalars(query))

    def entry_counts(self, source_ids: Sequence[str]) -> dict[str, int]:
        """How many rows each document was last made of, for grouped pushes."""
        found: dict[str, int] = {}
        columns = push_entries.c
        with self._store.read() as connection:
            for start in range(0, len(source_ids), CHUNK):
                chunk = source_ids[start : start + CHUNK]
                mine = among(connection, push_entries, self.scope.values(), "source_id", chunk, alone=True)
                query = select(columns.source_id, func.count()).where(mine).group_by(columns.source_id)
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
            sent = ledger_sent.of_batch(connection, batch_id)
            return list(connection.scalars(query)) if sent is None else [entry.source_id for entry in sent.entries()]

    def of_batch(self, batch_id: str) -> list[LedgerRecord]:
        """What is known of the records of a batch, in the order sent."""
        query = select(*COLUMNS).where(push_records.c.batch_id == batch_id).order_by(push_records.c.position)
        with self._store.read() as connection:
            sent = ledger_sent.of_batch(connection, batch_id)
            return [record_at(row) for row in connection.execute(query)] if sent is None else sent.records()

    # Inside --------------------------------------------------------------------------------------------------------

    def _same_books(self, table: FromClause) -> ColumnElement[bool]:
        scope = self.scope
        columns = table.c
        return (
            (columns.company == scope.company)
            & (columns.environment == scope.environment)
            & (columns.entity == scope.entity)
        )

    def _in_any_entity(self, table: FromClause) -> ColumnElement[bool]:
        columns, scope = table.c, self.scope
        return and_(
            columns.company == scope.company, columns.environment == scope.environment, columns.push == scope.push
        )

    def _in_scope(self, table: FromClause) -> ColumnElement[bool]:
        return self._same_books(table) & (table.c.push == self.scope.push)

    def _mine(self, table: FromClause) -> ColumnElement[bool]:
        return (
            self._in_scope(table)
            & (table.c.operation == self._identity["operation"])
            & (table.c.step == self._identity["step"])
        )

    def _named(self, connection: Connection, source_ids: Sequence[str]) -> ColumnElement[bool] | TextClause:
        return among(connection, push_records, self._identity, "source_id", source_ids)

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
            operation=row.operation,
            step=row.step,
            atomic=bool(row.atomic),
            keys=msgspec.json.decode(row.keys, type=tuple[str | None, ...]) if row.keys else (),
        )


def body_context(batch_id: str) -> str:
    return f"push_batches/{batch_id}/body"


def json_text(value: object) -> str | None:
    return None if value is None else msgspec.json.encode(value).decode()
