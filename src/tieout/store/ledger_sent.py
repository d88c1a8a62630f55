"""The records of requests that are under way: written with their batch, each by itself once its outcome is known.

So a record is written once, not twice, when all goes well. What an interrupted run left becomes `sending` records under
the lease of the next one; until then readers of the ledger see them as that.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import select, update

from tieout.store.ledger_facts import Entry, LedgerRecord, Scope
from tieout.store.ledger_packed import pack, unpack
from tieout.store.ledger_tables import push_batches

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection

ROWS = msgspec.json.Decoder(tuple[int, ...])
TOTALS = msgspec.json.Decoder(dict[str, Decimal])


class Sent(msgspec.Struct, frozen=True):
    """The records of one request, in the order sent."""

    batch_id: str
    entity: str
    operation: str
    object: str
    run_id: str
    sent_at: str
    packed: bytes

    def entries(self) -> list[Entry]:
        return unpack(self.packed)

    def records(self) -> list[LedgerRecord]:
        """As they would be read if each had been written."""
        return [
            record_of(entry, "sending", self.operation, self.sent_at, self.batch_id, position)
            for position, entry in enumerate(self.entries())
        ]


def record_of(
    entry: Entry,
    state: Any,
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


def under_way(
    connection: Connection, scope: Scope, *, any_entity: bool = False, operation: str = "", object: str = ""
) -> list[Sent]:
    """Requests of a push whose records stand with them, the earliest first: of its entity or of all."""
    columns = push_batches.c
    mine = [columns.company == scope.company, columns.environment == scope.environment, columns.push == scope.push]
    mine += [columns.state == "open", columns.records.is_not(None)]
    for column, wanted in ((columns.operation, operation), (columns.object, object)):
        if wanted:
            mine.append(column == wanted)
    if not any_entity:
        mine.append(columns.entity == scope.entity)
    rows: Sequence[Any] = connection.execute(select(*_COLUMNS).where(*mine).order_by(columns.created_at)).all()
    return [Sent(*row) for row in rows]


def of_batch(connection: Connection, batch_id: str) -> Sent | None:
    """The records that stand with a batch; None where each is one of its own by now."""
    row = connection.execute(select(*_COLUMNS).where(push_batches.c.id == batch_id)).one_or_none()
    return Sent(*row) if row is not None and row.records is not None else None


def drop(connection: Connection, batch_id: str) -> None:
    """Each record of a batch is one of its own now."""
    connection.execute(update(push_batches).where(push_batches.c.id == batch_id).values(records=None))


def blank(connection: Connection, of: ColumnElement[bool]) -> None:
    """Forget the rows and sums of what is under way, as those of records are forgotten; which records it is stays."""
    for row in connection.execute(select(*_COLUMNS).where(of, push_batches.c.records.is_not(None))).all():
        entries = [msgspec.structs.replace(entry, rows="[]", totals="{}") for entry in Sent(*row).entries()]
        mine = push_batches.c.id == row.id
        connection.execute(update(push_batches).where(mine).values(records=pack(entries)))


_COLUMNS = tuple(
    push_batches.c[name] for name in ("id", "entity", "operation", "object", "run_id", "sent_at", "records")
)
