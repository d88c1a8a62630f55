"""Sign-offs in a DuckDB file: signed rows lie in a table of their own beside the one they are of."""

# ruff: noqa: S608 - statements are built from quoted identifiers only; values are bound

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tieout.pull.destinations import signing
from tieout.pull.destinations.base import Difference, SignOff
from tieout.pull.destinations.batch import plain
from tieout.pull.destinations.duckdb_system import check, has_table, live, quote, sql_type, stored
from tieout.pull.destinations.signing import DATE, SIGN_OFFS, Kept, Row
from tieout.pull.schema.types import Column

if TYPE_CHECKING:
    import duckdb

ROWS_A_LOT = 20_000


class DuckSignOffs:
    """Keeps rows as they were signed. Raises StoreError."""

    path: Path

    @property
    @abstractmethod
    def place(self) -> str:
        """How messages call it."""

    @abstractmethod
    def _open(self, *, read_only: bool = False) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
        """The file, as the destination opens it."""

    @abstractmethod
    def _reserve_log(self) -> None:
        """What precedes each commit."""

    def sign_off(self, table: str, sign: SignOff) -> SignOff:
        """Keep live rows dated up to `through` as they are now, in the place of those signed before."""
        if not self.path.exists():
            raise signing.not_there(table)
        with self._open() as db:
            db.execute("BEGIN")
            state = stored(db, table)
            if state is None:
                raise signing.not_there(table)
            check(db, state, self.place)
            columns = signing.signed_columns(state)
            copy = quote(signing.copy_name(state.table))
            db.execute(f"DROP TABLE IF EXISTS {copy}")
            listed = "".join(f", t.{quote(c.name)}" for c in columns)
            select = f'SELECT t."key", {dated(sign)} AS {DATE}{listed} FROM {quote(state.table)} AS t'
            where = f"{live(db, state.table)} AND {before(sign)}"
            db.execute(f"CREATE TABLE {copy} AS {select} WHERE {where}", [signing.end_of(sign)])
            sign = signing.sealed(sign, signed_rows(db, copy, sign, columns), columns)
            db.execute(f"CREATE TABLE IF NOT EXISTS {SIGN_OFFS} (table_name VARCHAR NOT NULL, signed VARCHAR NOT NULL)")
            db.execute(f"DELETE FROM {SIGN_OFFS} WHERE lower(table_name) = lower(?)", [table])
            db.execute(f"INSERT INTO {SIGN_OFFS} VALUES (?, ?)", [state.table, Kept(sign, columns).text()])
            self._reserve_log()
            db.execute("COMMIT")
        return sign

    def signed(self, table: str) -> SignOff | None:
        """The last one."""
        if not self.path.exists():
            return None
        with self._open(read_only=True) as db:
            kept = _kept(db, table)
        return kept.sign if kept is not None else None

    def differences(self, table: str, ignore: Sequence[str]) -> Iterator[Difference]:
        """Signed rows against live ones of the same dates. To be read to its end or closed."""
        with self._open(read_only=True) as db:
            kept, state = _kept(db, table), stored(db, table)
            if kept is None or state is None:
                return
            columns = signing.columns_now(kept, state)
            copy = quote(signing.copy_name(state.table))
            signed = signed_rows(db.cursor(), copy, kept.sign, kept.columns)
            current = live_rows(db.cursor(), state.table, copy, kept.sign, columns)
            yield from signing.compared(state.table, kept, signed, current, columns, ignore)


def _kept(db: duckdb.DuckDBPyConnection, table: str) -> Kept | None:
    if not has_table(db, SIGN_OFFS):
        return None
    sql = f"SELECT signed FROM {SIGN_OFFS} WHERE lower(table_name) = lower(?)"
    rows = db.execute(sql, [table]).fetchall()
    return signing.read_kept(rows[0][0]) if rows else None


def signed_rows(db: duckdb.DuckDBPyConnection, copy: str, sign: SignOff, columns: Sequence[Column]) -> Iterator[Row]:
    listed = "".join(f", {quote(column.name)}" for column in columns)
    return _rows(db, f'SELECT "key", {DATE}{listed} FROM {copy} ORDER BY "key"', [], sign.date, columns)


def live_rows(
    db: duckdb.DuckDBPyConnection, table: str, copy: str, sign: SignOff, columns: Sequence[Column]
) -> Iterator[Row]:
    """Live rows dated like the signed ones, and those that were signed, whatever they are dated now."""
    listed = "".join(f", t.{quote(column.name)}" if column.name else ", NULL" for column in columns)
    sql = (
        f'SELECT t."key", {dated(sign)}{listed} FROM {quote(table)} AS t WHERE {live(db, table)}'
        f' AND ({before(sign)} OR t."key" IN (SELECT "key" FROM {copy})) ORDER BY t."key"'
    )
    return _rows(db, sql, [signing.end_of(sign)], sign.date, columns)


def _rows(
    db: duckdb.DuckDBPyConnection, sql: str, values: Sequence[Any], date: Column, columns: Sequence[Column]
) -> Iterator[Row]:
    for lot in db.sql(sql, params=list(values)).to_arrow_reader(ROWS_A_LOT):
        keys, days = lot.column(0).to_pylist(), plain(date, lot.column(1).to_pylist())
        by_column = [plain(column, lot.column(at).to_pylist()) for at, column in enumerate(columns, start=2)]
        for at, (key, day) in enumerate(zip(keys, days, strict=True)):
            yield Row(str(key), None if day is None else str(day), [values[at] for values in by_column])


def dated(sign: SignOff) -> str:
    """What a row of `t` is dated: of its own, or as its document is."""
    if not sign.parent:
        return signing.dated(sign, "t", quote)
    date = signing.dated(sign, "p", quote)
    return f'(SELECT {date} FROM {quote(sign.parent)} AS p WHERE p."key" = t.{quote(sign.owner)})'


def before(sign: SignOff) -> str:
    return f"{dated(sign)} < CAST(? AS {sql_type(sign.date)})"
