"""What a run still has to send, a part of many records at a time, so that nothing that was begun is forgotten.

A part is written before the first request and is gone when all of it was sent. What an interrupted run left becomes
`pending` records under the lease of the next one; until then readers of the ledger see them as that.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import delete, insert, select

from tieout.store.ledger_facts import Entry, Packed, Scope, now_text
from tieout.store.ledger_packed import unpack
from tieout.store.ledger_tables import push_planned

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection


class Part(msgspec.Struct, frozen=True):
    """Some records that a run meant to send, in one entity and by one operation."""

    id: str
    entity: str
    operation: str
    run_id: str
    planned_at: str
    packed: bytes

    def entries(self) -> list[Entry]:
        return unpack(self.packed)


def write(connection: Connection, scope: Scope, operation: str, run_id: str, parts: Sequence[Packed]) -> None:
    """Write down what a run will send."""
    same = scope.values() | {"operation": operation, "run_id": run_id, "planned_at": now_text()}
    rows = [same | {"id": str(uuid.uuid4()), "records": part.data} for part in parts]
    connection.execute(insert(push_planned), rows)


def parts(connection: Connection, scope: Scope, *, any_entity: bool = False, operation: str = "") -> list[Part]:
    """The parts of a push, the earliest first: of its entity or of all."""
    columns = push_planned.c
    mine = [*_of(scope)]
    if not any_entity:
        mine.append(columns.entity == scope.entity)
    if operation:
        mine.append(columns.operation == operation)
    names = (columns.id, columns.entity, columns.operation, columns.run_id, columns.planned_at, columns.records)
    rows: Sequence[Any] = connection.execute(select(*names).where(*mine).order_by(columns.planned_at)).all()
    return [Part(*row) for row in rows]


def drop(connection: Connection, part_id: str) -> None:
    """One part is not needed any more."""
    connection.execute(delete(push_planned).where(push_planned.c.id == part_id))


def drop_all(connection: Connection, scope: Scope, run_id: str) -> None:
    """Nothing of a run is needed any more: all of it was sent."""
    connection.execute(delete(push_planned).where(*_of(scope), push_planned.c.run_id == run_id))


def entities(connection: Connection, scope: Scope) -> set[str]:
    """The entities in which a push has parts."""
    return set(connection.scalars(select(push_planned.c.entity).distinct().where(*_of(scope))))


def _of(scope: Scope) -> tuple[ColumnElement[bool], ...]:
    columns = push_planned.c
    return (
        columns.company == scope.company,
        columns.environment == scope.environment,
        columns.push == scope.push,
    )
