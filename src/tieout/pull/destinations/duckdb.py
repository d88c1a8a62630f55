"""A DuckDB file as a destination: merge by key from Arrow, state and rows in one transaction.

The file is open only while writing, since DuckDB shuts out every reader of a file that is open for writing. Knows
columns and states; knows nothing of Intacct.
"""

# ruff: noqa: S608 - statements are built from quoted identifiers only; values are bound

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from tieout.errors import BusyError, StoreError
from tieout.pull.destinations.state import FORMAT, TableState
from tieout.pull.reading.decode import Misfit
from tieout.pull.schema.columns import DELETED, Column, Kind
from tieout.store.crashpoints import reached

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

MEMORY_LIMIT = "256MB"
LOCK_WAIT = 10.0
"""Seconds to wait for another program to let go of the file."""

_SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    "memory_limit": MEMORY_LIMIT,
    "preserve_insertion_order": False,
    "autoinstall_known_extensions": False,
}
_SYSTEM_TABLES = (
    "CREATE TABLE IF NOT EXISTS _tieout_state (table_name VARCHAR NOT NULL, object VARCHAR, company VARCHAR,"
    " entity VARCHAR, watermark VARCHAR, rows BIGINT, run VARCHAR, version BIGINT NOT NULL, state VARCHAR NOT NULL)",
    "CREATE TABLE IF NOT EXISTS _tieout_misfits (table_name VARCHAR NOT NULL, object VARCHAR, key VARCHAR,"
    ' field VARCHAR, raw VARCHAR, run VARCHAR, "at" VARCHAR)',
)


class Seen(msgspec.Struct, frozen=True):
    """What a commit means to a full read of a table that had rows."""

    first: bool
    last: bool
    """All rows are read: those that were not among them are marked deleted."""


class OwnedLines(msgspec.Struct):
    """All lines that some documents have now: other lines of theirs are gone and are deleted."""

    column: str
    """The column that holds the key of a line's document."""
    owners: Sequence[str]
    present: list[str]
    """Keys of the lines there are, those of other documents too."""


class Commit(msgspec.Struct, kw_only=True):
    """One transaction: rows, their misfits, and the state that is true once they are in."""

    before: TableState
    after: TableState
    columns: Sequence[Column]
    """The columns of `rows`, in order."""
    rows: pa.Table
    """Each key once."""
    misfits: Sequence[Misfit] = ()
    stamp: str | None = None
    """Column of modified stamps; a row without one makes the table `whole`."""
    lines: OwnedLines | None = None
    seen: Seen | None = None
    """Set where rows that do not come are gone."""


class Committed(msgspec.Struct):
    """What a commit did. `state` is the stored one; the next commit's `before`."""

    new: int
    changed: int
    deleted: int
    marked: int
    state: TableState


