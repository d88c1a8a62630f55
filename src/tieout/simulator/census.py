"""How many rows lie in each block of keys, by the entity that owns them: counts and deep pages without walking there.

SQLite keeps the numbers itself, by triggers, so that they share the rows' transactions and the company's file. Knows
keys and owners. Refuses to know filters and who asks.
"""

# ruff: noqa: S608 - identifiers are quoted names of models, every value is bound

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import msgspec

from tieout.simulator.values import Stored

BLOCK_BITS = 12
"""A block is 4,096 keys wide: a company of a million rows has some 250 of them, and within one SQLite may walk."""
ODD = -1
"""The block of all keys that are not whole numbers: no order can be told from it."""
SHARED = ""
"""Stands for the entity of a row that none owns."""
LOWEST, HIGHEST = 0, 2**63 - 1

SCHEMA = """
CREATE TABLE IF NOT EXISTS "ia::census" (
    object TEXT, block INTEGER, entity, rows INTEGER NOT NULL, PRIMARY KEY (object, block, entity)
) WITHOUT ROWID;
"""


class Span(msgspec.Struct, frozen=True):
    """Keys from `low` to `high`, both included."""

    low: int = LOWEST
    high: int = HIGHEST

    def meet(self, other: Span) -> Span:
        return Span(max(self.low, other.low), min(self.high, other.high))

    @property
    def everything(self) -> bool:
        return self.low <= LOWEST and self.high >= HIGHEST


def _block(key: str) -> str:
    return f"CASE WHEN typeof({key}) = 'integer' AND {key} >= 0 THEN {key} >> {BLOCK_BITS} ELSE {ODD} END"


class Census:
    """The numbers of one company. `watch` a table when it is made."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def watch(self, object: str, table: str, key: str, entity: str | None) -> None:
        """Count the rows of a table from now on; those that are there already are counted now. Names are SQL."""
        name = "'" + object.replace("'", "''") + "'"

        def trigger(word: str) -> str:
            return '"' + object.replace('"', '""') + f' census {word}"'

        def place(row: str) -> str:
            owner = f"ifnull({row}.{entity}, '{SHARED}')" if entity is not None else f"'{SHARED}'"
            return f"{name}, {_block(f'{row}.{key}')}, {owner}"

        def step(row: str, by: int) -> str:
            # Not an upsert: within REPLACE, the conflict rule of the outer statement would go before the trigger's own.
            where = f"(object, block, entity) = ({place(row)})"
            add = (
                f'INSERT INTO "ia::census" SELECT {place(row)}, 0 '
                f'WHERE NOT EXISTS (SELECT 1 FROM "ia::census" WHERE {where}); '
            )
            return (add if by > 0 else "") + f'UPDATE "ia::census" SET rows = rows + {by} WHERE {where};'

        watched = f"{key}, {entity}" if entity is not None else key
        made = [
            f"CREATE TRIGGER {trigger(event.partition(' ')[0])} AFTER {event} ON {table} BEGIN {body} END"
            for event, body in (
                ("insert", step("NEW", 1)),
                ("delete", step("OLD", -1)),
                (f"update OF {watched}", step("OLD", -1) + " " + step("NEW", 1)),
            )
        ]
        there = "SELECT sql FROM sqlite_master WHERE type = 'trigger' AND name IN (?, ?, ?)"
        names = [f"{object} census {word}" for word in ("insert", "delete", "update")]
        if {row[0] for row in self._db.execute(there, names)} == set(made):
            return
        for word, sql in zip(("insert", "delete", "update"), made, strict=True):
            self._db.execute(f"DROP TRIGGER IF EXISTS {trigger(word)}")
            self._db.execute(sql)
        self._db.execute('DELETE FROM "ia::census" WHERE object = ?', (object,))
        self._db.execute(f'INSERT INTO "ia::census" SELECT {place("t")}, COUNT(*) FROM {table} AS t GROUP BY 2, 3')

    def blocks(self, object: str, entities: Sequence[Stored] | None) -> list[tuple[int, int]] | None:
        """(block, rows) upwards; `entities` as in `visibility.entities`. None if there are keys that are no numbers."""
        sql = 'SELECT block, sum(rows) FROM "ia::census" WHERE object = ?'
        values: list[Stored] = [object]
        if entities is not None:
            sql += f" AND entity IN ({', '.join('?' * len(entities))})"
            values += [SHARED if entity is None else entity for entity in entities]
        found: list[tuple[int, int]] = self._db.execute(f"{sql} GROUP BY block ORDER BY block", values).fetchall()
        if found and found[0][0] == ODD and found[0][1]:
            return None
        return found
