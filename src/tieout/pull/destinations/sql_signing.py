"""Sign-offs in SQLite and PostgreSQL: signed rows lie in a table of their own beside the one they are of."""

# ruff: noqa: S608 - statements are built from quoted identifiers only; values are bound

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any

from tieout.pull.destinations import signing
from tieout.pull.destinations import sql_system as system
from tieout.pull.destinations.base import Difference, SignOff
from tieout.pull.destinations.signing import DATE, SIGN_OFFS, Kept, Row
from tieout.pull.destinations.sql_session import Session
from tieout.pull.destinations.sql_system import KEY, LIVE
from tieout.pull.schema.types import Column


class SqlSignOffs:
    """Keeps rows as they were signed. Raises StoreError."""

    @abstractmethod
    def _open(self, *, writing: bool = False) -> AbstractContextManager[Session]:
        """A transaction, as the destination makes it."""

    @abstractmethod
    def _there(self) -> bool:
        """Whether anything has been written there yet."""

    def sign_off(self, table: str, sign: SignOff) -> SignOff:
        """Keep live rows dated up to `through` as they are now, in the place of those signed before."""
        with self._open(writing=True) as db:
            db.lock([table])
            state = system.stored(db, table)
            if state is None:
                raise signing.not_there(table)
            system.check(db, state)
            columns = signing.signed_columns(state)
            copy = db.name(signing.copy_name(state.table))
            db.run(f"DROP TABLE IF EXISTS {copy}")
            dated, end = _date(db, sign), _before(db, sign)
            listed = "".join(f", t.{db.quote(c.name)}" for c in columns)
            select = f'SELECT t."key", {dated} AS {DATE}{listed} FROM {db.name(state.table)} AS t'
            db.run(f"CREATE TABLE {copy} AS {select} WHERE t.{LIVE} AND {end}", [signing.end_of(sign)])
            sign = signing.sealed(sign, _signed(db, copy, sign, columns), columns)
            own = db.name(SIGN_OFFS)
            db.run(f"CREATE TABLE IF NOT EXISTS {own} (table_name TEXT NOT NULL, signed TEXT NOT NULL)")
            db.run(f"DELETE FROM {own} WHERE {system.of_table(db)}", [table])
            kept = Kept(sign, columns).text()
            db.run(f"INSERT INTO {own} VALUES ({db.mark}, {db.mark})", [state.table, kept])
            db.commit()
        return sign

    def signed(self, table: str) -> SignOff | None:
        """The last one."""
        if not self._there():
            return None
        with self._open() as db:
            kept = _kept(db, table)
        return kept.sign if kept is not None else None

    def differences(self, table: str, ignore: Sequence[str]) -> Iterator[Difference]:
        """Signed rows against live ones of the same dates. To be read to its end or closed."""
        with self._open() as db, self._open() as other:
            kept, state = _kept(db, table), system.stored(db, table)
            if kept is None or state is None:
                return
            columns = signing.columns_now(kept, state)
            copy = db.name(signing.copy_name(state.table))
            signed = _signed(db, copy, kept.sign, kept.columns)
            live = _live(other, state.table, copy, kept.sign, columns)
            yield from signing.compared(state.table, kept, signed, live, columns, ignore)


def _kept(db: Session, table: str) -> Kept | None:
    if not db.has_table(SIGN_OFFS):
        return None
    rows = db.rows(f"SELECT signed FROM {db.name(SIGN_OFFS)} WHERE {system.of_table(db)}", [table])
    return signing.read_kept(rows[0][0]) if rows else None


def _signed(db: Session, copy: str, sign: SignOff, columns: Sequence[Column]) -> Iterator[Row]:
    listed = "".join(f", {db.quote(column.name)}" for column in columns)
    return _rows(db, f'SELECT "key", {DATE}{listed} FROM {copy} ORDER BY {db.order(KEY)}', [], sign.date, columns)


def _live(db: Session, table: str, copy: str, sign: SignOff, columns: Sequence[Column]) -> Iterator[Row]:
    """Live rows dated like the signed ones, and those that were signed, whatever they are dated now."""
    listed = "".join(f", t.{db.quote(column.name)}" if column.name else ", NULL" for column in columns)
    sql = (
        f'SELECT t."key", {_date(db, sign)}{listed} FROM {db.name(table)} AS t WHERE t.{LIVE}'
        f' AND ({_before(db, sign)} OR t."key" IN (SELECT "key" FROM {copy})) ORDER BY {_ordered(db)}'
    )
    return _rows(db, sql, [signing.end_of(sign)], sign.date, columns)


def _ordered(db: Session) -> str:
    return "t." + db.order(KEY)


def _rows(db: Session, sql: str, values: Sequence[Any], date: Column, columns: Sequence[Column]) -> Iterator[Row]:
    for lot in db.lots(sql, values):
        dates = db.read(date, [row[1] for row in lot])
        by_column = [db.read(column, [row[at] for row in lot]) for at, column in enumerate(columns, start=2)]
        for at, row in enumerate(lot):
            day = dates[at]
            yield Row(row[0], None if day is None else str(day), [values[at] for values in by_column])


def _date(db: Session, sign: SignOff) -> str:
    """What a row of `t` is dated: of its own, or as its document is."""
    if not sign.parent:
        return signing.dated(sign, "t", db.quote)
    date = signing.dated(sign, "p", db.quote)
    return f'(SELECT {date} FROM {db.name(sign.parent)} AS p WHERE p."key" = t.{db.quote(sign.owner)})'


def _before(db: Session, sign: SignOff) -> str:
    return f"{_date(db, sign)} < {db.bound(sign.date)}"
