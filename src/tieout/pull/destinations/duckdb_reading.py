"""Questions about a table that DuckDB can read, whatever holds it: a DuckDB file or a folder of Parquet files.

Knows columns; how the table comes before DuckDB, its subclasses know.
"""

# ruff: noqa: S608 - statements are built from quoted identifiers only; values are bound

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from tieout.pull.destinations.base import Measure, Window
from tieout.pull.destinations.batch import Plain, plain
from tieout.pull.destinations.duckdb_system import UNSEEN, live, number, quote
from tieout.pull.schema.types import EXACT, Column, Kind, arrow_type

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

KEYS_A_LOT = 50_000


class DuckReading(ABC):
    """The questions of the protocol. Raises StoreError."""

    @abstractmethod
    def _reading(self, table: str) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
        """A connection in which the table has its name. One snapshot."""

    def measure(
        self,
        table: str,
        columns: Sequence[Column],
        *,
        by: Column | None = None,
        within: Window | None = None,
        stamp: Column | None = None,
    ) -> list[Measure]:
        """Counts, exact sums and the latest stamp: of all rows, or by the values of a column."""
        import duckdb

        group = quote(by.name) if by is not None else "NULL"
        heads = [group, "count(*)", f"max({quote(stamp.name)})" if stamp is not None else "NULL"]
        with self._reading(table) as db:
            where, values = _where(db, table, within)
            whence = f"FROM {quote(table)} WHERE {where}"
            grouped = f"{whence} GROUP BY 1 ORDER BY 1" if by is not None else whence
            try:
                found = _select(db, [*heads, *(f"sum({quote(column.name)})" for column in columns)], grouped, values)
                sums = [found.column(at + 3).to_pylist() for at in range(len(columns))]
            except duckdb.OutOfRangeException:
                found = _select(db, heads, grouped, values)
                sums = _added_up(db, [group, *(quote(c.name) for c in columns)], whence, values, found.column(0))
        groups = found.column(0).to_pylist()
        newest = found.column(2).to_pylist()
        if by is not None:
            groups = plain(by, groups)
        if stamp is not None:
            newest = plain(stamp, newest)
        return [
            Measure(
                group=None if group is None else str(group),
                count=int(count),
                sums={column.name: sums[at][row] for at, column in enumerate(columns)},
                newest=newest[row],
            )
            for row, (group, count) in enumerate(zip(groups, found.column(1).to_pylist(), strict=True))
        ]

    def keys(self, table: str, *, within: Window | None = None) -> Iterator[list[str]]:
        """All keys, in lots."""
        with self._reading(table) as db:
            where, values = _where(db, table, within)
            found = db.execute(f'SELECT "key" FROM {quote(table)} WHERE {where}', values)
            while lot := found.fetchmany(KEYS_A_LOT):
                yield [str(key) for (key,) in lot]

    def keys_since(self, table: str, stamp: str, since: str) -> list[str]:
        """Keys of rows stamped at or after a moment (ISO 8601 UTC)."""
        with self._reading(table) as db:
            sql = f'SELECT "key" FROM {quote(table)} WHERE {quote(stamp)} >= CAST(? AS TIMESTAMPTZ) ORDER BY "key"'
            return [str(key) for (key,) in db.execute(sql, [since]).fetchall()]

    def unseen(self, table: str) -> Iterator[list[str]]:
        """Keys that no commit of a read brought, in lots."""
        with self._reading(table) as db:
            sql = f'SELECT "key" FROM {quote(table)} WHERE {live(db, table)} AND {UNSEEN}'
            found = db.execute(sql, [table])
            while lot := found.fetchmany(KEYS_A_LOT):
                yield [str(key) for (key,) in lot]

    def quantiles(self, table: str, parts: int) -> list[str]:
        """Keys that cut the rows into about equal parts."""
        with self._reading(table) as db:
            of = f"FROM {quote(table)} WHERE {live(db, table)}"
            digits = number(db, f"SELECT count(*) {of} AND NOT regexp_full_match(\"key\", '[0-9]+')") == 0
            order = 'length(ltrim("key", \'0\')), ltrim("key", \'0\'), "key"' if digits else '"key"'
            over = f"OVER (ORDER BY {order})"
            cut = f'SELECT "key", ntile(?) {over} AS part, row_number() {over} AS position {of}'
            sql = f'SELECT arg_min("key", position) FROM ({cut}) GROUP BY part HAVING part > 1 ORDER BY part'
            return [str(key) for (key,) in db.execute(sql, [parts]).fetchall()]

    def rows(self, table: str, keys: Sequence[str], columns: Sequence[Column]) -> dict[str, dict[str, Plain]]:
        """Some rows, by key and path."""
        listed = "".join(f", {quote(column.name)}" for column in columns)
        with self._reading(table) as db:
            sql = f'SELECT "key"{listed} FROM {quote(table)} WHERE list_contains(?, "key") AND {live(db, table)}'
            found = _arrow(db, sql, [list(keys)])
        values = [plain(column, found.column(at).to_pylist()) for at, column in enumerate(columns, start=1)]
        paths = [column.path for column in columns]
        rows = zip(*values, strict=True) if values else [()] * found.num_rows
        there = zip(found.column(0).to_pylist(), rows, strict=True)
        return {str(key): dict(zip(paths, row, strict=True)) for key, row in there}

    def arrow(self, table: str, columns: Sequence[Column]) -> pa.Table:
        """All rows, as Arrow."""
        import pyarrow as pa

        listed = ", ".join(quote(column.name) for column in columns)
        with self._reading(table) as db:
            found = _arrow(db, f"SELECT {listed} FROM {quote(table)} WHERE {live(db, table)}", [])
        return found.cast(pa.schema([(column.name, arrow_type(column)) for column in columns]))


