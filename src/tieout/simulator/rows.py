"""Rows of one company, read and written by key (REST reference 4.5).

Knows columns and values, not what they mean: rules, identities and audit stamps are the callers'.
"""

# ruff: noqa: S608 - identifiers are quoted names of models, every value is bound

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from typing import Any

from tieout.simulator.tables import ROW, Table, Tables
from tieout.simulator.values import Stored


class Rows:
    """The caller holds the company's lock and transaction. Values are wire values by dotted path."""

    def __init__(self, db: sqlite3.Connection, tables: Tables) -> None:
        self._db = db
        self.tables = tables

    def insert(self, table: Table, values: Mapping[str, Any]) -> None:
        columns = [table.columns[path] for path in values]
        stored = [column.encode(value) for column, value in zip(columns, values.values(), strict=True)]
        names = ", ".join((ROW, *(column.sql for column in columns)))
        marks = ", ".join("?" * (len(columns) + 1))
        row = self.tables.next_row(table, shuffled=True)
        self._db.execute(f"INSERT INTO {table.sql} ({names}) VALUES ({marks})", (row, *stored))
        self._note(table, columns, stored, None)

    def update(self, table: Table, key: Stored, values: Mapping[str, Any]) -> None:
        """Nothing happens without values."""
        if not values:
            return
        columns = [table.columns[path] for path in values]
        stored = [column.encode(value) for column, value in zip(columns, values.values(), strict=True)]
        pairs = ", ".join(f"{column.sql} = ?" for column in columns)
        self._db.execute(f"UPDATE {table.sql} SET {pairs} WHERE {table.columns['key'].sql} = ?", (*stored, key))
        self._note(table, columns, stored, values)

    def _note(
        self, table: Table, columns: Iterable[Any], stored: Iterable[Stored], paths: Iterable[str] | None
    ) -> None:
        """`paths` are None for a new row, else those that changed."""
        self.tables.observe_row(table, columns, stored)
        self.tables.changed(table.object, paths)

    def value(self, table: Table, path: str, key: Stored) -> Any:
        """One value as it is stored, None where there is no row or no such column."""
        column = table.columns.get(path)
        if column is None:
            return None
        sql = f"SELECT {column.sql} FROM {table.sql} WHERE {table.columns['key'].sql} = ?"
        rows = self.tables.rows(sql, [key])
        return rows[0][0] if rows else None

    def values(self, table: Table, key: Stored, paths: Iterable[str]) -> dict[str, Any]:
        """Those of the paths that the table has, as wire values. KeyError for a key that is not there."""
        found = self.where(table, "key", key, paths)
        if not found:
            raise KeyError(key)
        return found[0]

    def where(
        self, table: Table, path: str, value: Stored, paths: Iterable[str], order: str = ""
    ) -> list[dict[str, Any]]:
        """The rows whose column `path` holds the stored `value`; of `paths` those that the table has."""
        columns = [table.columns[name] for name in dict.fromkeys(paths) if name in table.columns]
        decoders = [(column.path, column.codec.decoder()) for column in columns]
        listed = ", ".join(column.sql for column in columns) or "1"
        sql = f"SELECT {listed} FROM {table.sql} WHERE {table.columns[path].sql} = ?{order}"
        return [
            {name: decode(item) for (name, decode), item in zip(decoders, row, strict=False)}
            for row in self.tables.rows(sql, [value])
        ]

    def lines(self, table: Table, name: str, key: Stored, paths: Iterable[str]) -> list[dict[str, Any]]:
        """The lines of one of a record's lists, in their order."""
        child, ref = table.lines[name]
        lines = self.tables.get(child)
        return self.where(lines, f"{ref}.key", key, paths, f" ORDER BY {lines.order.sql}")

    def find(self, table: Table, path: str, value: Any) -> Stored:
        """The smallest key of the rows whose column holds a wire value, None of none."""
        column = table.columns[path]
        key = table.columns["key"].sql
        rows = self.tables.rows(f"SELECT min({key}) FROM {table.sql} WHERE {column.sql} = ?", [column.encode(value)])
        return rows[0][0] if rows else None

    def remove(self, table: Table, key: Stored) -> None:
        """A row with its lines. Its key is not given again."""
        for child, ref in table.lines.values():
            lines = self.tables.existing(child)
            if lines is not None:
                keys = f"SELECT {lines.columns['key'].sql} FROM {lines.sql} WHERE {lines.columns[f'{ref}.key'].sql} = ?"
                for row in self.tables.rows(keys, [key]):
                    self.remove(lines, row[0])
        if type(key) is int:
            self.tables.retire(table, key)
        self._db.execute(f"DELETE FROM {table.sql} WHERE {table.columns['key'].sql} = ?", (key,))
        self.tables.changed(table.object)
