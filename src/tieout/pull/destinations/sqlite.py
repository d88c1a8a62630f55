"""A SQLite file as a destination: upsert by key, state and rows in one transaction.

Exact numbers are kept as text with all their digits, since SQLite itself knows only floating point; dates and moments
are text as well (ISO 8601, UTC). Knows columns and states; knows nothing of Intacct.
"""

# ruff: noqa: S608 - statements are built from quoted identifiers only; values are bound

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, nullcontext, suppress
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Literal

import msgspec

from tieout.errors import StoreError
from tieout.pull.destinations.base import Takes, refused_by_rule
from tieout.pull.destinations.batch import Batch, Plain
from tieout.pull.destinations.file import LocalFile
from tieout.pull.destinations.sql import SqlDestination
from tieout.pull.destinations.sql_session import Group, Session
from tieout.pull.destinations.turns import turns
from tieout.pull.schema.names import DELETED, SYNCED
from tieout.pull.schema.types import EXACT, Column, Kind

LOCK_WAIT = 10.0
"""Seconds to wait for another program that writes."""
PAGE_SIZE = 16_384
"""Bytes: with SQLite's own 4,096 the floor of `benchmarks/` takes 6 % longer."""
ROWS_A_LOT = 50_000
VALUES_A_STATEMENT = 10_000
"""Few enough that their Python objects stay in the processor's cache."""

_ROUNDED = 4
"""Digits after the point up to which SQLite adds up floating-point numbers, rounded: quicker than taking the point out
of texts."""
_SAFE_LENGTH = {True: 16, False: 17}
"""Characters of a number up to which it adds up rightly, by rounding and else: of 15 digits a floating-point number is
less than a quarter of the last one off, and texts without their point have to fit into its whole numbers."""


class SqliteFile(LocalFile, SqlDestination):
    """One SQLite file. Every method opens it, works, and closes it again. Raises StoreError, BusyError."""

    kind = "sqlite"
    dialect: Literal["sqlite"] = "sqlite"
    takes = Takes(commit_rows=40_000, idle_rows=4_000, plain=True)

    def check(self) -> None:
        """What would only be found out when the first rows are written, found before any are read."""
        self._check_file()
        if self.path.is_file():  # by SQLite: whoever closes a file gives up the locks that this program has on it
            with self._open():
                pass

    def _check_file(self) -> None:
        self.check_place()
        # SQLite makes its log beside the file: the folder has to be writable as well.
        if not all(os.access(place, os.W_OK) for place in (self.path.parent, self.path) if place.exists()):
            raise _explain(self.path, "SQLITE_READONLY", "")

    def named(self, table: str) -> str:
        """A table as a view names it."""
        return '"' + table.replace('"', '""') + '"'

    def _there(self) -> bool:
        return self.path.exists()

    @contextmanager
    def _open(self, *, writing: bool = False) -> Iterator[Session]:
        if writing:
            self._check_file()
            with suppress(FileExistsError):  # for this user only; its log gets the same mode
                os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        try:
            # SQLite would have threads of this program wait for each other as long as for another program, and no more.
            turn = turns(self.identity()).writing() if writing else nullcontext()
            with turn, closing(self._connect(writing)) as db:
                yield _SqliteSession(db, self.place)
        except sqlite3.Error as error:
            # A mistake in a statement (ours) is SQLITE_ERROR.
            if getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) == sqlite3.SQLITE_ERROR:
                raise
            if error.sqlite_errorname.startswith("SQLITE_CONSTRAINT"):
                raise refused_by_rule(self.place, str(error)) from None
            raise _explain(self.path, error.sqlite_errorname, str(error)) from None

    def _connect(self, writing: bool) -> sqlite3.Connection:
        address = self.path.absolute().as_uri()
        try:
            return self._begun(f"{address}?mode={'rw' if writing else 'ro'}", writing)
        except sqlite3.OperationalError as error:
            # Where no log may be made a file is read as it lies, unless somebody has left a log.
            unwritable = error.sqlite_errorname.startswith(("SQLITE_CANTOPEN", "SQLITE_READONLY"))
            if writing or not unwritable or Path(f"{self.path}-wal").exists():
                raise
            return self._begun(f"{address}?mode=ro&immutable=1", writing)

    def _begun(self, address: str, writing: bool) -> sqlite3.Connection:
        # Another thread may end an iteration of `keys`. We say BEGIN ourselves.
        db = sqlite3.connect(address, uri=True, timeout=LOCK_WAIT, isolation_level=None, check_same_thread=False)
        try:
            db.execute("PRAGMA cache_size = -65536")
            if writing:
                if self.path.stat().st_size == 0:  # a file of somebody else's stays as it is
                    db.execute(f"PRAGMA page_size = {PAGE_SIZE}")
                    db.execute("PRAGMA journal_mode = WAL")
                db.execute("PRAGMA synchronous = FULL")
                db.execute("BEGIN IMMEDIATE")
            else:
                db.execute("BEGIN")
                db.execute("SELECT count(*) FROM sqlite_master").fetchall()  # what is read is of this moment
        except BaseException:
            db.close()
            raise
        return db


