"""What tieout keeps in a DuckDB file beside the rows: its own tables, the states, and how a table must look.

Statements only: which file they run in, and in which transaction, the caller knows.
"""

# ruff: noqa: S608 - statements are built from our own names only; values are bound

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from tieout.errors import StoreError
from tieout.pull.destinations.base import AGAIN, Commit
from tieout.pull.destinations.columns import columns_changed, described
from tieout.pull.destinations.state import TableState, read_state
from tieout.pull.schema.names import DELETED
from tieout.pull.schema.types import Column, Kind

if TYPE_CHECKING:
    import duckdb

_TABLES = (
    "CREATE TABLE IF NOT EXISTS _tieout_state (table_name VARCHAR NOT NULL, object VARCHAR, company VARCHAR,"
    " entity VARCHAR, watermark VARCHAR, rows BIGINT, run VARCHAR, version BIGINT NOT NULL, state VARCHAR NOT NULL)",
    "CREATE TABLE IF NOT EXISTS _tieout_misfits (table_name VARCHAR NOT NULL, object VARCHAR, key VARCHAR,"
    ' field VARCHAR, raw VARCHAR, run VARCHAR, "at" VARCHAR)',
    "CREATE TABLE IF NOT EXISTS _tieout_seen (table_name VARCHAR NOT NULL, key VARCHAR NOT NULL)",
    "CREATE TABLE IF NOT EXISTS _tieout_columns (table_name VARCHAR NOT NULL, path VARCHAR NOT NULL,"
    " column_name VARCHAR NOT NULL, type VARCHAR NOT NULL, label VARCHAR, since VARCHAR, gone VARCHAR)",
)
UNSEEN = '"key" NOT IN (SELECT key FROM _tieout_seen WHERE lower(table_name) = lower($1))'
"""Rows that were in no commit of a read."""


def ensure_system(db: duckdb.DuckDBPyConnection) -> None:
    """Make tieout's own tables where they are not there yet."""
    for statement in _TABLES:
        db.execute(statement)


def has_table(db: duckdb.DuckDBPyConnection, name: str) -> bool:
    """Whether the file has a table or a view of that name, whoever made it; case does not count."""
    return bool(columns_of(db, name))


def columns_of(db: duckdb.DuckDBPyConnection, table: str) -> dict[str, str]:
    """Column -> type, of a table or a view as it was last committed; none where there is none."""
    import duckdb

    # Not from DuckDB's lists of all tables and columns, which take the longer the more there are; and on a connection
    # of its own, since a name that is not there would end the transaction.
    with db.cursor() as own, suppress(duckdb.CatalogException):
        return dict(own.execute("SELECT name, type FROM pragma_table_info(?)", [f"main.{quote(table)}"]).fetchall())
    return {}


def has_mark(db: duckdb.DuckDBPyConnection, table: str, mark: str = DELETED) -> bool:
    """Whether the table has the column of deletion marks, or another of tieout's: those made by the first tieouts have
    none."""
    return mark in columns_of(db, table)


def live(db: duckdb.DuckDBPyConnection, table: str) -> str:
    """The condition that leaves out rows marked deleted."""
    return f"{DELETED} IS NULL" if has_mark(db, table) else "true"


def stored(db: duckdb.DuckDBPyConnection, table: str) -> TableState | None:
    """The state of a table. Raises StoreError for that of a newer tieout."""
    if not has_table(db, "_tieout_state"):
        return None
    rows = db.execute("SELECT state FROM _tieout_state WHERE lower(table_name) = lower(?)", [table]).fetchall()
    return read_state(table, rows[0][0]) if rows else None


def every(db: duckdb.DuckDBPyConnection) -> list[TableState]:
    """The states of all tables, by name."""
    if not has_table(db, "_tieout_state"):
        return []
    rows = db.execute("SELECT table_name, state FROM _tieout_state ORDER BY 1").fetchall()
    return [read_state(name, text) for name, text in rows]


def keep(db: duckdb.DuckDBPyConnection, state: TableState) -> None:
    """Store a state in the place of the one before."""
    db.execute("DELETE FROM _tieout_state WHERE lower(table_name) = lower(?)", [state.table])
    values = [state.table, state.object, state.company, state.entity, state.watermark, state.rows, state.run]
    db.execute("INSERT INTO _tieout_state VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", [*values, state.version, state.text()])


def describe(db: duckdb.DuckDBPyConnection, commit: Commit) -> None:
    """Tell people what the columns of a table are, where that has changed."""
    import pyarrow as pa

    own, table = "_tieout_columns WHERE lower(table_name) = lower(?)", commit.after.table
    rows = db.execute(f"SELECT path, since, gone FROM {own}", [table]).fetchall()
    known = {path: (since, gone) for path, since, gone in rows}
    if known and not columns_changed(commit):
        return
    db.execute(f"DELETE FROM {own}", [table])
    # All at once: a statement for each of sixty columns takes longer than the rest of a small commit.
    columns = [pa.array(values, pa.string()) for values in zip(*described(commit, known), strict=True)]
    db.register("_tieout_described_in", pa.table(columns, names=[str(at) for at in range(len(columns))]))
    db.execute("INSERT INTO _tieout_columns SELECT * FROM _tieout_described_in")


def check(db: duckdb.DuckDBPyConnection, state: TableState, place: str) -> None:
    """Raises StoreError where a table is not as its state says."""
    types = columns_of(db, state.table)
    if not types:
        raise StoreError(f"Table {state.table} is gone from {place}, but its state is not.", advice=AGAIN)
    for column in state.columns:
        found = types.get(column.name)
        if found is None:
            raise StoreError(f"Table {state.table} has lost its column {column.name}.", advice=AGAIN)
        if found != sql_type(column):
            raise StoreError(
                f"Column {column.name} of table {state.table} is {found}; tieout made it {sql_type(column)}.",
                advice=AGAIN,
            )


def damage(db: duckdb.DuckDBPyConnection, state: TableState, place: str) -> str:
    """What `check` finds, as a sentence."""
    try:
        check(db, state, place)
    except StoreError as error:
        return error.message
    return ""


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


def widened(name: str, new: Column, *, stamp: bool) -> str:
    """An expression for a quoted column in a wider type; text is spelt as `Batch.columns` spells it. `stamp`: it was a
    column of moments."""
    if not stamp:
        return f"CAST({name} AS {sql_type(new)})"
    form, utc = "%Y-%m-%dT%H:%M:%S", f"{name} AT TIME ZONE 'UTC'"
    whole = f"date_trunc('second', {name}) = {name}"
    return f"CASE WHEN {whole} THEN strftime({utc}, '{form}Z') ELSE strftime({utc}, '{form}.%fZ') END"


def number(db: duckdb.DuckDBPyConnection, sql: str, parameters: Sequence[Any] = ()) -> int:
    """The first value of the answer, 0 where there is none."""
    rows = db.execute(sql, list(parameters)).fetchall()
    return int(rows[0][0]) if rows else 0
