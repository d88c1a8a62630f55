"""The steps of records in the push ledger: what follows once a record is there, each a line of its own.

A step waits (`pending`), is done (`posted`), or is passed over: `posted` without ever having been in a request, because
there is nothing to do. Knows no Intacct and no files.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sqlalchemy import exists, update

from tieout.store.ledger_facts import CHANGES, IN_FLIGHT, NOT_ARRIVED, Entry, now_text
from tieout.store.ledger_reading import CHUNK
from tieout.store.ledger_tables import push_records
from tieout.store.ledger_writing import Writing, on_conflict

if TYPE_CHECKING:
    from tieout.store.leases import Lease

_PASSED_OVER = " where push_records.state = 'posted' and push_records.batch_id is null"


class StepLines(Writing):
    """What is written of one step of the records of a scope."""

    def pass_over(self, lease: Lease, run_id: str, records: Sequence[Entry]) -> None:
        """Write a step as done of records for which it has nothing to do. What was done, or may have been, stays."""
        if not records:
            return
        undone = ", ".join(f"'{state}'" for state in NOT_ARRIVED)
        conflict = on_conflict("state", "error", "updated_at", "run_id") + (
            f", batch_id = null where push_records.state in ({undone})"
        )
        with self._store.begin() as connection:
            lease.assure(connection)
            self._upsert(connection, records, run_id, "posted", conflict=conflict)

    def withdraw(self, lease: Lease, source_ids: Sequence[str]) -> None:
        """Pass a step over of those of these records that it waits for. Its epoch stays, should it be wanted again."""
        columns = push_records.c
        fresh = {"state": "posted", "batch_id": None, "error": None, "updated_at": now_text()}
        with self._store.begin() as connection:
            lease.assure(connection)
            for start in range(0, len(source_ids), CHUNK):
                chunk = source_ids[start : start + CHUNK]
                mine = (self._named(connection, chunk), columns.state.in_(NOT_ARRIVED))
                connection.execute(update(push_records).where(*mine).values(fresh))

    def renew(self, lease: Lease, run_id: str, records: Sequence[Entry]) -> None:
        """Let a step wait again, whether it was done or not: there is more to do than its line says. What may be under
        way stays, and so does what Intacct called what was made."""
        if not records:
            return
        fresh = ("state", "facts", "payload_hash", "rows", "error", "dismissed_at", "updated_at", "run_id")
        flying = " and ".join(f"push_records.state <> '{state}'" for state in IN_FLIGHT)
        with self._store.begin() as connection:
            lease.assure(connection)
            self._upsert(connection, records, run_id, "pending", conflict=f"{on_conflict(*fresh)} where {flying}")

    def restate(self, lease: Lease, run_id: str, records: Sequence[Entry]) -> None:
        """Replace what a step needs where it is not done and not under way. Whether it waits or was refused stays."""
        if not records:
            return
        undone = ", ".join(f"'{state}'" for state in NOT_ARRIVED)
        conflict = f"{on_conflict('facts')} where push_records.state in ({undone})"
        with self._store.begin() as connection:
            lease.assure(connection)
            self._upsert(connection, records, run_id, "pending", conflict=conflict)

    def renew_refused(self, lease: Lease) -> None:
        """Let every step wait again that Intacct refused before it took a change of the record."""
        columns, change = push_records.c, push_records.alias("change")
        same = [change.c[name] == columns[name] for name in (*self.scope.values(), "source_id")]
        since = exists().where(
            *same,
            change.c.operation.in_(CHANGES),
            change.c.state == "posted",
            change.c.updated_at > columns.updated_at,
        )
        refused = (columns.operation == self.operation, columns.step > 0, columns.state == "failed")
        mine = (self._in_scope(push_records), *refused, columns.dismissed_at.is_(None), since)
        with self._store.begin() as connection:
            lease.assure(connection)
            connection.execute(update(push_records).where(*mine).values(state="pending", updated_at=now_text()))

    def _where_passed_over(self, records: Sequence[Entry]) -> str:
        """What is known of a step stays, but where it was passed over there is something to do by now."""
        names = ("facts",) if any(record.facts for record in records) else ()
        return on_conflict("state", "payload_hash", "rows", "updated_at", "run_id", *names) + _PASSED_OVER