class _SqliteSession(Session):
    mark = "?"
    each = "SELECT value AS key FROM json_each(?)"
    stamp = "TEXT"
    digits = "\"key\" NOT GLOB '*[^0-9]*'"

    def __init__(self, db: sqlite3.Connection, place: str) -> None:
        super().__init__(place)
        self._db = db

    def run(self, sql: str, values: Sequence[Any] = ()) -> int:
        return self._db.execute(sql, values).rowcount

    def run_each(self, sql: str, values: Sequence[Sequence[Any]]) -> None:
        self._db.executemany(sql, values)

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        return self._db.execute(sql, values).fetchall()

    def lots(self, sql: str, values: Sequence[Any] = ()) -> Iterator[list[tuple[Any, ...]]]:
        found = self._db.execute(sql, values)
        while lot := found.fetchmany(ROWS_A_LOT):
            yield lot

    def commit(self) -> None:
        self._db.execute("COMMIT")

    def lock(self, tables: Sequence[str]) -> None:
        """The transaction has the whole file."""

    def ensure_place(self) -> None:
        """The file is there."""

    def has_table(self, name: str) -> bool:
        sql = "SELECT 1 FROM sqlite_master WHERE lower(name) = lower(?) AND type IN ('table', 'view')"
        return bool(self.rows(sql, [name]))

    def types(self, table: str) -> dict[str, str]:
        return dict(self.rows("SELECT name, upper(type) FROM pragma_table_info(?)", [table]))

    def sql_type(self, column: Column) -> str:
        match column.kind:
            case Kind.INTEGER:
                return "INTEGER"
            case Kind.BOOLEAN:
                return "BOOLEAN"
            case _:
                return "TEXT"

    def name(self, table: str) -> str:
        return self.quote(table)

    def quote(self, name: str) -> str:
        return '"' + name.replace('"', '""') + '"'

    def listed(self, keys: Sequence[str]) -> str:
        return msgspec.json.encode(list(keys)).decode()

    def temporary(self, name: str, select: str, values: Sequence[Any]) -> None:
        self._db.execute(f"CREATE TEMP TABLE {name} AS {select}", values)

    def fill(self, table: str, batch: Batch, synced: str) -> bool:
        self._db.execute("SAVEPOINT fill")
        try:
            self._insert(table, batch, synced)
        except sqlite3.IntegrityError as error:
            if error.sqlite_errorname != "SQLITE_CONSTRAINT_PRIMARYKEY":
                raise
            self._db.execute("ROLLBACK TO fill")
        else:
            return True
        finally:
            self._db.execute("RELEASE fill")
        return False

    def put_view(self, name: str, select: str) -> None:
        self.run(f"DROP VIEW IF EXISTS {self.name(name)}")
        self.run(f"CREATE VIEW {self.name(name)} AS {select}")

    def retype(self, table: str, old: Column, new: Column) -> None:
        target, name = self.name(table), self.quote(new.name)
        value = _respelt(name, old, new)
        if self.sql_type(old) == self.sql_type(new):
            if value != name:
                self.run(f"UPDATE {target} SET {name} = {value} WHERE {name} IS NOT NULL")
            return
        wider = self.quote("_tieout_wider")  # a column's type itself cannot be changed
        try:
            self.run(f"ALTER TABLE {target} ADD COLUMN {wider} {self.sql_type(new)}")
            self.run(f"UPDATE {target} SET {wider} = {value} WHERE {name} IS NOT NULL")
            self.run(f"ALTER TABLE {target} DROP COLUMN {name}")
            self.run(f"ALTER TABLE {target} RENAME COLUMN {wider} TO {name}")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_ERROR:
                raise
            raise StoreError(
                f"Column {new.name} of table {table} needs a wider type, but something of yours rests on it: {error}.",
                advice="Drop that index or view, run the command again, and make it anew.",
            ) from None

    def merge(self, table: str, batch: Batch, synced: str) -> int:
        others = [self.quote(column.name) for column in batch.of if column.name != "key"]
        set_to = [f"{name} = excluded.{name}" for name in (*others, SYNCED)]
        values = ", ".join([*set_to, f"{DELETED} = NULL"])
        apart = [f"t.{DELETED} IS NOT NULL", *(f"t.{name} IS NOT excluded.{name}" for name in others)]
        lots = (" OR ".join(apart[at : at + _TERMS]) for at in range(0, len(apart), _TERMS))
        differs = " OR ".join(f"({lot})" for lot in lots)
        before = self._db.total_changes
        self._insert(table, batch, synced, f' ON CONFLICT ("key") DO UPDATE SET {values} WHERE {differs}')
        return self._db.total_changes - before

    def _insert(self, table: str, batch: Batch, synced: str, conflict: str = "") -> None:
        # Many rows a statement: quicker, and other threads run meanwhile. With one row a statement each of them would
        # wait for its turn at the interpreter.
        width = len(batch.of)
        most = min(VALUES_A_STATEMENT, self._db.getlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER))
        step = max(most // width, 1)
        names = ", ".join([*(self.quote(column.name) for column in batch.of), SYNCED])
        row = f"({', '.join('?' * width)}, '{synced}')"
        statement = f"INSERT INTO {self.name(table)} AS t ({names}) VALUES "
        whole = f"{statement}{', '.join([row] * step)}{conflict}"
        for part in batch.parts(step):
            full = part.rows == step
            self._db.execute(whole if full else f"{statement}{', '.join([row] * part.rows)}{conflict}", _bound(part))

    def order(self, column: Column) -> str:
        # Moments are spelt with and without microseconds, and `.` comes before `Z`.
        name = self.quote(column.name)
        return f"rtrim({name}, 'Z')" if column.kind is Kind.TIMESTAMP else name

    def bound(self, column: Column) -> str:
        return "rtrim(?, 'Z')" if column.kind is Kind.TIMESTAMP else "?"

    def measures(self, heads: str, columns: Sequence[Column], source: str, values: Sequence[Any]) -> list[Group]:
        names = [self.quote(column.name) for column in columns]
        quick = "".join(f", sum({_whole(name, column)})" for name, column in zip(names, columns, strict=True))
        odd = "".join(f", max({_is_odd(name, column)})" for name, column in zip(names, columns, strict=True))
        try:
            found = self.rows(f"SELECT {heads}{quick}{odd} {source}", values)
            slow = [at for at in range(len(columns)) if any(row[3 + len(columns) + at] for row in found)]
        except sqlite3.OperationalError as error:
            if "integer overflow" not in str(error):
                raise
            slow = list(range(len(columns)))
            found = [(*row, *([None] * len(columns))) for row in self.rows(f"SELECT {heads} {source}", values)]
        groups = [
            Group(name, rows, newest, [_scaled(total, c) for total, c in zip(totals, columns, strict=False)])
            for name, rows, newest, *totals in found
        ]
        if slow:
            self._db.create_aggregate("_tieout_sum", 1, _ExactSum)  # type: ignore[arg-type]  # it gives text: SQLite allows it
            exact = "".join(f", _tieout_sum({names[at]})" for at in slow)
            again = self.rows(f"SELECT {heads}{exact} {source}", values)
            for group, (_, _, _, *totals) in zip(groups, again, strict=True):  # of the same moment, in the same order
                for at, total in zip(slow, totals, strict=True):
                    group.sums[at] = None if total is None else Decimal(total)
        return groups

    def read(self, column: Column, values: list[Any]) -> list[Plain]:
        if column.kind is Kind.BOOLEAN:
            return [None if value is None else bool(value) for value in values]
        if column.kind is Kind.TIMESTAMP:  # `order` takes the Z off
            return [None if value is None else f"{str(value).rstrip('Z')}Z" for value in values]
        return values


def _bound(batch: Batch) -> list[float | Plain]:
    """The values of some rows, one row after the other, as they are bound: for each None and each boolean the driver
    would look for an adapter, which takes it longer than a row takes SQLite; SQLite writes NaN as NULL."""
    width = len(batch.of)
    values: list[float | Plain] = [None] * (batch.rows * width)
    of = zip(batch.of, batch.columns(), batch.with_nulls(), strict=True)
    for at, (column, found, some_null) in enumerate(of):
        if column.kind is Kind.BOOLEAN:
            values[at::width] = map(_BOOLEANS.__getitem__, found)
        elif some_null:
            values[at::width] = [_NULL if value is None else value for value in found]
        else:
            values[at::width] = found
    return values


_NULL = float("nan")
_BOOLEANS: Mapping[Any, float | int] = {None: _NULL, False: 0, True: 1}


def _respelt(name: str, old: Column, new: Column) -> str:
    """An expression for the values of a column as `Batch.columns` spells those of its wider type."""
    if new.kind is Kind.DECIMAL:
        zeros = "0" * (new.scale - old.scale)
        point = "." if not old.scale and zeros else ""
        return f"{name} || '{point}{zeros}'"
    return f"CASE {name} WHEN 1 THEN 'true' ELSE 'false' END" if old.kind is Kind.BOOLEAN else name


class _ExactSum:
    """Adds up decimals in text without an end of digits."""

    def __init__(self) -> None:
        self._total: Decimal | None = None

    def step(self, value: Any) -> None:
        if value is not None:
            try:
                self._total = EXACT.add(self._total or Decimal(0), Decimal(str(value)))
            except InvalidOperation:
                # Somebody has put a text there; a sum of nothing then ties with nothing.
                self._total = self._total or Decimal(0)

    def finalize(self) -> str | None:
        return None if self._total is None else f"{self._total:f}"


def _scaled(total: int | None, column: Column) -> Decimal | None:
    return None if total is None else EXACT.scaleb(Decimal(total), -_scale(column))


def _scale(column: Column) -> int:
    return column.scale if column.kind is Kind.DECIMAL else 0


def _whole(name: str, column: Column) -> str:
    """A value that is not odd, as a whole number: in units of the last digit."""
    if column.kind is Kind.INTEGER:
        return name
    if _is_rounded(column):
        return f"CAST(round({name} * {10**column.scale}) AS INTEGER)"
    return f"CAST(replace({name}, '.', '') AS INTEGER)"


def _is_odd(name: str, column: Column) -> str:
    """Whether a value is too long for `_whole`, or not spelt as tieout spells it."""
    if column.kind is Kind.INTEGER:
        return f"typeof({name}) <> 'integer' AND {name} IS NOT NULL"
    spelt = f"{name} NOT LIKE '%.{'_' * column.scale}'" if column.scale else f"{name} LIKE '%.%'"
    return f"length({name}) > {_SAFE_LENGTH[_is_rounded(column)]} OR {spelt}"


def _is_rounded(column: Column) -> bool:
    return 0 < column.scale <= _ROUNDED


_TERMS = 50
"""Of an expression side by side: SQLite takes 1,000 that are nested in each other, which a row of ORs is."""


def _explain(path: Path, code: str, reason: str) -> StoreError:
    """One sentence for what SQLite said."""
    for start, (sentence, advice) in _REASONS.items():
        if code.startswith(start):
            return StoreError(f"The destination {path} {sentence}.", advice=advice)
    return StoreError(f"SQLite could not use {path}: {reason}.", advice="Nothing of this step was written.")


_REASONS = {
    "SQLITE_BUSY": ("is being written by another program", "Wait for it to finish, then run the command again."),
    "SQLITE_LOCKED": ("is being written by another program", "Wait for it to finish, then run the command again."),
    "SQLITE_FULL": ("cannot grow: the disk is full", "Free some space, then run the command again: nothing is lost."),
    "SQLITE_READONLY": ("may not be written by this user", "Make the file and its folder writable."),
    "SQLITE_PERM": ("may not be opened by this user", "Make the file and its folder readable and writable."),
    "SQLITE_CANTOPEN": ("cannot be opened", "Check that this user may read and write the file and its folder."),
    "SQLITE_NOTADB": ("is not a SQLite file", "Name another destination, or move the file away."),
    "SQLITE_CORRUPT": ("is damaged", "Restore it from a backup, or move it away; `tieout pull` then reads all of it."),
    "SQLITE_IOERR": (
        "could not be read or written: the disk refused",
        "Look whether it is full, broken or limited, then run the command again: nothing is lost.",
    ),
}
