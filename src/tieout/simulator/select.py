"""A query answered by SQLite: one page of flat rows, the count, aggregates (REST reference 5).

Knows how to write the statement so that the indexes serve it. Refuses to know bodies, writes and envelopes.
"""

# ruff: noqa: S608 - identifiers are quoted names of models, every value is bound

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import msgspec

from tieout.catalogue.model import Model
from tieout.simulator import filters, payload, visibility
from tieout.simulator.behaviour import Settings
from tieout.simulator.census import BLOCK_BITS, Span
from tieout.simulator.clock import STAMP
from tieout.simulator.identity import Who
from tieout.simulator.paths import Paths, Target
from tieout.simulator.payload import Query, Wanted
from tieout.simulator.places import Places, Seek, span
from tieout.simulator.refusal import Refusal
from tieout.simulator.tables import ROW, Table, Tables
from tieout.simulator.values import Codec, Kind, Stored, render_scaled

_NEAR = 1 << BLOCK_BITS
"""Rows that a page may have before it without looking for a shorter way."""
_FAR = 20_000
"""Rows before a page from which on their places are worth remembering."""
_BROAD = 20
"""A filter that keeps more than a twentieth of the rows is not worth its index when the order has one."""


class QueryAnswer(msgspec.Struct, frozen=True):
    """One page. `rows` are flat, values ready for JSON: money str, numbers int, float or (what a float would lose)
    Decimal, so encode with `msgspec.json.Encoder(decimal_format="number")`."""

    rows: list[dict[str, Any]]
    total: int
    start: int
    size: int


class Statement(msgspec.Struct, frozen=True):
    """What a page is read with, for looking at its plan."""

    sql: str
    values: list[Any]
    decode: list[tuple[str, Callable[[Stored], Any] | None]]


