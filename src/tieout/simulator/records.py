"""Whole records as GET answers them: nested, references with their names, lines inlined (REST reference 4.1, 4.2).

Knows the shape of a record. Refuses to know writes, queries and envelopes.
"""

# ruff: noqa: S608 - identifiers are quoted names of models, every value is bound

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tieout.catalogue.model import Model
from tieout.simulator.paths import Paths
from tieout.simulator.tables import RESERVED, Branch, Table, Tables
from tieout.simulator.values import Codec, Kind, Stored

_HIDDEN_LINES = {"accounts-receivable/invoice-line": ("isSubtotal", "subtotal")}
"""GET of an invoice omits subtotal lines [CPW LIVE] (REST reference 4.2)."""

Decode = Callable[[Stored], Any]


class Reader:
    """Reads records of one company."""

    def __init__(self, tables: Tables, find: Callable[[str], Model | None]) -> None:
        self._tables = tables
        self._find = find
        self._columns: dict[str, tuple[tuple[int, str], str, list[tuple[str, Decode]]]] = {}

    def records(self, table: Table, where: str, values: Sequence[Stored], order: str = "") -> list[dict[str, Any]]:
        """Full records that match a condition over the alias `t`."""
        select, plan = self._plan(table)
        rows = self._tables.rows(f"SELECT {select} FROM {table.sql} AS t WHERE {where}{order}", list(values))
        return [self._record(table, plan, row) for row in rows]

    def _plan(self, table: Table) -> tuple[str, list[tuple[str, Decode]]]:
        known = self._columns.get(table.object)
        moment = self._tables.shape, self._tables.today()
        if known is not None and known[0] == moment:
            return known[1], known[2]
        paths = Paths(self._tables, self._find)
        select: list[str] = []
        plan: list[tuple[str, Decode]] = []
        for path, column in table.columns.items():
            if path in table.inline:
                select.append(f"t.{column.sql}")
                plan.append((path, Codec(Kind.TEXT).decoder()))
            elif not path.startswith(RESERVED) and not column.field.write_only:
                target = paths.resolve(table, path)
                select.append(target.sql)
                plan.append((path, target.codec.decoder()))
        self._columns[table.object] = (moment, ", ".join(select), plan)
        return ", ".join(select), plan

    def _record(self, table: Table, plan: list[tuple[str, Decode]], row: tuple[Stored, ...]) -> dict[str, Any]:
        values = {path: decode(stored) for (path, decode), stored in zip(plan, row, strict=True)}
        record = self._nest(table, table.tree, "", values)
        for name, (child, owner) in table.lines.items():
            record[name] = self._lines(child, owner, record["key"])
        return record

    def _nest(self, table: Table, branch: Branch, prefix: str, values: Mapping[str, Any]) -> dict[str, Any]:
        record: dict[str, Any] = {}
        for name in branch.columns:
            path = prefix + name
            if path in table.inline:
                record[name] = [] if values[path] is None else values[path]
            elif path in values:
                record[name] = values[path]
        for name, inner in branch.branches.items():
            path = prefix + name
            nested = self._nest(table, inner, f"{path}.", values)
            record[name] = _reference(nested) if path in table.links else nested
        return record

    def _lines(self, child: str, owner: str, key: str) -> list[dict[str, Any]]:
        table = self._tables.existing(child)
        if table is None:
            return []
        column = table.columns[f"{owner}.key"]
        where = f"t.{column.sql} = ?"
        lines = self.records(table, where, [column.encode(key)], f" ORDER BY t.{table.order.sql}")
        hidden = _HIDDEN_LINES.get(child)
        return lines if hidden is None else [line for line in lines if line.get(hidden[0]) != hidden[1]]


def _reference(nested: dict[str, Any]) -> dict[str, Any]:
    """An unset reference is `{"key":null,"id":null}`, without href and the rest (REST reference 9.1)."""
    if nested.get("key") is None and not _holds(nested):
        return {name: None for name in ("key", "id") if name in nested}
    return nested


def _holds(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(_holds(item) for item in value.values())
    return value is not None and value != []
