"""Which record a key, an id or a reference means, and whether the request may use it (REST reference 2, 4.4).

Knows visibility, status and uniqueness. Refuses to know bodies and what is written.
"""

# ruff: noqa: S608 - identifiers are quoted names of models, every value is bound

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tieout.catalogue.model import Model
from tieout.simulator import visibility
from tieout.simulator.checks import Operation, RefChange, is_transaction
from tieout.simulator.identity import Who
from tieout.simulator.refusal import Refusal
from tieout.simulator.rows import Rows
from tieout.simulator.rules import BILL
from tieout.simulator.tables import Table
from tieout.simulator.values import KEY, Stored

encode_key = KEY.encoder()
_PER_OWNER = {"projects/task": "project.key"}
"""Objects whose ids are unique within another record only."""
_UNUSABLE = ("inactive", "activeNonPosting")
"""What a transaction may not refer to (INFERRED; the words are `dimension-status`, REST reference 9.1)."""
_STAMPS = "audit."


class Resolver:
    """Looks records up for one company. The caller holds the lock."""

    def __init__(self, rows: Rows, find: Callable[[str], Model | None]) -> None:
        self._rows = rows
        self._tables = rows.tables
        self._find = find

    def visible(self, table: Table, key: str, who: Who) -> Stored:
        """The stored key of a record that the request may touch; 404 otherwise."""
        stored = encode_key(key)
        if not self._seen(table, "key", stored, who):
            raise Refusal.not_found(table.object, key)
        return stored

    def _seen(self, table: Table, path: str, value: Stored, who: Who) -> list[tuple[Any, ...]]:
        """(key, status, id) of the first record that the request sees with this value."""
        columns = [
            f"t.{table.columns[name].sql}" if name in table.columns else "NULL" for name in ("key", "status", "id")
        ]
        seen = visibility.condition(self._tables, table, who, private=True)
        more, values = seen if seen is not None else ("1", [])
        sql = f"SELECT {', '.join(columns)} FROM {table.sql} AS t WHERE t.{table.columns[path].sql} = ? AND {more}"
        return self._tables.rows(f"{sql} ORDER BY {columns[0]} LIMIT 1", [value, *values])

    def columns(self, table: Table, change: RefChange, who: Who, top: str, operation: Operation) -> dict[str, Any]:
        """The columns of a reference: its key, and stored copies only where the record is not ours to look up."""
        values: dict[str, Any] = {f"{change.path}.key": None}
        for name in ("id", "name"):
            if f"{change.path}.{name}" in table.columns:
                values[f"{change.path}.{name}"] = None
        values |= change.details
        if change.key is None and change.id is None:
            return values
        if change.object is None or self._find(change.object) is None:
            values[f"{change.path}.key"] = change.key
            if f"{change.path}.id" in table.columns:
                values[f"{change.path}.id"] = change.id
            return values
        key, status = self._referenced(change, who, top, operation)
        if status in _UNUSABLE and is_transaction(table.model):
            given = str(change.id or change.key)
            raise Refusal.inactive_reference(operation, top, change.pointer, given, change.object, str(status))
        values[f"{change.path}.key"] = str(key)
        return values

    def _referenced(self, change: RefChange, who: Who, top: str, operation: Operation) -> tuple[Stored, object]:
        assert change.object is not None
        path, given = ("key", change.key) if change.key is not None else ("id", change.id)
        for table in self._candidates(change.object):
            if path not in table.columns:
                continue
            found = self._seen(table, path, table.columns[path].encode(given), who)
            if found:
                key, status, id_ = found[0]
                if change.key is not None and change.id is not None and id_ not in (None, change.id):
                    raise Refusal.contradicting_reference(operation, top, change.pointer, change.key, change.id)
                return key, status
        raise Refusal.unknown_reference(operation, top, f"{change.pointer}/{path}", str(given), change.object)

    def _candidates(self, object: str) -> list[Table]:
        """`purchasing/document` stands for the documents of every definition."""
        own = self._tables.existing(object)
        tables = [own] if own is not None else []
        if "/document" in object and "::" not in object:
            typed = [name for name in self._tables.objects() if name.startswith(f"{object}::")]
            tables.extend(self._tables.get(name) for name in typed)
        return tables

    def owning(self, object: str, key: str, who: Who) -> tuple[Table, Stored]:
        """The table and stored key of a record that may be a document of any definition; 404 otherwise."""
        stored = encode_key(key)
        for table in self._candidates(object):
            if self._seen(table, "key", stored, who):
                return table, stored
        raise Refusal.not_found(object, key)

    # ---- uniqueness -------------------------------------------------------------------------------------------

    def taken(self, table: Table, id: str, values: Mapping[str, Any], but: Stored = None) -> bool:
        """Whether another record of the object has the id; a task's id counts within its project only."""
        within = _PER_OWNER.get(table.object)
        sql = f"SELECT {table.columns['key'].sql} FROM {table.sql} WHERE {table.columns['id'].sql} = ?"
        bound: list[Stored] = [id]
        if within is not None:
            column = table.columns[within]
            project = values.get(within)
            sql, bound = f"{sql} AND {column.sql} IS ?", [id, column.encode(project)]
        return any(row[0] != but for row in self._tables.rows(sql, bound))

    def check_number(self, table: Table, values: Mapping[str, Any], but: Stored, operation: str) -> None:
        """A vendor's bill number is given once. Refusal with the text that integrations match on."""
        number, vendor = values.get("billNumber"), values.get("vendor.key")
        if table.object != BILL or not number or vendor is None:
            return
        self._tables.index(table, "billNumber")
        columns = {name: table.columns[name] for name in ("key", "billNumber", "vendor.key")}
        sql = (
            f"SELECT {columns['key'].sql} FROM {table.sql} "
            f"WHERE {columns['billNumber'].sql} = ? AND +{columns['vendor.key'].sql} = ?"
        )
        bound = [columns["billNumber"].encode(number), columns["vendor.key"].encode(vendor)]
        if any(row[0] != but for row in self._tables.rows(sql, bound)):
            raise Refusal.duplicate(operation, table.object, str(number), "/billNumber")

    # ---- deletes ----------------------------------------------------------------------------------------------

    def check_unused(self, table: Table, key: Stored, name: str) -> None:
        """Refusal when another record refers to this one. Its own lines do not count, nor who stamped it."""
        own_lines = {child for child, _ in table.lines.values()}
        for object in self._tables.objects():
            other = self._tables.get(object)
            for link in other.links.values():
                if link.object != table.object or object in own_lines or link.path.startswith(_STAMPS):
                    continue
                column = other.columns[f"{link.path}.key"]
                if not self._tables.in_use(other, column):
                    continue
                self._tables.index(other, column.path)
                sql = f"SELECT {other.columns['key'].sql} FROM {other.sql} WHERE {column.sql} = ? LIMIT 2"
                users = [row[0] for row in self._tables.rows(sql, [key]) if object != table.object or row[0] != key]
                if users:
                    raise Refusal.in_use(table.object, name, f"{object} {users[0]!s}")