class Selector:
    """Answers queries over one company's tables."""

    def __init__(self, tables: Tables, find: Callable[[str], Model | None], settings: Settings | None = None) -> None:
        self._tables = tables
        self._find = find
        self._settings = settings if settings is not None else Settings()
        self._places = Places(tables)
        self._counts: dict[tuple[str, str, tuple[Stored, ...]], tuple[object, int]] = {}

    def query(self, body: object, who: Who, today: date) -> QueryAnswer:
        object = payload.object_name(body)
        model = self._find(object)
        if model is None:
            raise Refusal.unknown_object(object)
        sunday = self._settings.word("week_start") == "sunday"
        asked = payload.parse(body, today, model.filter_parameters, sunday=sunday)
        chosen = msgspec.structs.replace(
            asked.settings,
            text_keys=self._settings.word("key_comparison") in ("text", "text_filters"),
            dates=self._settings.word("date_on_date_time"),
        )
        asked = msgspec.structs.replace(asked, settings=chosen)
        table = self._tables.get(object)
        if any(field.function for field in asked.fields):
            return self._aggregate(asked, table, who)
        statement, total = self.statement(asked, table, who)
        rows = self._tables.rows(statement.sql, statement.values) if asked.start <= total else []
        return QueryAnswer(_decode(rows, statement.decode), total, asked.start, asked.size)

    def statement(self, asked: Query, table: Table, who: Who) -> tuple[Statement, int]:
        """The page's statement and the total count."""
        paths = Paths(self._tables, self._find)
        targets = [paths.resolve(table, field.path) for field in asked.fields]
        order = [self._order_target(paths, table, field, way) for field, way in asked.order]
        where = self._where(asked, table, who, paths)
        total = self._count(table, where)
        if 0 < self._settings.number("slow_query_rows") < total:
            raise Refusal.gave_up()
        offset = asked.start - 1
        as_text = self._settings.word("key_comparison") in ("text", "text_order")
        by_key = bool(order) and order[0][0].column is table.columns["key"] and not as_text
        terms = [
            f"CAST({target.ordered} AS TEXT) {way}"
            if as_text and target.codec.kind is Kind.KEY
            else f"{target.ordered} {way}"
            for target, way in order
        ]
        if self._settings.word("null_order") == "largest":
            nulls = [" NULLS LAST" if way == "asc" else " NULLS FIRST" for _, way in order]
            keys = [target.column is table.columns["key"] for target, _ in order]
            terms = [term + ("" if key else null) for term, key, null in zip(terms, keys, nulls, strict=True)]
        source = f"{table.sql} AS t"
        condition, values = where.sql, list(where.values)
        if by_key:
            if total * _BROAD > self._everything(table):
                source += f" INDEXED BY {self._tables.walk(table)}"
            else:
                terms[0] = f"+{terms[0]}"  # few rows: find them by the filter's index and sort, do not walk the keys
            found = self._seek(table, where, offset, down=order[0][1] == "desc")
            if found is not None:
                condition += f"{' AND' if condition else ' WHERE'} {found.condition}"
                values += found.values
                offset = found.skip
        ordering = ", ".join([*terms, f"t.{ROW}"])
        page = f"SELECT t.{ROW} AS r FROM {source}{condition} ORDER BY {ordering}"
        if offset > _FAR:
            state = where.state(self._tables, [target for target, _ in order])
            rows = self._places.rows(page, values, state, offset, asked.size)
            page, limits = "SELECT value AS r FROM json_each(?)", []
            values = [json.dumps(rows)]
        else:
            page, limits = f"{page} LIMIT ? OFFSET ?", [asked.size, offset]
        columns = ", ".join(target.sql for target in targets)
        sql = f"SELECT {columns} FROM ({page}) AS p CROSS JOIN {table.sql} AS t ON t.{ROW} = p.r"
        decode = [
            (field.text, None if _passes(target) else target.codec.decoder())
            for field, target in zip(asked.fields, targets, strict=True)
        ]
        return Statement(sql, [*values, *limits], decode), total

    def _everything(self, table: Table) -> int:
        counted = self._places.count(table, Span(), None)
        return counted if counted is not None else self._count(table, _Where(table, Paths(self._tables, self._find)))

    def _seek(self, table: Table, where: _Where, offset: int, *, down: bool) -> Seek | None:
        if offset <= _NEAR or where.span is None:
            return None
        return self._places.seek(table, where.span, where.entities, offset, down=down)

    def _order_target(self, paths: Paths, table: Table, field: Wanted, way: str) -> tuple[Target, str]:
        if field.function or field.path == "href" or field.path.endswith(".href"):
            raise Refusal.not_queryable(field.text, table.object)
        return paths.resolve(table, field.path), way

    def _where(self, asked: Query, table: Table, who: Who, paths: Paths) -> _Where:
        found = _Where(table, paths)

        def resolve(path: str) -> Target:
            try:
                target = paths.resolve(table, path)
            except Refusal:
                if self._settings.word("unknown_filter_field") == "FIELD_PATH":
                    raise Refusal.no_field_path(path, table.object) from None
                raise
            found.read(target)
            if target.inner is not None and target.inner.link is not None:
                self._tables.index(table, target.inner.link.path)
            elif target.column is not None and target.codec.kind is Kind.KEY and path != "key":
                self._tables.index(table, path)
            return target

        for part in (
            filters.where(asked.filters, asked.expression, resolve, asked.settings),
            visibility.condition(self._tables, table, who, private=asked.private),
        ):
            if part is not None:
                found.sql += f"{' AND' if found.sql else ' WHERE'} {part[0]}"
                found.values += part[1]
        found.entities = visibility.entities(self._tables, who, private=asked.private)
        if not asked.settings.text_keys and (found.entities is None or visibility.by_own_column(self._tables, table)):
            found.span = span(asked.filters, asked.expression)
        late, created = self._settings.number("late_records"), table.columns.get("audit.createdDateTime")
        if late and created is not None:
            found.sql += f"{' AND' if found.sql else ' WHERE'} (t.{created.sql} IS NULL OR t.{created.sql} <= ?)"
            found.values.append((self._tables.now() - timedelta(seconds=late)).strftime(STAMP))
            found.span = None
        if table.owner is not None:
            paths.touched.add(table.owner[0])
        return found

    def _count(self, table: Table, where: _Where) -> int:
        """By the census where it can tell, else counted once per condition and state of the data that it reads."""
        if where.span is not None:
            counted = self._places.count(table, where.span, where.entities)
            if counted is not None:
                return counted
        state = where.state(self._tables, [])
        name = (table.object, where.sql, tuple(where.values))
        known = self._counts.get(name)
        if known is not None and known[0] == state:
            return known[1]
        if len(self._counts) > 1000:
            self._counts.clear()
        total = int(self._tables.rows(f"SELECT COUNT(*) FROM {table.sql} AS t{where.sql}", where.values)[0][0])
        self._counts[name] = (state, total)
        return total

    # ---- aggregates -------------------------------------------------------------------------------------------

    def _aggregate(self, asked: Query, table: Table, who: Who) -> QueryAnswer:
        """Plain fields group, the key of an aggregate is the requested text (INFERRED, REST reference 5.5)."""
        paths = Paths(self._tables, self._find)
        columns = [_Computed(field, paths.resolve(table, field.path), table.object) for field in asked.fields]
        where = self._where(asked, table, who, paths)
        groups = [str(i) for i, column in enumerate(columns, 1) if not column.wanted.function]
        order = []
        for field, way in asked.order:
            at = next((i for i, column in enumerate(columns, 1) if column.wanted == field), None)
            if at is None:
                raise Refusal.bad_query("orderBy", f"names {field.text}, which is not among the fields of the totals")
            order.append(f"{at} {way}")
        try:
            rows, total = self._groups(table, columns, where, groups, order, asked)
        except sqlite3.OperationalError as error:
            if "overflow" not in str(error):
                raise
            for column in columns:
                column.native = False
            rows, total = self._groups(table, columns, where, groups, order, asked)
        decode = [(column.wanted.text, column.decoder()) for column in columns]
        return QueryAnswer(_decode(rows, decode), total, asked.start, asked.size)

    def _groups(
        self,
        table: Table,
        columns: list[_Computed],
        where: _Where,
        groups: list[str],
        order: list[str],
        asked: Query,
    ) -> tuple[list[tuple[Any, ...]], int]:
        grouping = f" GROUP BY {', '.join(groups)}" if groups else ""
        body = f"SELECT {', '.join(column.sql() for column in columns)} FROM {table.sql} AS t{where.sql}{grouping}"
        ordering = f" ORDER BY {', '.join(order or groups)}" if order or groups else ""
        rows = self._tables.rows(f"{body}{ordering} LIMIT ? OFFSET ?", [*where.values, asked.size, asked.start - 1])
        if len(rows) < asked.size and (rows or asked.start == 1):
            return rows, asked.start - 1 + len(rows)
        return rows, int(self._tables.rows(f"SELECT COUNT(*) FROM ({body})", where.values)[0][0])


