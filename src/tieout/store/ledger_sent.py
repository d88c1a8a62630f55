"""Records that stand with their request, in its row: until the answer is there, and where all of them were posted for
a while longer, with the names that Intacct gave them.

So a record is written once, not twice, when all goes well, and many at once. To readers of the ledger each is what it
would be in a row of its own: `sending`, or `posted`. What an interrupted run left gets rows under the next one's lease.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import select, update

from tieout.store.ledger_facts import Entry, LedgerRecord, Posted, Scope, State
from tieout.store.ledger_packed import columns, pack, unpack, unpack_posted
from tieout.store.ledger_tables import push_batches

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection

ROWS = msgspec.json.Decoder(tuple[int, ...])
TOTALS = msgspec.json.Decoder(dict[str, Decimal])


class Sent(msgspec.Struct, frozen=True):
    """The records of one request, in the order sent."""

    batch_id: str
    company: str
    environment: str
    entity: str
    push: str
    operation: str
    object: str
    run_id: str
    sent_at: str
    resolved_at: str | None
    packed: bytes
    outcomes: bytes | None
    """What became of them, where all were posted; None while there is no answer."""

    @property
    def scope(self) -> Scope:
        return Scope(self.company, self.environment, self.entity, self.push)

    @property
    def state(self) -> State:
        return "sending" if self.outcomes is None else "posted"

    @property
    def updated_at(self) -> str:
        return self.resolved_at or self.sent_at

    def entries(self) -> list[Entry]:
        return unpack(self.packed)

    def columns(self) -> tuple[Sequence[Any], ...]:
        return columns(self.packed)

    def posted(self) -> Posted | None:
        return None if self.outcomes is None else unpack_posted(self.outcomes)

    def records(self, wanted: Container[str] | None = None) -> list[LedgerRecord]:
        """Those wanted, or all, as they would be read if each had been written."""
        found = [
            record_of(entry, self.state, self.operation, self.updated_at, self.batch_id, position)
            for position, entry in enumerate(self.entries())
            if wanted is None or entry.source_id in wanted
        ]
        posted = self.posted() if found else None
        if posted is not None:
            for record in found:
                place = record.position or 0
                record.sage_key, record.sage_id = posted.keys[place], posted.ids[place]
                record.href, record.sage_state = posted.hrefs[place], posted.states[place]
        return found


def record_of(
    entry: Entry,
    state: State,
    operation: str,
    moment: str,
    batch_id: str | None = None,
    position: int | None = None,
) -> LedgerRecord:
    """What is packed, as a record."""
    return LedgerRecord(
        source_id=entry.source_id,
        payload_hash=entry.payload_hash,
        state=state,
        rows=ROWS.decode(entry.rows),
        totals=TOTALS.decode(entry.totals),
        batch_id=batch_id,
        position=position,
        attempt=entry.attempt,
        updated_at=moment,
        facts=msgspec.json.decode(entry.facts) if entry.facts else None,
        operation=operation,
    )


def sent(
    connection: Connection, scope: Scope, *, any_entity: bool = False, operation: str = "", object: str = ""
) -> list[Sent]:
    """Requests of a push whose records stand with them, the earliest first: of its entity or of all."""
    columns = push_batches.c
    mine = [columns.company == scope.company, columns.environment == scope.environment, columns.push == scope.push]
    for column, wanted in ((columns.operation, operation), (columns.object, object)):
        if wanted:
            mine.append(column == wanted)
    if not any_entity:
        mine.append(columns.entity == scope.entity)
    return _found(connection, *mine)


def posted(connection: Connection, *wanted: ColumnElement[bool]) -> list[Sent]:
    """Requests, whosesoever, all of whose records were posted and stand with them."""
    return _found(connection, *wanted, push_batches.c.outcomes.is_not(None))


def of_batch(connection: Connection, batch_id: str) -> Sent | None:
    """The records that stand with a batch; None where each is one of its own by now."""
    return next(iter(_found(connection, push_batches.c.id == batch_id)), None)


def _found(connection: Connection, *wanted: ColumnElement[bool]) -> list[Sent]:
    query = select(*_COLUMNS).where(*wanted, push_batches.c.records.is_not(None)).order_by(push_batches.c.created_at)
    rows: Sequence[Any] = connection.execute(query).all()
    return [Sent(*row) for row in rows]


def drop(connection: Connection, *batch_ids: str) -> None:
    """Each record of some batches is one of its own now."""
    mine = push_batches.c.id.in_(batch_ids)
    connection.execute(update(push_batches).where(mine).values(records=None, outcomes=None))


def blank(connection: Connection, of: ColumnElement[bool]) -> None:
    """Forget the rows and sums of what is under way, as those of records are forgotten; which records it is stays."""
    for each in _found(connection, of):
        entries = [msgspec.structs.replace(entry, rows="[]", totals="{}") for entry in each.entries()]
        mine = (push_batches.c.id == each.batch_id, push_batches.c.records.is_not(None))
        connection.execute(update(push_batches).where(*mine).values(records=pack(entries).data))


_COLUMNS = tuple(
    push_batches.c[name]
    for name in (
        *("id", "company", "environment", "entity", "push", "operation", "object", "run_id", "sent_at"),
        *("resolved_at", "records", "outcomes"),
    )
)