class DuckFile:
    """One DuckDB file. Every method opens it, works, and closes it again. Raises StoreError, BusyError."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __str__(self) -> str:
        return f"duckdb:///{self.path}"

    def state(self, table: str) -> TableState | None:
        """The state of a table, None where tieout has not written it.

        Raises StoreError if the table is not as tieout left it: removed, or a column gone or of another type."""
        self._check_place()
        if not self.path.exists():
            return None
        with self._open(read_only=True) as db:
            found = self._state(db, table)
            if found is not None:
                self._check(db, found)
            return found

    def states(self) -> list[tuple[TableState, str]]:
        """Every table tieout has written, and what is wrong with it, in a sentence, or nothing. Empty where there is
        no file."""
        if not self.path.exists():
            return []
        self._check_place()
        with self._open(read_only=True) as db:
            if not _has_state(db):
                return []
            names = [str(name) for (name,) in db.execute("SELECT table_name FROM _tieout_state ORDER BY 1").fetchall()]
            found = [state for name in names if (state := self._state(db, name)) is not None]
            return [(state, self._damage(db, state)) for state in found]

    def misfits(self, table: str) -> dict[str, int]:
        """How many values of each field are kept raw because they fit no column."""
        with self._open(read_only=True) as db:
            sql = "SELECT field, count(*) FROM _tieout_misfits WHERE lower(table_name) = lower(?) GROUP BY field"
            return {str(field): int(number) for field, number in db.execute(sql, [table]).fetchall()}

    def commit(self, commit: Commit) -> Committed:
        """Write it all or nothing. Raises BusyError if another run has moved the state since it was read."""
        with self._open() as db:
            db.execute("BEGIN")
            for statement in _SYSTEM_TABLES:
                db.execute(statement)
            found = self._state(db, commit.before.table)
            if (found.version if found else 0) != commit.before.version or (found.watermark if found else "") != (
                commit.before.watermark
            ):
                raise BusyError(
                    f"Another run has written table {commit.before.table} of {self.path} while this one was reading.",
                    advice="Nothing was overwritten. Run the command again.",
                )
            if found is not None:
                self._check(db, found)
            self._ensure_table(db, commit, exists=found is not None)
            new, changed = self._merge(db, commit)
            deleted = self._delete_lines(db, commit)
            marked = self._mark(db, commit)
            self._keep_misfits(db, commit)
            total = _number(db, f"SELECT count(*) FROM {quote(commit.after.table)} WHERE {DELETED} IS NULL")
            state = msgspec.structs.replace(commit.after, version=commit.before.version + 1, rows=total)
            unstamped = f"{quote(commit.stamp or '')} IS NULL AND {DELETED} IS NULL"
            if commit.stamp and _number(db, f"SELECT count(*) FROM {quote(state.table)} WHERE {unstamped}"):
                state = msgspec.structs.replace(state, whole=True)
            self._keep_state(db, state)
            self._reserve_log()
            reached("pull.before_commit")
            db.execute("COMMIT")
            reached("pull.after_commit")
        return Committed(new, changed, deleted, marked, state)

    def keys_since(self, table: str, stamp: str, since: str) -> list[str]:
        """Keys of rows stamped at or after a moment (ISO 8601 UTC)."""
        with self._open(read_only=True) as db:
            sql = f'SELECT "key" FROM {quote(table)} WHERE {quote(stamp)} >= CAST(? AS TIMESTAMPTZ) ORDER BY "key"'
            return [str(key) for (key,) in db.execute(sql, [since]).fetchall()]

    def sums(self, table: str, columns: Sequence[str]) -> tuple[int, dict[str, Decimal | None]]:
        """Row count and exact sums of decimal columns, of one snapshot and without rows marked deleted. None is the
        sum of nothing."""
        parts = "".join(f", sum({quote(name)})" for name in columns)
        with self._open(read_only=True) as db:
            live = f" WHERE {DELETED} IS NULL" if _has_mark(db, table) else ""
            (row,) = db.execute(f"SELECT count(*){parts} FROM {quote(table)}{live}").fetchall()
        return int(row[0]), dict(zip(columns, row[1:], strict=True))

    def _check_place(self) -> None:
        """What would only be found out when the first rows are written, found before any are read."""
        folder = self.path.parent
        if not folder.is_dir():
            raise StoreError(
                f"The folder {folder} of the destination does not exist.",
                advice="Create it, or name another destination.",
            )
        if not os.access(self.path if self.path.exists() else folder, os.W_OK):
            raise explain(self.path, "Permission denied")
        if self.path.is_file():
            with self.path.open("rb") as file:
                head = file.read(12)
            if head[8:] != b"DUCK":  # DuckDB itself would try to download a reader for some other formats
                raise explain(self.path, "not a valid DuckDB")

    @contextmanager
    def _open(self, *, read_only: bool = False) -> Iterator[duckdb.DuckDBPyConnection]:
        with self._explained(), self._spill_folder():
            db = self._connect(read_only)
            try:
                yield db
            finally:
                db.close()

    # Rows are the customer's books: for this user only, in the file, in its write-ahead log and where a large step is
    # swapped out. DuckDB makes all three by the process's umask, which is not ours to change: other threads use it.

    def _reserve_log(self) -> None:
        """DuckDB appends to a log that is there already, and so keeps its mode."""
        os.close(os.open(f"{self.path}.wal", os.O_CREAT | os.O_WRONLY, 0o600))

    @contextmanager
    def _spill_folder(self) -> Iterator[None]:
        folder = Path(f"{self.path}.tmp")
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        try:
            yield
        finally:
            with suppress(OSError):  # in use by another reader, or DuckDB has removed it
                folder.rmdir()

    def _connect(self, read_only: bool) -> duckdb.DuckDBPyConnection:
        import duckdb

        give_up = time.monotonic() + LOCK_WAIT
        while True:
            try:
                made = not self.path.exists()
                db = duckdb.connect(str(self.path), read_only=read_only, config=_SETTINGS)
                if made:  # no rows in it yet
                    self.path.chmod(0o600)
            except duckdb.IOException as error:
                if "lock" not in str(error) or time.monotonic() >= give_up:
                    raise
                time.sleep(0.1)
                continue
            db.execute("SET TimeZone = 'UTC'")
            return db

    @contextmanager
    def _explained(self) -> Iterator[None]:
        import duckdb

        try:
            yield
        except (  # what is left are mistakes in a statement (ours)
            duckdb.IOException,
            duckdb.OutOfMemoryException,
            duckdb.TransactionException,
            duckdb.FatalException,
            duckdb.SerializationException,
            OSError,
        ) as error:
            raise explain(self.path, str(error)) from None

    @staticmethod
    def _state(db: duckdb.DuckDBPyConnection, table: str) -> TableState | None:
        if not _has_state(db):
            return None
        rows = db.execute("SELECT state FROM _tieout_state WHERE lower(table_name) = lower(?)", [table]).fetchall()
        if not rows:
            return None
        (row,) = rows
        if msgspec.json.decode(row[0]).get("format", FORMAT) > FORMAT:
            raise StoreError(f"Table {table} was written by a newer tieout.", advice="Upgrade tieout.")
        return msgspec.json.decode(row[0], type=TableState)

    def _damage(self, db: duckdb.DuckDBPyConnection, state: TableState) -> str:
        try:
            self._check(db, state)
        except StoreError as error:
            return error.message
        return ""

    def _check(self, db: duckdb.DuckDBPyConnection, state: TableState) -> None:
        types = dict(
            db.execute(
                "SELECT column_name, data_type FROM duckdb_columns() WHERE table_name = ? AND schema_name = 'main'",
                [state.table],
            ).fetchall()
        )
        again = "Undo the change, or drop the table and its row in _tieout_state; `tieout pull` then reads all of it."
        if not types:
            raise StoreError(f"Table {state.table} is gone from {self.path}, but its state is not.", advice=again)
        for column in state.columns:
            found = types.get(column.name)
            if found is None:
                raise StoreError(f"Table {state.table} has lost its column {column.name}.", advice=again)
            if found != sql_type(column):
                raise StoreError(
                    f"Column {column.name} of table {state.table} is {found}; tieout made it {sql_type(column)}.",
                    advice=again,
                )

    def _ensure_table(self, db: duckdb.DuckDBPyConnection, commit: Commit, *, exists: bool) -> None:
        table = quote(commit.after.table)
        if not exists:
            taken = db.execute(
                "SELECT 1 FROM duckdb_columns() WHERE lower(table_name) = lower(?)", [commit.after.table]
            ).fetchall()
            if taken:
                raise StoreError(
                    f"{self.path} already has a table {commit.after.table} that tieout did not make.",
                    advice="Set `table` to another name, or remove that table.",
                )
            body = ", ".join(f"{quote(c.name)} {sql_type(c)}" for c in commit.after.columns)
            db.execute(f"CREATE TABLE {table} ({body}, {DELETED} TIMESTAMP WITH TIME ZONE)")
            return
        if not _has_mark(db, commit.after.table):
            db.execute(f"ALTER TABLE {table} ADD COLUMN {DELETED} TIMESTAMP WITH TIME ZONE")
        had = {column.name for column in commit.before.columns}
        for column in commit.after.columns:
            if column.name not in had:
                db.execute(f"ALTER TABLE {table} ADD COLUMN {quote(column.name)} {sql_type(column)}")

    @staticmethod
    def _merge(db: duckdb.DuckDBPyConnection, commit: Commit) -> tuple[int, int]:
        table = quote(commit.after.table)
        if not commit.rows.num_rows:
            return 0, 0
        before = _number(db, f"SELECT count(*) FROM {table}")
        db.register("batch", commit.rows)
        names = [quote(column.name) for column in commit.columns]
        listed = ", ".join(names)
        if before == 0:
            db.execute(f"INSERT INTO {table} ({listed}) SELECT {listed} FROM batch")
            return commit.rows.num_rows, 0
        others = [name for name in names if name != '"key"']
        differs = " OR ".join([*(f"t.{name} IS DISTINCT FROM s.{name}" for name in others), f"t.{DELETED} IS NOT NULL"])
        values = ", ".join([*(f"{name} = s.{name}" for name in others), f"{DELETED} = NULL"])
        update = f"WHEN MATCHED AND ({differs}) THEN UPDATE SET {values}"
        insert = f"WHEN NOT MATCHED THEN INSERT ({listed}) VALUES ({', '.join(f's.{name}' for name in names)})"
        touched = _number(db, f'MERGE INTO {table} t USING batch s ON t."key" = s."key" {update} {insert}')
        new = _number(db, f"SELECT count(*) FROM {table}") - before
        return new, touched - new

    @staticmethod
    def _delete_lines(db: duckdb.DuckDBPyConnection, commit: Commit) -> int:
        lines = commit.lines
        if lines is None:
            return 0
        import pyarrow as pa

        db.register("owners", pa.table({"key": pa.array(list(lines.owners), pa.string())}))
        db.register("present", pa.table({"key": pa.array(lines.present, pa.string())}))
        return _number(
            db,
            f"DELETE FROM {quote(commit.after.table)} WHERE {quote(lines.column)} IN (SELECT key FROM owners)"
            ' AND "key" NOT IN (SELECT key FROM present)',
        )

    @staticmethod
    def _mark(db: duckdb.DuckDBPyConnection, commit: Commit) -> int:
        """Mark rows that a full read, now at its end, did not bring. Its keys are kept with its rows until then, so
        that an interrupted read can go on."""
        if commit.seen is None:
            return 0
        table = commit.after.table
        db.execute("CREATE TABLE IF NOT EXISTS _tieout_seen (table_name VARCHAR NOT NULL, key VARCHAR NOT NULL)")
        if commit.seen.first:
            db.execute("DELETE FROM _tieout_seen WHERE table_name = ?", [table])
        if commit.rows.num_rows:
            db.register("arrived", commit.rows.select(["key"]))
            db.execute("INSERT INTO _tieout_seen SELECT ?, key FROM arrived", [table])
        if not commit.seen.last:
            return 0
        marked = _number(
            db,
            f'UPDATE {quote(table)} SET {DELETED} = now() WHERE {DELETED} IS NULL AND "key" NOT IN'
            " (SELECT key FROM _tieout_seen WHERE table_name = ?)",
            [table],
        )
        db.execute("DELETE FROM _tieout_seen WHERE table_name = ?", [table])
        return marked

    @staticmethod
    def _keep_misfits(db: duckdb.DuckDBPyConnection, commit: Commit) -> None:
        table, state = commit.after.table, commit.after
        if commit.rows.num_rows and _number(db, "SELECT count(*) FROM _tieout_misfits WHERE table_name = ?", [table]):
            db.register("reread", commit.rows.select(["key"]))
            db.execute("DELETE FROM _tieout_misfits WHERE table_name = ? AND key IN (SELECT key FROM reread)", [table])
        if not commit.misfits:
            return
        import pyarrow as pa

        found = pa.table(
            {
                "key": [m.key for m in commit.misfits],
                "field": [m.field for m in commit.misfits],
                "raw": [m.raw for m in commit.misfits],
            },
            schema=pa.schema([("key", pa.string()), ("field", pa.string()), ("raw", pa.string())]),
        )
        db.register("misfits", found)
        db.execute(
            "INSERT INTO _tieout_misfits SELECT ?, ?, key, field, raw, ?, strftime(now(), '%Y-%m-%dT%H:%M:%SZ')"
            " FROM misfits",
            [table, state.object, state.run],
        )

    @staticmethod
    def _keep_state(db: duckdb.DuckDBPyConnection, state: TableState) -> None:
        db.execute("DELETE FROM _tieout_state WHERE table_name = ?", [state.table])
        db.execute(
            "INSERT INTO _tieout_state VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                state.table,
                state.object,
                state.company,
                state.entity,
                state.watermark,
                state.rows,
                state.run,
                state.version,
                msgspec.json.encode(state).decode(),
            ],
        )


def quote(name: str) -> str:
    """An SQL identifier, whatever is in it."""
    return '"' + name.replace('"', '""') + '"'


def sql_type(column: Column) -> str:
    """The DuckDB type of a column, spelt as DuckDB's catalogue spells it."""
    match column.kind:
        case Kind.INTEGER:
            return "BIGINT"
        case Kind.DECIMAL:
            return f"DECIMAL(38,{column.scale})"
        case Kind.BOOLEAN:
            return "BOOLEAN"
        case Kind.DATE:
            return "DATE"
        case Kind.TIMESTAMP:
            return "TIMESTAMP WITH TIME ZONE"
        case _:
            return "VARCHAR"


