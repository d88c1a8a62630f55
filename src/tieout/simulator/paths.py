"""What a dotted path of a query means: a column, or a column of a referenced record.

Knows references, stored copies and joins. Refuses to know operators, paging and visibility.
"""

# ruff: noqa: S608 - identifiers are quoted names of models, every value is bound

from __future__ import annotations

from collections.abc import Callable

from tieout.catalogue.model import Field, Model
from tieout.simulator.refusal import Refusal
from tieout.simulator.tables import RESERVED, Column, Link, Table, Tables, path_of
from tieout.simulator.values import Codec, Kind

_SETTLED = ("paid", "reversed", "reversal")
"""States of a document on which nothing is due."""
_DEPTH = 6
"""References followed in one path. Sage documents one (`vendor.creditLimit`); more is INFERRED."""


class Target:
    """An expression for one path, seen from a row with the alias that it was resolved for."""

    __slots__ = ("codec", "column", "field", "inner", "irregular", "sql")

    def __init__(
        self,
        sql: str,
        codec: Codec,
        field: Field,
        *,
        column: Column | None = None,
        irregular: bool = False,
        inner: Inner | None = None,
    ) -> None:
        self.sql, self.codec, self.field = sql, codec, field
        self.column = column
        """The bare column of the queried table, where the path is one."""
        self.irregular = irregular
        self.inner = inner
        """How to turn a condition on a referenced record's field into a look-up by its key."""

    @property
    def ordered(self) -> str:
        """The expression to compare and to order by."""
        if not self.irregular:
            return self.sql
        if self.codec.kind is Kind.MONEY:
            return f"ia_scaled({self.sql}, {self.codec.scale})"
        functions = {Kind.NUMBER: "ia_number", Kind.BOOLEAN: "ia_truth"}
        return f"{functions.get(self.codec.kind, 'ia_text')}({self.sql})"


class Inner:
    """`key` of this row is one of the referenced table's keys for which a condition on `target` holds."""

    __slots__ = ("alias", "key", "link", "table", "target")

    def __init__(self, key: str, table: Table, alias: str, target: Target, link: Column | None) -> None:
        self.key, self.table, self.alias, self.target, self.link = key, table, alias, target, link

    def wrap(self, condition: str) -> str:
        keys = f"SELECT {self.alias}.{self.table.columns['key'].sql} FROM {self.table.sql} AS {self.alias}"
        return f"{self.key} IN ({keys} WHERE {condition})"