class _Where:
    """The condition of a query, and what it depends on."""

    def __init__(self, table: Table, paths: Paths) -> None:
        self.sql = ""
        self.values: list[Stored] = []
        self.span: Span | None = None
        """The keys it leaves, where it speaks of nothing but keys and whoever owns the row."""
        self.entities: list[Stored] | None = None
        self._table, self._paths = table, paths
        self._read: set[str] = set()
        self._all = False

    def read(self, target: Target) -> None:
        """A value that the condition looks at."""
        if target.column is not None:
            self._read.add(target.column.path)
        else:
            self._all = True

    def state(self, tables: Tables, order: Sequence[Target]) -> object:
        """Another one whenever the rows that answer, or their order, may be others."""
        for target in order:
            self.read(target)
        own = self._table.object
        others = sorted(self._paths.touched - {own})
        mine = (tables.version(own),) if self._all else tables.state(own, sorted(self._read))
        return tables.shape, mine, tuple(tables.version(object) for object in others)


class _Computed:
    """One column of an aggregate query."""

    def __init__(self, field: Wanted, target: Target, object: str) -> None:
        self.wanted, self.target = field, target
        self.codec: Codec = target.codec
        kind = self.codec.kind
        self.native = kind is Kind.MONEY and not target.irregular
        summed = kind in (Kind.MONEY, Kind.NUMBER) or (kind is Kind.TEXT and target.field.format is None)
        if field.function in ("sum", "avg") and not summed:
            raise Refusal.not_queryable(field.text, object)

    def sql(self) -> str:
        function, target = self.wanted.function, self.target
        if not function:
            return target.sql
        if function == "count":
            return f"COUNT({target.sql})"
        if function in ("min", "max"):
            return f"{function.upper()}({target.ordered})"
        if function == "sum" and self.native:
            return f"SUM({target.sql})"
        return f"ia_{function}({target.sql}, {self.codec.scale})"

    def decoder(self) -> Callable[[Stored], Any] | None:
        function = self.wanted.function
        if function == "count":
            return None
        if function in ("sum", "avg"):
            if self.codec.kind is Kind.NUMBER:
                return _to_number
            scale = self.codec.scale
            return lambda stored: render_scaled(stored, scale) if type(stored) is int else stored
        return self.codec.decoder()


def _to_number(stored: Stored) -> int | float | Decimal | None:
    if stored is None:
        return None
    exact = Decimal(str(stored))
    if exact == exact.to_integral_value():
        return int(exact)
    as_float = float(exact)
    return as_float if Decimal(repr(as_float)) == exact else exact


def _passes(target: Target) -> bool:
    """Whether the stored value is the wire value."""
    return target.codec.kind in (Kind.TEXT, Kind.NUMBER) and not target.irregular


def _decode(
    rows: list[tuple[Any, ...]], columns: list[tuple[str, Callable[[Stored], Any] | None]]
) -> list[dict[str, Any]]:
    names = [name for name, _ in columns]
    if not rows:
        return []
    if any(decode is not None for _, decode in columns):
        by_column = zip(*rows, strict=True)
        decoded = [
            values if decode is None else list(map(decode, values))
            for values, (_, decode) in zip(by_column, columns, strict=True)
        ]
        rows = list(zip(*decoded, strict=True))
    return [dict(zip(names, row, strict=True)) for row in rows]
