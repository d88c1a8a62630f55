"""The push ledger: which source record went out in which request, and what became of it (DESIGN rule 1).

Written before every request and after every answer. Knows no files, no mapping and no wire; bodies come in sealed.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import msgspec
from sqlalchemy import delete, func, insert, or_, select, update

from tieout.errors import StoreError
from tieout.store import ledger_planned, ledger_sent
from tieout.store.access_tables import DEFAULT_OWNER
from tieout.store.bulk import any_of, insert_row, update_many, update_row
from tieout.store.crashpoints import reached
from tieout.store.ledger_facts import (
    CHANGES,
    IN_FLIGHT,
    NOT_ARRIVED,
    Batch,
    Entry,
    LastRun,
    LedgerRecord,
    Packed,
    Posted,
    Result,
    Scope,
    Seal,
    State,
    now_text,
)
from tieout.store.ledger_packed import pack, pack_posted
from tieout.store.ledger_reading import CHUNK, body_context, json_text
from tieout.store.ledger_spread import spread
from tieout.store.ledger_steps import StepLines
from tieout.store.ledger_tables import push_batches, push_entries, push_records, push_runs
from tieout.store.ledger_writing import insert_or_update

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from tieout.store.engine import Store
    from tieout.store.leases import Lease
    from tieout.store.ledger_sent import Sent

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
_LOT = 20
"""Requests whose records get their rows in one transaction."""
_RESOLVED = {"state": "resolved", "body_sealed": None, "note": None}
_TAKEN = "state in ('posted', 'sending', 'unknown')"
_OUTCOME = ("state", "sage_key", "sage_id", "href", "sage_state", "error")
"""What an answer says of a record."""


class Ledger(StepLines):
    """The ledger of one scope. Every method is one transaction, or one for each part of what it spreads; those that
    write first assure the lease."""

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
        super().__init__(store, scope, seal, owner=owner, operation=operation, step=step)
        self._standing: dict[str, list[str]] = {}
        """Request of this run -> its records, where they stand with it. No row says yet that they must not go out."""
        self._taken: set[str] = set()
        """All of those."""

    def begin_batch(self, lease: Lease, run_id: str, batch: Batch, records: Sequence[Entry] | Packed) -> None:
        """Write a batch and its records as `sending`, before the request. After this the bytes outlive a crash.

        Records of step 0 are written with the batch, and get rows once their outcomes are known. Raises StoreError, and
        writes nothing, where one of them is posted or in flight already."""
        moment = now_text()
        packed = records if isinstance(records, Packed) else pack(records)
        with self._store.joined() as connection:
            lease.assure(connection)
            row = self.scope.values() | {
                "id": batch.id,
                "object": batch.object,
                "method": batch.method,
                "path": batch.path,
                "body_sealed": self._seal.encrypt(zlib.compress(batch.body, 1), body_context(batch.id), self._owner),
                "idempotency_key": batch.idempotency_key,
                "epoch": batch.epoch,
                "operation": self.operation,
                "step": self.step,
                "atomic": batch.atomic,
                "keys": json_text(batch.keys) if any(batch.keys) else None,
                "record_count": batch.count,
                "records": packed.data if self.step == 0 else None,
                "state": "open",
                "created_at": batch.created_at or moment,
                "sent_at": moment,
                "run_id": run_id,
            }
            insert_row(connection, push_batches, row)
            if self.step and not isinstance(records, Packed):
                free = self._take_up(connection, records, run_id, batch.id)
            else:
                free = self._is_free(connection, packed.ids)
            if not free:
                raise StoreError(
                    f"The ledger of push {self.scope.push} holds other states than when the run began.",
                    advice="Run the command again; nothing was sent.",
                )
            if not isinstance(records, Packed):
                self._own(connection, records)
        if self.step == 0:
            self._standing[batch.id] = packed.ids
            self._taken.update(packed.ids)

    def resolve(self, lease: Lease, batch_id: str, results: Sequence[Result]) -> None:
        """Record what became of every position, and close the batch. Its body is dropped. Where all was posted, the
        records stand with the batch still, until `spread`."""
        stands = batch_id in self._standing and all(result.state == "posted" for result in results)
        if stands and len(results) == len(self._standing[batch_id]):
            self.resolve_posted(lease, batch_id, _posted(results))
        else:
            self._store_results(lease, batch_id, results, {**_RESOLVED, "resolved_at": now_text()})

    def resolve_posted(self, lease: Lease, batch_id: str, posted: Posted) -> None:
        """The same, where Intacct posted every record: under these names, in the order sent."""
        if len(self._standing.get(batch_id, ())) == len(posted.keys):
            with self._store.joined() as connection:
                lease.assure(connection)
                values = {**_RESOLVED, "resolved_at": now_text(), "outcomes": pack_posted(posted)}
                # A run of this push to another object may have given them rows meanwhile (`settle_left`).
                done = update_row(connection, push_batches, batch_id, values, "records is not null")
                reached("push.before_result_commit")
            if done:
                return
            self._have_rows(batch_id)
        results = [
            Result(position=place, state="posted", sage_key=key, sage_id=id, href=href, sage_state=state)
            for place, (key, id, href, state) in enumerate(
                zip(posted.keys, posted.ids, posted.hrefs, posted.states, strict=True)
            )
        ]
        self.resolve(lease, batch_id, results)

    def leave_open(self, lease: Lease, batch_id: str, note: str, results: Sequence[Result]) -> None:
        """The answer never came: records are `unknown`, the bytes stay, and only they may be sent again."""
        self._store_results(lease, batch_id, results, {"state": "open", "note": note})

    def announce(self, lease: Lease, run_id: str, records: Sequence[Entry]) -> None:
        """Write what a run will send as `pending`, lest it be forgotten if the run ends early. Known ones stay, but for
        a step that was passed over: there is something to do by now."""
        with self._store.begin() as connection:
            lease.assure(connection)
            self._announce(connection, run_id, records)

    def plan(self, lease: Lease, run_id: str, parts: Sequence[Packed]) -> None:
        """Write down what a run will send, lest it be forgotten if the run ends early: `records` and `settle_left`
        take it for `pending` then, where nothing else is known."""
        with self._store.begin() as connection:
            lease.assure(connection)
            ledger_planned.write(connection, self.scope, self.operation, run_id, parts)

    def drop_planned(self, lease: Lease, run_id: str) -> None:
        """Forget, in every entity, what a run was to send: all of it has records of its own."""
        with self._store.begin() as connection:
            lease.assure(connection)
            ledger_planned.drop_all(connection, self.scope, run_id)

    @property
    def standing(self) -> int:
        """How many records of this run stand with their requests, for `spread` to write."""
        return len(self._taken)

    def spread(self, lease: Lease) -> None:
        """Give every record a row that was posted here and stands with its request."""
        with self._store.read() as connection:
            sent = ledger_sent.sent(connection, self.scope, operation=self.operation)
        self._spread(lease, [each for each in sent if each.outcomes is not None])

    def settle_left(self, lease: Lease) -> None:
        """Make rows, in every entity, of what runs of this push left behind: `posted` ones, `sending` ones of what they
        sent and saw no answer to, `pending` ones of what they never came to."""
        with self._store.read() as connection:
            sent = ledger_sent.sent(connection, self.scope, any_entity=True)
            parts = ledger_planned.parts(connection, self.scope, any_entity=True)
        self._spread(lease, [each for each in sent if each.outcomes is not None])
        for each in sent:
            if each.outcomes is not None:
                continue
            with self._store.begin() as connection:
                lease.assure(connection)
                there = self._there(each.entity, each.operation)
                there._upsert(connection, each.entries(), each.run_id, "sending", each.batch_id)
                ledger_sent.drop(connection, each.batch_id)
        for part in parts:
            with self._store.begin() as connection:
                lease.assure(connection)
                there = self._there(part.entity, part.operation)
                there._announce(connection, part.run_id, part.entries())
                ledger_planned.drop(connection, part.id)

    def settle_posted(self, lease: Lease, object: str) -> None:
        """Give every record a row that any push posted to an object of this company and that stands with its request.
        For whoever has the lease of that object: `elsewhere` is asked for many."""
        with self._store.read() as connection:
            ours = (push_batches.c.company == self.scope.company, push_batches.c.object == object)
            sent = ledger_sent.posted(connection, *ours)
        self._spread(lease, sent)

    def _spread(self, lease: Lease, sent: Sequence[Sent]) -> None:
        for start in range(0, len(sent), _LOT):
            lot = sent[start : start + _LOT]
            with self._store.begin() as connection:
                lease.assure(connection)
                spread(connection, lot)
                reached("push.before_spread_commit")
            self._have_rows(*(each.batch_id for each in lot))

    def _have_rows(self, *batch_ids: str) -> None:
        for batch_id in batch_ids:
            self._taken.difference_update(self._standing.pop(batch_id, ()))

    def _there(self, entity: str, operation: str) -> Self:
        scope = msgspec.structs.replace(self.scope, entity=entity)
        return type(self)(self._store, scope, self._seal, owner=self._owner, operation=operation)

    def note_read(self, lease: Lease, states: Mapping[str, str], pages: Mapping[str, str]) -> None:
        """What was read back of posted records, by source id: Sage's own state, the address of the page."""
        names = ("source_id", "sage_state", "page")
        sets = {"sage_state": "coalesce(new, sage_state)", "page": "coalesce(new, page)"}
        rows = [(source_id, states.get(source_id), pages.get(source_id)) for source_id in {**states, **pages}]
        if not rows:
            return
        same = self._identity
        whole = [(*same.values(), *row) for row in rows]
        with self._store.begin() as connection:
            lease.assure(connection)
            update_many(
                connection, push_records, sets, (*same, "source_id"), (*same, *names), whole, "state = 'posted'"
            )

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
            for start in range(0, len(source_ids), CHUNK):
                chunk = source_ids[start : start + CHUNK]
                mine = (self._named(connection, chunk), push_records.c.state.in_(NOT_ARRIVED))
                connection.execute(delete(push_records).where(*mine))

    def mark_changed(self, lease: Lease, source_ids: Sequence[str], changed: Mapping[str, dict[str, Any]]) -> None:
        """Of these posted records, those in `changed` differ from what was posted, for the reason given there."""
        columns = push_records.c
        with self._store.begin() as connection:
            lease.assure(connection)
            clean: set[str] = set()
            for start in range(0, len(source_ids), CHUNK):
                named = self._named(connection, source_ids[start : start + CHUNK])
                marked = select(columns.source_id).where(named, columns.state == "posted", columns.error.is_not(None))
                clean.update(connection.scalars(marked))
            clean -= changed.keys()
            facts = [(source_id, None) for source_id in clean]
            for source_id, error in [*facts, *((s, json_text(error)) for s, error in changed.items())]:
                mine = (self._mine(push_records), columns.source_id == source_id, columns.state == "posted")
                connection.execute(update(push_records).where(*mine).values(error=error))

    def dismiss(self, lease: Lease, source_ids: Sequence[str]) -> list[str]:
        """Records that never arrived and of which nobody wants to hear any more, those that people deleted in Intacct,
        and steps of others that were not carried out -> those that were dismissed.

        Rows of records that never arrived belong to nobody from now on. Their epoch stays, should they come back."""
        moment = now_text()
        columns = push_records.c
        with self._store.begin() as connection:
            lease.assure(connection)
            left = or_(columns.state.in_(NOT_ARRIVED), columns.gone_at.is_not(None))
            wanted = (columns.source_id.in_(source_ids), left)
            waiting = (*wanted, self._in_scope(push_records), columns.dismissed_at.is_(None))
            found = list(connection.scalars(select(columns.source_id).where(*waiting)))
            mine = (self._mine(push_records), columns.source_id.in_(source_ids), columns.state.in_(NOT_ARRIVED))
            new = list(connection.scalars(select(columns.source_id).where(*mine)))
            connection.execute(update(push_records).where(*waiting).values(dismissed_at=moment))
            connection.execute(
                delete(push_entries).where(self._in_scope(push_entries), push_entries.c.source_id.in_(new))
            )
        return list(dict.fromkeys([*found, *new]))

    def mark_gone(self, lease: Lease, gone: Sequence[str], there: Sequence[str] = ()) -> None:
        """Posted records that Intacct does not hold any more, and those of them that it holds after all."""
        columns = push_records.c
        with self._store.begin() as connection:
            lease.assure(connection)
            for source_ids, moment in ((gone, now_text()), (there, None)):
                for start in range(0, len(source_ids), CHUNK):
                    chunk = source_ids[start : start + CHUNK]
                    mine = (self._named(connection, chunk), columns.state == "posted")
                    other = columns.gone_at.is_(None) if moment else columns.gone_at.is_not(None)
                    connection.execute(update(push_records).where(*mine, other).values(gone_at=moment))

    def reopen(self, lease: Lease, record: LedgerRecord) -> None:
        """Let a record that people deleted in Intacct go out again, under the next epoch. Which one was deleted stays
        in its facts; its later steps begin anew."""
        columns = push_records.c
        facts = dict(record.facts or {})
        before = {"key": record.sage_key, "id": record.sage_id, "gone_at": record.gone_at}
        facts["deleted"] = [*facts.get("deleted", ()), before]
        fresh: dict[str, object] = {"batch_id": None, "position": None, "sage_key": None, "sage_id": None, "href": None}
        fresh["page"] = None
        fresh |= {"sage_state": None, "error": None, "gone_at": None, "dismissed_at": None, "updated_at": now_text()}
        one = (self._in_scope(push_records), columns.source_id == record.source_id)
        with self._store.begin() as connection:
            lease.assure(connection)
            again = {"state": "unprocessed", "attempt": columns.attempt + 1, **fresh}
            main = (columns.operation == self.operation, columns.step == 0, columns.gone_at.is_not(None))
            done = connection.execute(
                update(push_records).where(*one, *main).values(**again, facts=json_text(facts))
            ).rowcount
            if done != 1:
                raise StoreError(
                    f"Record {record.source_id!r} is not one that was deleted.", advice="Nothing was done."
                )
            steps = (columns.operation == self.operation, columns.step > 0, columns.state.not_in(IN_FLIGHT))
            connection.execute(update(push_records).where(*one, *steps).values(**again | {"state": "pending"}))
            connection.execute(
                delete(push_records).where(*one, columns.operation.in_(CHANGES), columns.state.not_in(IN_FLIGHT))
            )

    def start_run(self, run_id: str, source: str) -> None:
        with self._store.begin() as connection:
            row = self.scope.values() | {"id": run_id, "started_at": now_text(), "source": source}
            connection.execute(insert(push_runs).values(row))

    def finish_run(self, run_id: str, sha256: str, rows: int, counts: Mapping[str, int]) -> None:
        with self._store.begin() as connection:
            connection.execute(
                update(push_runs)
                .where(push_runs.c.id == run_id)
                .values(finished_at=now_text(), source_sha256=sha256, source_rows=rows, counts=json_text(dict(counts)))
            )

    # Inside --------------------------------------------------------------------------------------------------------

    def _store_results(
        self, lease: Lease, batch_id: str, results: Sequence[Result], batch: Mapping[str, object]
    ) -> None:
        moment = now_text()
        with self._store.joined() as connection:
            lease.assure(connection)
            sent = ledger_sent.of_batch(connection, batch_id)
            if sent is not None:
                self._write_outcomes(connection, sent, results)
            else:
                self._change_outcomes(connection, batch_id, results, moment)
            update_row(connection, push_batches, batch_id, {**batch, "records": None})
            reached("push.before_result_commit")
        self._have_rows(batch_id)

    def _write_outcomes(self, connection: Connection, sent: Sent, results: Sequence[Result]) -> None:
        """Records of their own for those that went out with their batch; what has no result is `sending` still."""
        found = {result.position: result for result in results}
        of_epoch: dict[int, list[tuple[Entry, int, Result]]] = {0: [], 1: []}
        for position, entry in enumerate(sent.entries()):
            result = found.get(position) or Result(position=position, state="sending")
            of_epoch[_rises(result)].append((entry, position, result))
        same = {"batch_id": sent.batch_id, "updated_at": now_text(), "run_id": sent.run_id}
        for rise, these in of_epoch.items():
            names = ["source_id", "payload_hash", "rows", "totals", "attempt", "position", *_OUTCOME]
            rows: list[tuple[Any, ...]] = [
                (e.source_id, e.payload_hash, e.rows, e.totals, e.attempt + rise, position, *_outcome(result))
                for e, position, result in these
            ]
            if any(entry.facts for entry, _, _ in these):
                names.append("facts")
                rows = [(*row, entry.facts) for row, (entry, _, _) in zip(rows, these, strict=True)]
            insert_or_update(connection, self._identity | same, names, rows, f"push_records.attempt + {rise}")

    def _change_outcomes(self, connection: Connection, batch_id: str, results: Sequence[Result], moment: str) -> None:
        """The same for records that are there already."""
        names = ("position", "attempt", "batch_id", "updated_at", *_OUTCOME)
        sets = dict.fromkeys(names, "new") | {"attempt": "attempt + new"}
        rows = [(result.position, _rises(result), batch_id, moment, *_outcome(result)) for result in results]
        # By batch and position only, so that the index of these two is used: the scope would look better to SQLite.
        # What is posted stays posted, whatever a later answer says.
        update_many(connection, push_records, sets, ("batch_id", "position"), names, rows, "state <> 'posted'")

    def _take_up(self, connection: Connection, records: Sequence[Entry], run_id: str, batch_id: str) -> bool:
        """Make records of a later step `sending` -> whether none was posted or in flight."""
        self._upsert(connection, records, run_id, "sending", batch_id)
        written = connection.scalar(select(func.count()).where(push_records.c.batch_id == batch_id))
        return written == len(records)

    def _is_free(self, connection: Connection, source_ids: Sequence[str]) -> bool:
        """Whether no record is posted or in flight."""
        if not self._taken.isdisjoint(source_ids):
            return False
        return not any_of(connection, push_records, self._identity, "source_id", source_ids, _TAKEN)

    def _announce(self, connection: Connection, run_id: str, records: Sequence[Entry]) -> None:
        if any(record.entries for record in records):
            ids = [record.source_id for record in records]
            known: set[str] = set()
            for start in range(0, len(ids), CHUNK):
                query = select(push_records.c.source_id).where(self._named(connection, ids[start : start + CHUNK]))
                known.update(connection.scalars(query))
            self._own(connection, [record for record in records if record.source_id not in known])
        conflict = self._where_passed_over(records) if self.step else "on conflict do nothing"
        self._upsert(connection, records, run_id, "pending", conflict=conflict)


def _posted(results: Sequence[Result]) -> Posted:
    ordered = sorted(results, key=lambda result: result.position)
    return Posted(
        [result.sage_key for result in ordered],
        [result.sage_id for result in ordered],
        [result.href for result in ordered],
        [result.sage_state for result in ordered],
    )


def _outcome(result: Result) -> tuple[Any, ...]:
    """The columns of _OUTCOME."""
    error = json_text(result.error)
    return (result.state, result.sage_key, result.sage_id, result.href, result.sage_state, error)


def _rises(result: Result) -> int:
    """By how much the epoch rises: with a definite failure only (DESIGN rule 1)."""
    return int(result.state in ("failed", "unprocessed"))
