"""Create, update and delete of one record with its lines (REST reference 4.4-4.6).

Knows keys, ids, references, audit stamps and owners. Refuses to know batches, idempotency and envelopes.
"""

# ruff: noqa: S608 - identifiers are quoted names of models, every value is bound

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from typing import Any

from tieout.catalogue.model import Model
from tieout.simulator import checks, refusal, rules, visibility
from tieout.simulator.checks import Changes, Check, LineChange, Operation, RefChange, is_transaction
from tieout.simulator.clock import Clock
from tieout.simulator.identity import Who
from tieout.simulator.refusal import Refusal
from tieout.simulator.tables import ROW, Table, Tables
from tieout.simulator.values import KEY, Stored

_encode_key = KEY.encoder()
USER = "company-config/user"


class Writer:
    """Writes one company's records. The caller holds the lock and the transaction."""

    def __init__(
        self, db: sqlite3.Connection, tables: Tables, find: Callable[[str], Model | None], clock: Clock
    ) -> None:
        self._db = db
        self._tables = tables
        self._find = find
        self._clock = clock

    # ---- the three operations ---------------------------------------------------------------------------------

    def create(self, object: str, body: object, who: Who) -> dict[str, str]:
        table = self._tables.get(object)
        changes = Check(self._find, "POST").body(table.model, body)
        rules.check_state(table.model, changes.values, "POST")
        owner = self._named_owner(table, changes, who)
        key = self._add(table, changes, who, owner, object)
        if owner is not None and table.owner is not None:
            self._settle(self._tables.get(table.owner[0]), owner, "POST")
        return self._reference(table, key)

    def update(self, object: str, key: str, body: object, who: Who) -> dict[str, str]:
        table = self._tables.get(object)
        stored = self._visible(table, key, who)
        if isinstance(body, Mapping) and body.get("key") is not None and str(body["key"]) == key:
            body = {name: value for name, value in body.items() if name != "key"}
        check = Check(self._find, "PATCH")
        if isinstance(body, Mapping) and "state" in body and is_transaction(table.model) and not table.owner:
            check.problems.append(refusal.read_only_field("/state"))  # only workflows move it (REST reference 4.5)
            body = {name: value for name, value in body.items() if name != "state"}
        changes = check.body(table.model, body)
        self._change(table, stored, changes, who, object, "PATCH")
        for name, items in changes.lines.items():
            self._change_lines(table, stored, name, items, who, object)
        if changes.lines:
            self._settle(table, stored, "PATCH")
        elif table.owner is not None and checks.has_any(changes.values, ("txnAmount", "baseAmount", "txnType")):
            owner = self._value(table, f"{table.owner[2]}.key", stored)
            if owner is not None:
                self._settle(self._tables.get(table.owner[0]), owner, "PATCH")
        return self._reference(table, stored)

    def delete(self, object: str, key: str, who: Who) -> None:
        table = self._tables.get(object)
        stored = self._visible(table, key, who)
        owner = self._value(table, f"{table.owner[2]}.key", stored) if table.owner is not None else None
        self._remove(table, stored)
        if owner is not None and table.owner is not None:
            self._settle(self._tables.get(table.owner[0]), owner, "DELETE")

    # ---- rows -------------------------------------------------------------------------------------------------

    def _add(
        self, table: Table, changes: Changes, who: Who, owner: Stored, top: str, place: int | None = None
    ) -> Stored:
        model = table.model
        values = checks.defaults(model) | {path: v for path, v in changes.values.items() if v is not None}
        for change in changes.refs:
            values |= self._resolved(table, change, who, top, "POST")
        key = self._tables.next_key(table)
        values["key"] = str(key)
        if "id" in table.columns:
            values["id"] = self._new_id(table, values.get("id"), key, top)
        if table.owner is not None and owner is not None:
            self._join(table, values, owner, place)
        else:
            rules.own_values(model, table.columns, values)
        values |= self._stamps(table, who, created=True)
        if who.entity is not None and "entity.key" in table.columns:
            values["entity.key"] = who.entity.key
        self._write(table, values, None)
        for name, items in changes.lines.items():
            child, _ = table.lines[name]
            lines = self._tables.get(child)
            for i, item in enumerate(items):
                self._add(lines, item.changes, who, key, top, i)
        if changes.lines or model.name == rules.JOURNAL_ENTRY:
            self._settle(table, key, "POST")
        return key

    def _join(self, table: Table, values: dict[str, Any], owner: Stored, place: int | None) -> None:
        """Make a new row a line of its owner."""
        assert table.owner is not None
        above = self._tables.get(table.owner[0])
        column = table.columns[f"{table.owner[2]}.key"]
        if place is None:
            sql = f"SELECT coalesce(max({table.order.sql}), -1) + 1 FROM {table.sql} WHERE {column.sql} = ?"
            place = int(self._tables.rows(sql, [owner])[0][0])
        values[column.path] = str(owner)
        values[table.order.path] = place
        number = table.columns.get("lineNumber")
        if number is not None:
            values["lineNumber"] = place + 1 if number.field.type in ("integer", "number") else str(place + 1)
        taken: dict[str, Any] = {
            n: self._value(above, n, owner) for n in ("postingDate", "createdDate", "state") if n in above.columns
        }
        rules.line_values(table.model, table.columns, values, taken)

    def _change(self, table: Table, key: Stored, changes: Changes, who: Who, top: str, operation: Operation) -> None:
        values = dict(changes.values)
        if values.get("id") is not None:
            self._unique(table, values["id"], key, top, operation)
        for change in changes.refs:
            values |= self._resolved(table, change, who, top, operation)
        if table.owner is not None:
            rules.line_values(table.model, table.columns, values, {})
        rules.dates(table.model, values)
        self._write(table, values | self._stamps(table, who, created=False), key)

    def _change_lines(
        self, table: Table, owner: Stored, name: str, items: list[LineChange], who: Who, top: str
    ) -> None:
        child, ref = table.lines[name]
        lines = self._tables.get(child)
        for item in items:
            if item.key is None:
                self._add(lines, item.changes, who, owner, top)
                continue
            key = _encode_key(item.key)
            column = lines.columns[f"{ref}.key"]
            sql = f"SELECT 1 FROM {lines.sql} WHERE {lines.columns['key'].sql} = ? AND {column.sql} = ?"
            if not self._tables.rows(sql, [key, owner]):
                raise Refusal.unknown_reference("PATCH", top, f"{item.pointer}/key", item.key, child)
            if item.delete:
                self._remove(lines, key)
            else:
                self._change(lines, key, item.changes, who, top, "PATCH")

    def _remove(self, table: Table, key: Stored) -> None:
        for child, ref in table.lines.values():
            lines = self._tables.existing(child)
            if lines is not None:
                keys = f"SELECT {lines.columns['key'].sql} FROM {lines.sql} WHERE {lines.columns[f'{ref}.key'].sql} = ?"
                for row in self._tables.rows(keys, [key]):
                    self._remove(lines, row[0])
        if type(key) is int:
            self._tables.retire(table, key)
        self._db.execute(f"DELETE FROM {table.sql} WHERE {table.columns['key'].sql} = ?", (key,))
        self._tables.changed(table.object)

    def _write(self, table: Table, values: Mapping[str, Any], key: Stored) -> None:
        """Insert (`key` None) or update one row; `values` are wire values by path."""
        columns = [table.columns[path] for path in values]
        stored = [column.encode(value) for column, value in zip(columns, values.values(), strict=True)]
        if key is None:
            names = ", ".join((ROW, *(column.sql for column in columns)))
            marks = ", ".join("?" * (len(columns) + 1))
            row = self._tables.next_row(table, shuffled=True)
            self._db.execute(f"INSERT INTO {table.sql} ({names}) VALUES ({marks})", (row, *stored))
        elif columns:
            pairs = ", ".join(f"{column.sql} = ?" for column in columns)
            self._db.execute(f"UPDATE {table.sql} SET {pairs} WHERE {table.columns['key'].sql} = ?", (*stored, key))
        for column, value in zip(columns, stored, strict=True):
            if value is not None:
                self._tables.observe(table, column, (value,))
        self._tables.changed(table.object, None if key is None else values)

    def _value(self, table: Table, path: str, key: Stored) -> Any:
        column = table.columns[path]
        sql = f"SELECT {column.sql} FROM {table.sql} WHERE {table.columns['key'].sql} = ?"
        rows = self._tables.rows(sql, [key])
        return rows[0][0] if rows else None

    # ---- what a write needs to know ---------------------------------------------------------------------------

    def _visible(self, table: Table, key: str, who: Who) -> Stored:
        """The stored key of a record that the request may touch; 404 otherwise."""
        stored = _encode_key(key)
        if not self._seen(table, f"t.{table.columns['key'].sql} = ?", stored, who):
            raise Refusal.not_found(table.object, key)
        return stored

    def _seen(self, table: Table, where: str, value: Stored, who: Who) -> list[tuple[Any, ...]]:
        status = f"t.{table.columns['status'].sql}" if "status" in table.columns else "NULL"
        seen = visibility.condition(self._tables, table, who, private=True)
        more, values = seen if seen is not None else ("1", [])
        sql = f"SELECT t.{table.columns['key'].sql}, {status} FROM {table.sql} AS t WHERE {where} AND {more}"
        return self._tables.rows(f"{sql} ORDER BY t.{table.columns['key'].sql} LIMIT 1", [value, *values])

    def _named_owner(self, table: Table, changes: Changes, who: Who) -> Stored:
        """The owner that a line posted by itself names; None for an object without owner."""
        if table.owner is None or not table.owner[1]:
            return None
        path = table.owner[2]
        named = next((change for change in changes.refs if change.path == path), None)
        if named is None or named.clear:
            raise Refusal.payload_errors([refusal.required_field(f"/{path}")])
        return _encode_key(self._resolved(table, named, who, table.object, "POST")[f"{path}.key"])

    def _resolved(self, table: Table, change: RefChange, who: Who, top: str, operation: Operation) -> dict[str, Any]:
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
        if status == "inactive" and is_transaction(table.model):
            given = str(change.id or change.key)
            raise Refusal.inactive_reference(operation, top, change.pointer, given, change.object)
        values[f"{change.path}.key"] = str(key)
        return values

    def _referenced(self, change: RefChange, who: Who, top: str, operation: Operation) -> tuple[Stored, object]:
        assert change.object is not None
        by_key = change.key is not None
        table = self._tables.existing(change.object)
        if table is not None and (by_key or "id" in table.columns):
            column = table.columns["key" if by_key else "id"]
            found = self._seen(table, f"t.{column.sql} = ?", column.encode(change.key if by_key else change.id), who)
            if found:
                return found[0][0], found[0][1]
        name = "key" if by_key else "id"
        value = str(change.key if by_key else change.id)
        raise Refusal.unknown_reference(operation, top, f"{change.pointer}/{name}", value, change.object)

    def _new_id(self, table: Table, given: Any, key: int, top: str) -> str:
        """The given id, or the key: of transactions that is the rule, of master data it stands in for document
        sequencing (INFERRED)."""
        if given is None or is_transaction(table.model):
            return str(key)
        self._unique(table, given, None, top, "POST")
        return str(given)

    def _unique(self, table: Table, id: str, key: Stored, top: str, operation: Operation) -> None:
        if is_transaction(table.model):
            return
        sql = f"SELECT {table.columns['key'].sql} FROM {table.sql} WHERE {table.columns['id'].sql} = ?"
        if any(row[0] != key for row in self._tables.rows(sql, [id])):
            raise Refusal.duplicate(operation, top, id)

    def _stamps(self, table: Table, who: Who, *, created: bool) -> dict[str, Any]:
        now = self._clock.stamp()
        stamps: dict[str, Any] = {}
        for word in ("created", "modified") if created else ("modified",):
            stamps[f"audit.{word}DateTime"] = now
            stamps[f"audit.{word}By"] = who.user_key
            stamps[f"audit.{word}ByUser.key"] = who.user_key
            if self._tables.existing(USER) is None:
                stamps[f"audit.{word}ByUser.id"] = who.user_id
        return {path: value for path, value in stamps.items() if path in table.columns}

    def _settle(self, table: Table, key: Stored, operation: str) -> None:
        """After lines changed: the owner's totals, and whether a journal entry still balances."""
        for child, ref in table.lines.values():
            lines = self._tables.get(child)
            paths = [path for path in ("txnAmount", "baseAmount", "txnType") if path in lines.columns]
            if "txnAmount" not in paths:
                continue
            columns = [lines.columns[path] for path in paths]
            where = f"{lines.columns[f'{ref}.key'].sql} = ?"
            sql = f"SELECT {', '.join(column.sql for column in columns)} FROM {lines.sql} WHERE {where}"
            rows: list[dict[str, Any]] = [
                {path: column.codec.decoder()(value) for path, column, value in zip(paths, columns, row, strict=True)}
                for row in self._tables.rows(sql, [key])
            ]
            owner = {
                path: table.columns[path].codec.decoder()(self._value(table, path, key))
                for path in table.columns
                if path == "state" or path.startswith("paymentInformation.total")
            }
            self._write(table, rules.totals(table.columns, owner, rows), key)
            rules.check_balance(table.model, owner.get("state"), rows, operation)

    def _reference(self, table: Table, key: Stored) -> dict[str, str]:
        id_ = self._value(table, "id", key) if "id" in table.columns else None
        reference = {"key": str(key), "id": str(key if id_ is None else id_)}
        return reference | {"href": f"/objects/{table.object}/{key!s}"}