def explain(path: Path, reason: str) -> StoreError:
    """One sentence for what DuckDB said."""
    for words, sentence, advice in _REASONS:
        if words in reason:
            return StoreError(f"The destination {path} {sentence}.", advice=advice)
    first = reason.strip().partition("\n")[0]
    return StoreError(f"DuckDB could not use {path}: {first}", advice="Nothing of this step was written.")


_REASONS = (
    (
        "Could not set lock",
        "is open in another program",
        "Close it there (a notebook, the duckdb shell, another pull), then run the command again.",
    ),
    ("No space left", "cannot grow: the disk is full", "Free some space, then run the command again: nothing is lost."),
    ("File too large", "cannot grow: a file may not be that large here", "Raise the limit, then run it again."),
    ("Permission denied", "may not be written by this user", "Make the file and its folder writable."),
    ("Read-only file system", "lies on a read-only disk", "Name another destination."),
    ("not a valid DuckDB", "is not a DuckDB file", "Name another destination, or move the file away."),
    ("Is a directory", "is a folder, not a file", "Name a file, such as duckdb:///company.duckdb."),
    ("No such file", "is in a folder that does not exist", "Create the folder, or name another destination."),
    ("newer version of DuckDB", "was written by a newer DuckDB", "Upgrade duckdb in this environment."),
    ("Out of Memory", "needs more memory than this step may use", "Pull fewer fields, or report this as a bug."),
)


def _has_state(db: duckdb.DuckDBPyConnection) -> bool:
    return bool(db.execute("SELECT 1 FROM duckdb_tables() WHERE table_name = '_tieout_state'").fetchall())


def _has_mark(db: duckdb.DuckDBPyConnection, table: str) -> bool:
    """Whether the table has the column of deletion marks: those made by the first tieouts have none."""
    sql = "SELECT 1 FROM duckdb_columns() WHERE lower(table_name) = lower(?) AND column_name = ?"
    return bool(db.execute(sql, [table, DELETED]).fetchall())


def _number(db: duckdb.DuckDBPyConnection, sql: str, parameters: Sequence[Any] = ()) -> int:
    rows = db.execute(sql, list(parameters)).fetchall()
    return int(rows[0][0]) if rows else 0
