"""A destination in a database that is written row by row, SQLite or PostgreSQL: the protocol over its sessions.

Every method begins a transaction of its own and ends it.
"""

# ruff: noqa: S608 - statements are built from quoted identifiers only; values are bound

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from tieout.pull.destinations import sql_system as system
from tieout.pull.destinations import views as layouts
from tieout.pull.destinations.base import Commit, Committed, Found, Measure, Takes, View, Window
from tieout.pull.destinations.batch import Plain, arrow_column
from tieout.pull.destinations.sql_commit import write
from tieout.pull.destinations.sql_session import Session
from tieout.pull.destinations.sql_signing import SqlSignOffs
from tieout.pull.destinations.sql_system import LIVE, seen_as, unseen
from tieout.pull.destinations.state import TableState
from tieout.pull.schema.types import Column, arrow_type
from tieout.store.crashpoints import reached

if TYPE_CHECKING:
    import pyarrow as pa


class SqlDestination(SqlSignOffs, ABC):
    """The protocol over sessions. Raises StoreError, BusyError."""

    takes: Takes

    @property
    @abstractmethod
    def place(self) -> str:
        """How messages call it."""

    @abstractmethod
    def check(self) -> None:
        """Raises StoreError for what would be found out with the first rows."""

    @abstractmethod
    def _there(self) -> bool:
        """Whether anything has been written there yet."""

    @abstractmethod
    def _open(self, *, writing: bool = False) -> AbstractContextManager[Session]:
        """A transaction: without `Session.commit` nothing of it remains. Driver errors become StoreError."""

    def tables(self) -> list[Found]:
        """Every table tieout has written."""
        if not self._there():
            return []
        with self._open() as db:
            return [Found(state, system.damage(db, state)) for state in system.every(db)]

    def state(self, table: str, *, to_write: bool = False) -> TableState | None:
        """The state of a table, None where tieout has not written it."""
        self.check()
        if not self._there():
            return None
        with self._open() as db:
            found = system.stored(db, table)
            if found is not None:
                system.check(db, found)
            return found

    def commit(self, commit: Commit) -> Committed:
        """Write it all or nothing."""
        with self._open(writing=True) as db:
            done = write(db, commit)
            reached("pull.before_commit")
            db.commit()
            reached("pull.after_commit")
        return done

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
        with self._open() as db:
            where, values = _where(db, within)
            group = db.quote(by.name) if by is not None else "NULL"
            newest = f"max({db.order(stamp)})" if stamp is not None else "NULL"
            grouped = " GROUP BY 1 ORDER BY 1" if by is not None else ""
            source = f"FROM {db.name(table)} WHERE {where}{grouped}"
            found = db.measures(f"{group}, count(*), {newest}", columns, source, values)
            groups = db.read(by, [row[0] for row in found]) if by is not None else [None] * len(found)
            latest = db.read(stamp, [row[2] for row in found]) if stamp is not None else [None] * len(found)
        return [
            Measure(
                group=None if name is None else str(name),
                count=rows,
                sums={column.name: total for column, total in zip(columns, sums, strict=True)},
                newest=None if last is None else str(last),
            )
            for (_, rows, _, sums), name, last in zip(found, groups, latest, strict=True)
        ]

    def keys(self, table: str, *, within: Window | None = None) -> Iterator[list[str]]:
        """All keys, in lots."""
        with self._open() as db:
            where, values = _where(db, within)
            for lot in db.lots(f'SELECT "key" FROM {db.name(table)} WHERE {where}', values):
                yield [key for (key,) in lot]

    def keys_since(self, table: str, stamp: str, since: str) -> list[str]:
        """Keys of rows stamped at or after a moment (ISO 8601 UTC)."""
        with self._open() as db:
            column = system.moment(stamp)
            where = f"{db.order(column)} >= {db.bound(column)}"
            found = db.rows(f'SELECT "key" FROM {db.name(table)} WHERE {where}', [since])
        return sorted(key for (key,) in found)

    def unseen(self, table: str) -> Iterator[list[str]]:
        """Keys that no commit of a read brought, in lots."""
        with self._open() as db:
            sql = f'SELECT "key" FROM {db.name(table)} t WHERE {LIVE} AND {unseen(db)}'
            for lot in db.lots(sql, [seen_as(table)]):
                yield [key for (key,) in lot]

    def quantiles(self, table: str, parts: int) -> list[str]:
        """Keys that cut the rows into about equal parts."""
        with self._open() as db:
            of = f"FROM {db.name(table)} WHERE {LIVE}"
            rows, digits = db.rows(f"SELECT count(*), coalesce(min({db.digits}), 1) {of}")[0]
            size, larger = divmod(rows, parts)
            cuts, at = [], 1
            for part in range(parts - 1):  # the parts differ by one row at most, the larger ones first
                at += size + (part < larger)
                cuts.append(at)
            key = db.order(system.KEY)
            shown = "ltrim(\"key\", '0')"
            ordered = f"length({shown}), {shown}, {key}" if digits else key
            numbered = f'SELECT "key", row_number() OVER (ORDER BY {ordered}) AS position {of}'
            wanted = ", ".join(str(cut) for cut in cuts if cut <= rows) or "0"
            found = db.rows(f'SELECT "key" FROM ({numbered}) AS n WHERE position IN ({wanted}) ORDER BY position')
        return list(dict.fromkeys(key for (key,) in found))

    def rows(self, table: str, keys: Sequence[str], columns: Sequence[Column]) -> dict[str, dict[str, Plain]]:
        """Some rows, by key and path."""
        with self._open() as db:
            listed = "".join(f", {db.quote(column.name)}" for column in columns)
            sql = f'SELECT "key"{listed} FROM {db.name(table)} WHERE {LIVE} AND "key" {db.among()}'
            found = db.rows(sql, [db.listed(keys)])
            values = [db.read(c, [row[at] for row in found]) for at, c in enumerate(columns, start=1)]
        paths = [column.path for column in columns]
        rows = zip(*values, strict=True) if values else [()] * len(found)
        return {key[0]: dict(zip(paths, row, strict=True)) for key, row in zip(found, rows, strict=True)}

    def arrow(self, table: str, columns: Sequence[Column]) -> pa.Table:
        """All rows, as Arrow."""
        import pyarrow as pa

        schema = pa.schema([(column.name, arrow_type(column)) for column in columns])
        parts = [schema.empty_table()]
        with self._open() as db:
            listed = ", ".join(db.quote(column.name) for column in columns)
            for lot in db.lots(f"SELECT {listed} FROM {db.name(table)} WHERE {LIVE}"):
                values = zip(columns, zip(*lot, strict=True), strict=True)
                arrays = [arrow_column(column, db.read(column, list(column_of))) for column, column_of in values]
                parts.append(pa.Table.from_arrays(arrays, schema=schema))
        return pa.concat_tables(parts)

    def misfits(self, table: str) -> dict[str, int]:
        """How many values of each field are kept raw because they fit no column."""
        with self._open() as db:
            sql = f"SELECT field, count(*) FROM {db.name('_tieout_misfits')} WHERE {system.of_table(db)} GROUP BY field"
            return {str(field): int(count) for field, count in db.rows(sql, [table])}

    def drop(self, table: str) -> None:
        """The table and all that is kept of it."""
        self.check()
        if not self._there():
            return
        with self._open(writing=True) as db:
            db.lock([table])
            found = system.stored(db, table)
            if found is None:
                return
            layouts.make_way(db)
            db.run(f"DROP TABLE IF EXISTS {db.name(found.table)}")
            system.forget(db, table)
            db.commit()

    def layouts(self) -> list[str]:
        """The layouts whose views are here."""
        if not self._there():
            return []
        with self._open() as db:
            return sorted({layout for layout, _ in layouts.kept(db).values()})

    def views(self, layout: str, views: Sequence[View]) -> None:
        """Make or replace these views."""
        with self._open() as db:
            if not layouts.stale(db, views):
                return
        with self._open(writing=True) as db:
            layouts.put(db, layout, views)
            db.commit()


def _where(db: Session, within: Window | None) -> tuple[str, list[Any]]:
    """The condition for live rows in a window, and the values to bind."""
    conditions: list[str] = [LIVE]
    values: list[Any] = []
    if within is not None:
        if within.null:
            conditions.append(f"{db.quote(within.column.name)} IS NULL")
        if within.among is not None:
            conditions.append(f"{db.quote(within.column.name)} {db.among()}")
            values.append(db.listed(within.among))
        for bound, sign in ((within.low, ">="), (within.high, "<")):
            if bound is not None:
                conditions.append(f"{db.order(within.column)} {sign} {db.bound(within.column)}")
                values.append(bound)
    return " AND ".join(conditions), values
