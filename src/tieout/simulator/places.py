"""Pages far into an answer, and the number of its rows, without walking what lies before (REST reference 5.5).

Two ways: where only keys are filtered and ordered, the census tells in which block a page begins; anything else is
walked once, and the rows' places are remembered as long as nothing that decides them changes.
"""

# ruff: noqa: S608 - identifiers are quoted names of models, every value is bound

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from tieout.simulator.census import BLOCK_BITS, HIGHEST, Span
from tieout.simulator.tables import Table, Tables
from tieout.simulator.values import KEY, Stored

REMEMBERED = 8
"""Answers whose places are remembered at once; the one unused longest goes first."""

_encode = KEY.encoder()


class Seek(msgspec.Struct, frozen=True):
    """Where a page begins: `condition` on the alias `t` with its values, then so many rows more to skip."""

    condition: str
    values: tuple[Stored, ...]
    skip: int


def span(filters: Sequence[object], expression: str) -> Span | None:
    """The keys that `filters` leave if they speak of nothing but keys in order; None for any other condition."""
    if len(filters) > 1 and expression.strip().lower() != "and":
        return None
    found = Span()
    for entry in filters:
        if not isinstance(entry, Mapping) or len(entry) != 1:
            return None
        ((operator, operand),) = entry.items()
        one = _one(operator, operand)
        if one is None:
            return None
        found = found.meet(one)
    return found


def _one(operator: object, operand: object) -> Span | None:
    if not isinstance(operand, Mapping) or list(operand) != ["key"]:
        return None
    value = operand["key"]
    if operator == "$between":
        if not isinstance(value, list) or len(value) != 2:
            return None
        low, high = (_key(end) for end in value)
        return Span(low, high) if low is not None and high is not None else None
    key = _key(value)
    if key is None:
        return None
    spans = {"$gt": Span(key + 1), "$gte": Span(key), "$lt": Span(high=key - 1), "$lte": Span(high=key)}
    return spans.get(str(operator))


def _key(value: object) -> int | None:
    stored = _encode(value) if isinstance(value, str) else None
    return stored if type(stored) is int and 0 <= stored < HIGHEST else None


class Places:
    """Counts and places of one company's tables."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._walked: dict[Any, tuple[Any, array[int]]] = {}

    # ---- by the census ----------------------------------------------------------------------------------------

    def count(self, table: Table, within: Span, entities: Sequence[Stored] | None) -> int | None:
        """How many rows have keys in the span and are seen; None where the census cannot tell."""
        blocks = self._tables.census.blocks(table.object, entities)
        if blocks is None:
            return None
        if within.everything:
            return sum(rows for _, rows in blocks)
        first, last = within.low >> BLOCK_BITS, within.high >> BLOCK_BITS
        whole = sum(rows for block, rows in blocks if first < block < last)
        edges = {first, last} & {block for block, rows in blocks if rows}
        return whole + sum(self._part(table, block, within, entities) for block in edges)

    def _part(self, table: Table, block: int, within: Span, entities: Sequence[Stored] | None) -> int:
        """Rows of the span within one block, counted."""
        edge = within.meet(Span(block << BLOCK_BITS, (block + 1 << BLOCK_BITS) - 1))
        key = table.columns["key"].sql
        sql = f"SELECT COUNT(*) FROM {table.sql} INDEXED BY {self._tables.walk(table)} WHERE {key} BETWEEN ? AND ?"
        values: list[Stored] = [edge.low, edge.high]
        if entities is not None and "entity.key" in table.columns:
            entity = table.columns["entity.key"].sql
            keys = [owner for owner in entities if owner is not None]
            sql += f" AND ({entity} IS NULL OR {entity} IN ({', '.join('?' * len(keys))}))"
            values += keys
        return int(self._tables.rows(sql, values)[0][0])

    def seek(
        self, table: Table, within: Span, entities: Sequence[Stored] | None, offset: int, *, down: bool
    ) -> Seek | None:
        """Where the row lies that has `offset` rows of the span before it; None where the census cannot tell."""
        blocks = self._tables.census.blocks(table.object, entities)
        if blocks is None:
            return None
        key = f"t.{table.columns['key'].sql}"
        first, last = within.low >> BLOCK_BITS, within.high >> BLOCK_BITS
        for block, rows in reversed(blocks) if down else blocks:
            if not first <= block <= last or not rows:
                continue
            here = self._part(table, block, within, entities) if block in (first, last) else rows
            if here > offset:
                edge = (block + 1 << BLOCK_BITS) - 1 if down else block << BLOCK_BITS
                return Seek(f"{key} {'<=' if down else '>='} ?", (edge,), offset)
            offset -= here
        return None

    # ---- by walking once --------------------------------------------------------------------------------------

    def rows(self, sql: str, values: Sequence[Stored], state: object, start: int, size: int) -> list[int]:
        """Row ids `start` to `start + size` (from 0) of a statement that gives row ids in order."""
        name = (sql, tuple(values))
        known = self._walked.pop(name, None)
        if known is None or known[0] != state:
            known = (state, array("q", (row[0] for row in self._tables.each(sql, values))))
            while len(self._walked) >= REMEMBERED:
                self._walked.pop(next(iter(self._walked)))
        self._walked[name] = known
        return known[1][start : start + size].tolist()