def _arrow(db: duckdb.DuckDBPyConnection, sql: str, values: Sequence[Any]) -> pa.Table:
    return db.sql(sql, params=list(values)).to_arrow_table()


def _select(db: duckdb.DuckDBPyConnection, parts: Sequence[str], whence: str, values: Sequence[Any]) -> pa.Table:
    listed = ", ".join(f"{part} AS c{at}" for at, part in enumerate(parts))
    return _arrow(db, f"SELECT {listed} {whence}", values)


def _added_up(
    db: duckdb.DuckDBPyConnection, parts: Sequence[str], whence: str, values: Sequence[Any], groups: pa.ChunkedArray
) -> list[list[Decimal | None]]:
    """Sums of more digits than DuckDB adds up, column by column in the order of the groups. `parts`: the group and the
    columns."""
    places = {group: at for at, group in enumerate(groups.to_pylist())}
    sums: list[list[Decimal | None]] = [[None] * len(places) for _ in parts[1:]]
    listed = ", ".join(f"{part} AS c{at}" for at, part in enumerate(parts))
    for lot in db.sql(f"SELECT {listed} {whence}", params=list(values)).to_arrow_reader(KEYS_A_LOT):
        at = [places[group] for group in lot.column(0).to_pylist()]
        for column, totals in enumerate(sums, start=1):
            for place, value in zip(at, lot.column(column).to_pylist(), strict=True):
                if value is not None:
                    totals[place] = EXACT.add(totals[place] or Decimal(0), Decimal(value))
    return sums


def _where(db: duckdb.DuckDBPyConnection, table: str, within: Window | None) -> tuple[str, list[Any]]:
    """The condition for live rows in a window, and the values to bind."""
    conditions: list[str] = [live(db, table)]
    values: list[Any] = []
    if within is not None:
        name = quote(within.column.name)
        kind = {Kind.DATE: "DATE", Kind.TIMESTAMP: "TIMESTAMPTZ"}.get(within.column.kind, "VARCHAR")
        if within.null:
            conditions.append(f"{name} IS NULL")
        if within.among is not None:
            conditions.append(f"{name} IN (SELECT unnest(CAST(? AS VARCHAR[])))")
            values.append(list(within.among))
        for bound, sign in ((within.low, ">="), (within.high, "<")):
            if bound is not None:
                conditions.append(f"{name} {sign} CAST(? AS {kind})")
                values.append(bound)
    return " AND ".join(conditions), values
