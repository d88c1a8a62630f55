"""What tieout keeps beside the rows in SQLite and PostgreSQL: its own tables, the states, and how a table must look.

Statements only: which transaction they run in, the caller knows.
"""

# ruff: noqa: S608 - statements are built from quoted identifiers only; values are bound

from __future__ import annotations

from tieout.errors import StoreError
from tieout.pull.destinations.base import AGAIN, Commit
from tieout.pull.destinations.columns import columns_changed, described
from tieout.pull.destinations.sql_session import Session
from tieout.pull.destinations.state import TableState, read_state
from tieout.pull.schema.names import DELETED
from tieout.pull.schema.types import Column, Kind

LIVE = f"{DELETED} IS NULL"
KEY = Column(path="key", name="key", kind=Kind.TEXT)

_TABLES = {
    "_tieout_state": "table_name TEXT NOT NULL, object TEXT, company TEXT, entity TEXT, watermark TEXT, rows BIGINT,"
    " run TEXT, version BIGINT NOT NULL, state TEXT NOT NULL",
    "_tieout_misfits": 'table_name TEXT NOT NULL, object TEXT, key TEXT, field TEXT, raw TEXT, run TEXT, "at" TEXT',
    "_tieout_seen": "table_name TEXT NOT NULL, key TEXT NOT NULL, PRIMARY KEY (table_name, key)",
    "_tieout_columns": "table_name TEXT NOT NULL, path TEXT NOT NULL, column_name TEXT NOT NULL, type TEXT NOT NULL,"
    " label TEXT, since TEXT, gone TEXT",
}
LAST = next(reversed(_TABLES))
"""The last one to be made: where it is, all are."""


def ensure_system(db: Session) -> None:
    """Make tieout's own tables where they are not there yet."""
    if db.has_table(LAST):
        return
    db.ensure_place()
    for name, body in _TABLES.items():
        db.run(f"CREATE TABLE IF NOT EXISTS {db.name(name)} ({body})")


def of_table(db: Session) -> str:
    """The condition for the rows of one table in tieout's own."""
    return f"lower(table_name) = lower({db.mark})"


def moment(name: str) -> Column:
    """A column of moments, by its name in the table."""
    return Column(path=name, name=name, kind=Kind.TIMESTAMP)


def seen_as(table: str) -> str:
    """How `_tieout_seen` calls a table: its index is by this."""
    return table.lower()


def stored(db: Session, table: str) -> TableState | None:
    """The state of a table. Raises StoreError for that of a newer tieout."""
    if not db.has_table("_tieout_state"):
        return None
    rows = db.rows(f"SELECT state FROM {db.name('_tieout_state')} WHERE {of_table(db)}", [table])
    return read_state(table, rows[0][0]) if rows else None


def every(db: Session) -> list[TableState]:
    """The states of all tables, by name."""
    if not db.has_table("_tieout_state"):
        return []
    rows = db.rows(f"SELECT table_name, state FROM {db.name('_tieout_state')}")
    return [read_state(name, text) for name, text in sorted(rows)]


def keep(db: Session, state: TableState) -> None:
    """Store a state in the place of the one before."""
    own = db.name("_tieout_state")
    db.run(f"DELETE FROM {own} WHERE {of_table(db)}", [state.table])
    values = [state.table, state.object, state.company, state.entity, state.watermark, state.rows, state.run]
    marks = ", ".join([db.mark] * 9)
    db.run(f"INSERT INTO {own} VALUES ({marks})", [*values, state.version, state.text()])


def describe(db: Session, commit: Commit) -> None:
    """Tell people what the columns of a table are, where that has changed."""
    own, table = db.name("_tieout_columns"), commit.after.table
    sql = f"SELECT path, since, gone FROM {own} WHERE {of_table(db)}"
    known = {path: (since, gone) for path, since, gone in db.rows(sql, [table])}
    if known and not columns_changed(commit):
        return
    db.run(f"DELETE FROM {own} WHERE {of_table(db)}", [table])
    marks = ", ".join([db.mark] * 7)
    for row in described(commit, known):
        db.run(f"INSERT INTO {own} VALUES ({marks})", row)


def forget(db: Session, table: str) -> None:
    """All that is kept of a table."""
    for name in ("_tieout_state", "_tieout_misfits", "_tieout_columns"):
        if db.has_table(name):
            db.run(f"DELETE FROM {db.name(name)} WHERE {of_table(db)}", [table])
    forget_seen(db, table)


def unseen(db: Session) -> str:
    """The condition for rows of a table `t` that were not seen; binds its name, as `seen_as` gives it."""
    own = db.name("_tieout_seen")
    return f'NOT EXISTS (SELECT 1 FROM {own} s WHERE s.table_name = {db.mark} AND s.key = t."key")'


def forget_seen(db: Session, table: str) -> None:
    """The keys that a read has kept."""
    db.run(f"DELETE FROM {db.name('_tieout_seen')} WHERE table_name = {db.mark}", [seen_as(table)])


def check(db: Session, state: TableState) -> None:
    """Raises StoreError where a table is not as its state says."""
    types = db.types(state.table)
    if not types:
        raise StoreError(f"Table {state.table} is gone from {db.place}, but its state is not.", advice=AGAIN)
    expected = {column.name: db.sql_type(column) for column in state.columns} | {DELETED: db.stamp}
    for name, wanted in expected.items():
        found = types.get(name)
        if found is None:
            raise StoreError(f"Table {state.table} has lost its column {name}.", advice=AGAIN)
        if found != wanted:
            raise StoreError(
                f"Column {name} of table {state.table} is {found or 'of no type'}; tieout made it {wanted}.",
                advice=AGAIN,
            )


def damage(db: Session, state: TableState) -> str:
    """What `check` finds, as a sentence."""
    try:
        check(db, state)
    except StoreError as error:
        return error.message
    return ""