class Paths:
    """Resolves paths over the company's tables, and notes which objects an answer depends on."""

    def __init__(self, tables: Tables, find: Callable[[str], Model | None]) -> None:
        self._tables = tables
        self._find = find
        self.touched: set[str] = set()

    def resolve(self, table: Table, path: str) -> Target:
        """Refusal REST-1106 for a path that names nothing, a list, or a write-only field, REST-1107 for one that goes
        through a list (REST reference 5.6)."""
        self.touched.add(table.object)
        target = self._resolve(table, "t", path, 0)
        if target is None and self._crosses_list(table, path):
            raise Refusal.crosses_list(path, table.object)
        if target is None or target.field.write_only:
            raise Refusal.not_queryable(path, table.object)
        return target

    def _crosses_list(self, table: Table, path: str) -> bool:
        names = path.split(".")
        ways = [".".join(names[:i]) for i in range(1, len(names))]
        return any(way in table.lines or way in table.inline for way in ways)

    def _resolve(self, table: Table, alias: str, path: str, depth: int) -> Target | None:
        column = table.columns.get(path)
        if column is not None and self._is_list(table, path):
            return None
        link = self._link(table, path)
        if link is not None:
            return self._through(table, alias, link, path, column, depth)
        if column is None:
            return None
        sql = f"{alias}.{column.sql}"
        if path == "href":
            own = f"'/objects/' || {_literal(path_of(table.object))} || '/' || {alias}.{table.columns['key'].sql}"
            return Target(f"COALESCE({sql}, {own})", column.codec, column.field)
        irregular = self._tables.irregular(table, column)
        if path == "dueInDays" and "dueDate" in table.columns:
            return Target(self._due_in_days(table, alias, column), column.codec, column.field, irregular=irregular)
        return Target(sql, column.codec, column.field, column=column, irregular=irregular)

    def _due_in_days(self, table: Table, alias: str, column: Column) -> str:
        """Days overdue by the company's clock, where none were recorded: a string on a bill, a number on an invoice,
        null once nothing is due. Recorded invoices count so; the documented opposite sign (9.1) was not seen."""
        due = f"julianday({alias}.{table.columns['dueDate'].sql})"
        days = f"CAST(julianday('{self._tables.today()}') - {due} AS INTEGER)"
        if column.field.type == "string":
            days = f"CAST({days} AS TEXT)"
        state = table.columns.get("state")
        if state is not None:
            settled = ", ".join(f"'{word}'" for word in _SETTLED)
            days = f"CASE WHEN {alias}.{state.sql} IN ({settled}) THEN NULL ELSE {days} END"
        return f"COALESCE({alias}.{column.sql}, {days})"

    @staticmethod
    def _is_list(table: Table, path: str) -> bool:
        return path in table.inline or path.startswith(RESERVED)

    @staticmethod
    def _link(table: Table, path: str) -> Link | None:
        """The outermost reference on the way."""
        at = path.find(".")
        while at > 0:
            link = table.links.get(path[:at])
            if link is not None:
                return link
            at = path.find(".", at + 1)
        return None

    def _through(
        self, table: Table, alias: str, link: Link, path: str, column: Column | None, depth: int
    ) -> Target | None:
        rest = path[len(link.path) + 1 :]
        key = table.columns[f"{link.path}.key"]
        key_sql = f"{alias}.{key.sql}"
        if rest == "key":
            irregular = self._tables.irregular(table, key)
            return Target(key_sql, key.codec, key.field, column=key, irregular=irregular)
        if rest == "href" and column is not None:
            stored = f"{alias}.{column.sql}"
            if link.object is None:
                return Target(stored, column.codec, column.field, column=column)
            computed = f"'/objects/' || {_literal(path_of(link.object))} || '/' || {key_sql}"
            return Target(f"COALESCE({stored}, {computed})", column.codec, column.field)
        joined = self._joined(link, key_sql, alias, rest, depth, key if alias == "t" else None)
        if column is None:
            return joined or self._unjoined(link, rest, depth)
        stored_target = Target(
            f"{alias}.{column.sql}",
            column.codec,
            column.field,
            column=column,
            irregular=self._tables.irregular(table, column),
        )
        if joined is None or joined.codec != column.codec:
            return stored_target
        if not self._tables.in_use(table, column):
            return Target(joined.sql, joined.codec, column.field, irregular=joined.irregular, inner=joined.inner)
        return Target(
            f"COALESCE({joined.sql}, {stored_target.sql})",
            column.codec,
            column.field,
            irregular=joined.irregular or stored_target.irregular,
        )

    def _joined(
        self, link: Link, key_sql: str, alias: str, rest: str, depth: int, column: Column | None
    ) -> Target | None:
        """The field of the referenced record, where the company has the object's table."""
        if link.object is None or depth >= _DEPTH:
            return None
        self.touched.add(link.object)
        table = self._tables.existing(link.object)
        if table is None:
            return None
        inner_alias = f"t{depth + 1}"
        target = self._resolve(table, inner_alias, rest, depth + 1)
        if target is None or target.field.write_only:
            return None
        source = f"{table.sql} AS {inner_alias}"
        match = f"{inner_alias}.{table.columns['key'].sql} = {key_sql}"
        return Target(
            f"(SELECT {target.sql} FROM {source} WHERE {match})",
            target.codec,
            target.field,
            irregular=target.irregular,
            inner=Inner(key_sql, table, inner_alias, target, column),
        )

    def _unjoined(self, link: Link, rest: str, depth: int) -> Target | None:
        """A field of a referenced object of which the company has no record yet: always null."""
        model = self._find(link.object) if link.object is not None else None
        if model is None or depth >= _DEPTH:
            return None
        table = Table(model, self._find, ())
        column = table.columns.get(rest)
        if column is not None and not self._is_list(table, rest):
            return Target("NULL", column.codec, column.field)
        step = self._link(table, rest)
        return None if step is None else self._unjoined(step, rest[len(step.path) + 1 :], depth + 1)


def _literal(text: str) -> str:
    """An object's name as an SQL string; names are ours or the model's, never a request's value."""
    return "'" + text.replace("'", "''") + "'"
