"""Trusted bulk insert of nested records: the demo's seed and recorded traffic.

Knows how a record is laid flat into rows, lines included. Checks nothing but the names.
"""

# ruff: noqa: S608 - identifiers are quoted names of models, every value is bound

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from itertools import islice, pairwise
from typing import Any

from tieout.simulator.tables import ROW, Branch, Table, Tables, path_of
from tieout.simulator.values import Stored

_CHUNK = 2000


class Loader:
    """Bulk insert of nested records. Trusted: keys are given or assigned, nothing is checked but the names."""

    def __init__(self, db: sqlite3.Connection, tables: Tables) -> None:
        self._db = db
        self._tables = tables
        self._buffers: dict[str, list[list[Stored]]] = {}
        self._referenced: dict[str, dict[Stored, tuple[Stored, Stored]]] = {}
        self._shuffled = True

    def load(self, object: str, records: Iterable[Mapping[str, Any]]) -> int:
        """Insert, replacing what has the same key; the number of records. ValueError names an unknown field."""
        table = self._tables.get(object)
        source = iter(records)
        count = 0
        while chunk := list(islice(source, _CHUNK)):
            if not count:
                self._shuffled = self._by_key(chunk)
            for record in chunk:
                self._flatten(table, record, None, 0)
            count += len(chunk)
            self._flush()
        return count

    @staticmethod
    def _by_key(chunk: list[Mapping[str, Any]]) -> bool:
        """Whether the records come in order of key, or without keys: then the order is ours to shuffle. Recorded rows
        come in Sage's order, which stays."""
        keys = [str(record["key"]) for record in chunk if record.get("key") is not None]
        return all(a.rjust(20) <= b.rjust(20) for a, b in pairwise(keys))

    def _flatten(self, table: Table, record: Mapping[str, Any], owner_key: Stored, place: int) -> None:
        row: list[Stored] = [None] * len(table.columns)
        lists: list[tuple[str, Any]] = []
        self._fill(table, table.tree, record, row, lists)
        key_at = table.columns["key"].index
        if row[key_at] is None:
            row[key_at] = self._tables.next_key(table)
            self._own_id(table, row, row[key_at], force=True)
        else:
            self._tables.seen_key(table, row[key_at])
            self._own_id(table, row, row[key_at], force=False)
        key = row[key_at]
        self._settle(table, row, key)
        if table.owner is not None and owner_key is not None:
            self._place(table, row, owner_key, place)
        self._buffers.setdefault(table.object, []).append(row)
        for name, value in lists:
            child, _ = table.lines[name]
            lines = self._tables.get(child)
            for i, line in enumerate(value or ()):
                self._flatten(lines, line, key, i)

    def _fill(
        self, table: Table, branch: Branch, record: Mapping[str, Any], row: list[Stored], lists: list[tuple[str, Any]]
    ) -> None:
        columns = branch.columns
        for name, value in record.items():
            column = columns.get(name)
            if column is not None:
                row[column.index] = column.encode(value)
            elif name in branch.branches:
                if value is not None:
                    self._fill(table, branch.branches[name], value, row, lists)
            elif name in branch.owned:
                lists.append((name, value))
            else:
                raise ValueError(f"{table.object} has no field {name!r}")

    @staticmethod
    def _own_id(table: Table, row: list[Stored], key: Stored, *, force: bool) -> None:
        column = table.columns.get("id")
        if column is not None and row[column.index] is None and (force or column.field.read_only):
            row[column.index] = str(key)

    @staticmethod
    def _place(table: Table, row: list[Stored], owner_key: Stored, place: int) -> None:
        assert table.owner is not None
        row[table.columns[f"{table.owner[2]}.key"].index] = owner_key
        row[table.order.index] = place
        number = table.columns.get("lineNumber")
        if number is not None and row[number.index] is None:
            numeric = number.field.type in ("integer", "number")
            row[number.index] = number.encode(place + 1 if numeric else str(place + 1))

    def _settle(self, table: Table, row: list[Stored], key: Stored) -> None:
        """Leave out what a reader can work out: hrefs, and the id and name of a referenced record that is here."""
        own = table.columns.get("href")
        if own is not None and row[own.index] == f"/objects/{path_of(table.object)}/{key!s}":
            row[own.index] = None
        for link in table.links.values():
            target = row[link.key]
            if target is None or link.object is None:
                continue
            if row[link.href] == f"/objects/{path_of(link.object)}/{target!s}":
                row[link.href] = None
            there = self._known(link.object).get(target)
            if there is None:
                continue
            for name, at in link.displays:
                if row[at] == there[0 if name == "id" else 1]:
                    row[at] = None

    def _known(self, object: str) -> dict[Stored, tuple[Stored, Stored]]:
        """Keys, ids and names of a referenced object, read once per load."""
        found = self._referenced.get(object)
        if found is None:
            found = self._referenced[object] = {}
            table = self._tables.existing(object)
            if table is not None:
                id_sql = table.columns["id"].sql if "id" in table.columns else "NULL"
                name_sql = table.columns["name"].sql if "name" in table.columns else "NULL"
                rows = self._db.execute(f"SELECT {table.columns['key'].sql}, {id_sql}, {name_sql} FROM {table.sql}")
                found.update((row[0], (row[1], row[2])) for row in rows)
        return found

    def _flush(self) -> None:
        for object, rows in self._buffers.items():
            table = self._tables.get(object)
            columns = list(table.columns.values())
            by_column = enumerate(zip(*rows, strict=True))
            written = {i: values for i, values in by_column if any(v is not None for v in values)}
            used = list(written)
            listed = ", ".join((ROW, *(columns[i].sql for i in used)))
            marks = ", ".join("?" * (len(used) + 1))
            shuffled = self._shuffled or table.owner is not None
            self._db.executemany(
                f"INSERT OR REPLACE INTO {table.sql} ({listed}) VALUES ({marks})",
                [(self._tables.next_row(table, shuffled=shuffled), *[row[i] for i in used]) for row in rows],
            )
            for i, values in written.items():
                self._tables.observe(table, columns[i], values)
            self._tables.changed(object)
        self._buffers.clear()
