"""One commit into a DuckDB file: statements of one transaction, which the caller begins and ends."""

# ruff: noqa: S608 - statements are built from quoted identifiers only; values are bound

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from tieout.errors import StoreError
from tieout.pull.destinations.base import Child, Commit, Committed, counted, refuse_overtaken
from tieout.pull.destinations.columns import columns_changed
from tieout.pull.destinations.duckdb_system import (
    UNSEEN,
    check,
    describe,
    ensure_system,
    has_mark,
    has_table,
    keep,
    number,
    quote,
    sql_type,
    stored,
    widened,
)
from tieout.pull.destinations.duckdb_views import make_way
from tieout.pull.destinations.state import TableState
from tieout.pull.schema.names import DELETED, SYNCED
from tieout.pull.schema.types import Column, Kind

if TYPE_CHECKING:
    import duckdb

Connection: TypeAlias = "duckdb.DuckDBPyConnection"

_STAMP = "TIMESTAMP WITH TIME ZONE"
COLUMNS_A_STEP = 50
"""Columns that one statement compares or sets."""
CELLS_AT_ONCE = 10_000
"""Rows times columns that are set without a look which of the columns differ."""


def write(db: Connection, commit: Commit, place: str) -> Committed:
    """All of a commit. Raises BusyError and StoreError; then the transaction is to be rolled back."""
    if not commit.touches_rows:
        return _write_state(db, commit, place)
    ensure_system(db)
    _compare_and_check(db, [commit.before, *(child.state for child in commit.children)], place)
    _ensure_table(db, commit, place)
    new, changed = _merge(db, commit)
    done = Committed(state=commit.after, new=new, changed=changed, lines_gone=_replace_lines(db, commit))
    hard, gone = _find_gone(db, commit)
    if gone:
        for child in commit.children:
            state, lines = _follow(db, child, commit, hard=hard)
            done.children[state.table], done.children_gone = state, done.children_gone + lines
        done.gone = _remove(db, commit.after.table, '"key" IN (SELECT key FROM _tieout_gone)', commit.synced, hard=hard)
    _keep_misfits(db, commit)
    rows, unstamped = count(db, commit.after)
    done.state = counted(commit, rows=rows, unstamped=unstamped)
    keep(db, done.state)
    describe(db, commit)
    return done


def _write_state(db: Connection, commit: Commit, place: str) -> Committed:
    """A commit of a pull that found nothing: to look at the rows would take longer than all else of it."""
    _compare_and_check(db, [commit.before], place)
    state = counted(commit, rows=commit.before.rows, unstamped=commit.before.unstamped)
    keep(db, state)
    if columns_changed(commit):
        describe(db, commit)
    return Committed(state=state)


def _compare_and_check(db: Connection, befores: Iterable[TableState], place: str) -> None:
    for before in befores:
        found = stored(db, before.table)
        refuse_overtaken(before, found, place)
        if found is not None:
            check(db, found, place)


def _ensure_table(db: Connection, commit: Commit, place: str) -> None:
    table = quote(commit.after.table)
    if not commit.before.version:
        if has_table(db, commit.after.table):
            raise StoreError(
                f"{place} already has a table {commit.after.table} that tieout did not make.",
                advice="Set `table` to another name, or remove that table.",
            )
        body = ", ".join(f"{quote(c.name)} {sql_type(c)}" for c in commit.after.columns)
        db.execute(f"CREATE TABLE {table} ({body}, {DELETED} {_STAMP}, {SYNCED} {_STAMP})")
        return
    _ensure_marks(db, commit.after.table)
    had = {column.name: column for column in commit.before.columns}
    if any(c.name in had and sql_type(had[c.name]) != sql_type(c) for c in commit.after.columns):
        make_way(db)
    for column in commit.after.columns:
        old = had.get(column.name)
        if old is None:
            db.execute(f"ALTER TABLE {table} ADD COLUMN {quote(column.name)} {sql_type(column)}")
        elif sql_type(old) != sql_type(column):
            _retype(db, commit.after.table, old, column)


def _ensure_marks(db: Connection, table: str) -> None:
    for mark in (DELETED, SYNCED):
        if not has_mark(db, table, mark):
            db.execute(f"ALTER TABLE {quote(table)} ADD COLUMN {mark} {_STAMP}")


def _retype(db: Connection, table: str, old: Column, new: Column) -> None:
    """Give a column a wider type, in place; text is spelt as `Batch.columns` spells it."""
    import duckdb

    name = quote(new.name)
    value = widened(name, new, stamp=old.kind is Kind.TIMESTAMP)
    try:
        db.execute(f"ALTER TABLE {quote(table)} ALTER COLUMN {name} SET DATA TYPE {sql_type(new)} USING {value}")
    except (duckdb.CatalogException, duckdb.DependencyException):
        raise StoreError(
            f"Column {new.name} of table {table} needs a wider type, but an index of yours rests on the table.",
            advice="Drop that index, run the command again, and make it anew.",
        ) from None
    except duckdb.ConversionException:
        raise too_long(new, table) from None


def too_long(column: Column, table: str) -> StoreError:
    """What is said where a value does not fit into the wider type of its column."""
    return StoreError(
        f"A number in column {column.name} of table {table} is too long for {sql_type(column)}.",
        advice=f'Keep it as text: types = {{ "{column.path}" = "text" }} in the section.',
    )


def _merge(db: Connection, commit: Commit) -> tuple[int, int]:
    """Put the rows in by key -> how many are new, how many differed.

    In narrow steps: one statement over all columns, `MERGE` above all, needs memory for each of them in each thread.
    Keys that were there are in `_tieout_there` afterwards, those whose rows differed in `_tieout_changed`."""
    table = quote(commit.after.table)
    if not commit.batch.rows:
        return 0, 0
    for name in ("_tieout_there", "_tieout_changed"):
        db.execute(f"CREATE OR REPLACE TEMP TABLE {name} (key VARCHAR)")
    db.register("_tieout_batch_in", commit.batch.arrow())
    listed = ", ".join(quote(column.name) for column in commit.batch.of)
    there = _there(db, commit.after.table)
    changed = _update(db, commit, there) if there else 0
    if there < commit.batch.rows:
        into = f"INSERT INTO {table} ({listed}, {SYNCED})"
        rest = 's ANTI JOIN _tieout_there h ON h.key = s."key"' if there else ""
        db.execute(f"{into} SELECT {listed}, CAST(? AS TIMESTAMPTZ) FROM _tieout_batch_in {rest}", [commit.synced])
    return commit.batch.rows - there, changed


def _there(db: Connection, table: str) -> int:
    """Find the keys of a batch that the table has -> how many. Of rows that somebody has doubled one is left."""
    if not number(db, f"SELECT count(*) FROM {quote(table)}"):
        return 0
    matched = f'FROM {quote(table)} t JOIN _tieout_batch_in s ON t."key" = s."key"'
    found = number(db, f'INSERT INTO _tieout_there SELECT t."key" {matched}')
    there = number(db, "SELECT count(DISTINCT key) FROM _tieout_there")
    if there < found and not has_mark(db, table, "rowid"):
        place = 'row_number() OVER (PARTITION BY t."key" ORDER BY t.rowid)'
        doubled = f"SELECT id FROM (SELECT t.rowid AS id, {place} AS place {matched}) WHERE place > 1"
        db.execute(f"DELETE FROM {quote(table)} WHERE rowid IN ({doubled})")
    return there


def _update(db: Connection, commit: Commit, there: int) -> int:
    """Set what differs in the rows that are there, so many -> in how many of them something did."""
    table, which = quote(commit.after.table), "IN (SELECT key FROM _tieout_changed)"
    again = "_tieout_batch_in s"
    if there < commit.batch.rows:
        again = '(SELECT b.* FROM _tieout_batch_in b SEMI JOIN _tieout_there h ON h.key = b."key") s'
    names = [quote(column.name) for column in commit.batch.of if column.name != "key"]
    for condition in [*(_differ(part) for part in _parts(names)), f"t.{DELETED} IS NOT NULL"]:
        matched = f'FROM {table} t JOIN {again} ON t."key" = s."key" WHERE ({condition})'
        db.execute(f'INSERT INTO _tieout_changed SELECT DISTINCT s."key" {matched} AND s."key" NOT {which}')
    changed = number(db, "SELECT count(*) FROM _tieout_changed")
    if not changed:
        return 0
    source = f'(SELECT * FROM _tieout_batch_in WHERE "key" {which}) s'
    with _in_order(db):
        for part in _parts(names):
            setting = part if changed * len(part) <= CELLS_AT_ONCE else _differing(db, part, f"{table} t, {source}")
            if setting:
                values = ", ".join(f"{name} = s.{name}" for name in setting)
                db.execute(f'UPDATE {table} t SET {values} FROM {source} WHERE t."key" = s."key"')
    marks = f"{DELETED} = NULL, {SYNCED} = CAST(? AS TIMESTAMPTZ)"
    db.execute(f'UPDATE {table} SET {marks} WHERE "key" {which}', [commit.synced])
    return changed


def _differing(db: Connection, names: Sequence[str], both: str) -> list[str]:
    """Which of some columns are not the same in all rows."""
    flags = ", ".join(f"bool_or({_differ([name])})" for name in names)
    (found,) = db.execute(f'SELECT {flags} FROM {both} WHERE t."key" = s."key"').fetchall()
    return [name for name, differs in zip(names, found, strict=True) if differs]


@contextmanager
def _in_order(db: Connection) -> Iterator[None]:
    """Have an UPDATE go through its table from beginning to end, its source looked up: where DuckDB turns that round,
    each lot of the source changes rows all over the table, and every lot keeps a copy of every part it touches.

    After an error the setting goes with the instance, which is closed then: in a transaction that has failed DuckDB
    takes no statement, and what it says of that would hide the error."""
    db.execute("SET disabled_optimizers = 'join_order,build_side_probe_side'")
    yield
    db.execute("RESET disabled_optimizers")


def _differ(names: Sequence[str]) -> str:
    return " OR ".join(f"t.{name} IS DISTINCT FROM s.{name}" for name in names)


def _parts(names: Sequence[str]) -> list[Sequence[str]]:
    return [names[at : at + COLUMNS_A_STEP] for at in range(0, len(names), COLUMNS_A_STEP)]


def _replace_lines(db: Connection, commit: Commit) -> int:
    lines = commit.lines
    if lines is None:
        return 0
    _keys(db, "_tieout_owners_in", lines.owners)
    _keys(db, "_tieout_present_in", lines.present)
    owned = f"{quote(lines.column)} IN (SELECT key FROM _tieout_owners_in)"
    left = f'{owned} AND "key" NOT IN (SELECT key FROM _tieout_present_in)'
    return _remove(db, commit.after.table, left, commit.synced, hard=lines.hard)


def _find_gone(db: Connection, commit: Commit) -> tuple[bool, int]:
    """Leave the keys of live rows that are gone in a temporary table -> whether they go hard, how many."""
    table, selects, hard = commit.after.table, [], False
    if commit.gone is not None and commit.gone.keys:
        _keys(db, "_tieout_missing_in", commit.gone.keys)
        selects.append('"key" IN (SELECT key FROM _tieout_missing_in)')
        hard = commit.gone.hard
    if _keep_seen(db, commit):
        selects.append(UNSEEN)
        hard = hard or (commit.seen is not None and commit.seen.hard)
    db.execute("DROP TABLE IF EXISTS temp._tieout_gone")
    if not selects:
        return hard, 0
    found = f'SELECT "key" AS key FROM {quote(table)} WHERE {DELETED} IS NULL AND ({" OR ".join(selects)})'
    gone = number(db, f"CREATE TEMP TABLE _tieout_gone AS {found}", [table] if "$1" in found else [])
    if commit.seen is not None and commit.seen.last:
        db.execute("DELETE FROM _tieout_seen WHERE lower(table_name) = lower(?)", [table])
    return hard, gone


def _keep_seen(db: Connection, commit: Commit) -> bool:
    """Keep the keys of a read whose end tells which rows are gone -> whether this is its end."""
    if commit.seen is None:
        return False
    if commit.seen.first:
        db.execute("DELETE FROM _tieout_seen WHERE lower(table_name) = lower(?)", [commit.after.table])
    if commit.batch.rows or commit.seen.keys:
        _keys(db, "_tieout_arrived_in", [*commit.batch.keys, *commit.seen.keys])
        db.execute("INSERT INTO _tieout_seen SELECT ?, key FROM _tieout_arrived_in", [commit.after.table])
    return commit.seen.last


def _follow(db: Connection, child: Child, commit: Commit, *, hard: bool) -> tuple[TableState, int]:
    """Lines of documents that are gone go with them."""
    table = child.state.table
    _ensure_marks(db, table)
    owned = f"{quote(child.owner)} IN (SELECT key FROM _tieout_gone)"
    lines = _remove(db, table, owned, commit.synced, hard=hard)
    rows, unstamped = count(db, child.state)
    state = msgspec.structs.replace(child.state, version=child.state.version + 1, rows=rows, unstamped=unstamped)
    keep(db, state)
    return state, lines


def _remove(db: Connection, table: str, which: str, moment: str, *, hard: bool) -> int:
    """Mark live rows deleted, or delete them -> how many."""
    if hard:
        return _forget(db, table, f"{DELETED} IS NULL AND {which}")
    at = "CAST($1 AS TIMESTAMPTZ)"
    sql = f"UPDATE {quote(table)} SET {DELETED} = {at}, {SYNCED} = {at} WHERE {DELETED} IS NULL AND {which}"
    return number(db, sql, [moment])


def _forget(db: Connection, table: str, which: str) -> int:
    """Delete rows, with what is kept of their misfits -> how many."""
    left = f'SELECT "key" FROM {quote(table)} WHERE {which}'
    db.execute(f"DELETE FROM _tieout_misfits WHERE lower(table_name) = lower(?) AND key IN ({left})", [table])
    return number(db, f"DELETE FROM {quote(table)} WHERE {which}")


def _keep_misfits(db: Connection, commit: Commit) -> None:
    table, state = commit.after.table, commit.after
    of_table = "FROM _tieout_misfits WHERE lower(table_name) = lower(?)"
    if commit.batch.rows and number(db, f"SELECT count(*) {of_table}", [table]):
        db.register("_tieout_reread_in", commit.batch.arrow().select(["key"]))
        db.execute(f"DELETE {of_table} AND key IN (SELECT key FROM _tieout_reread_in)", [table])
    if not commit.misfits:
        return
    import pyarrow as pa

    names = ("key", "field", "raw")
    found = pa.table({name: pa.array([getattr(m, name) for m in commit.misfits], pa.string()) for name in names})
    db.register("_tieout_misfits_in", found)
    keyless = "key = '' AND (field, raw) IN (SELECT (field, raw) FROM _tieout_misfits_in)"
    db.execute(f"DELETE {of_table} AND {keyless}", [table])
    sql = "INSERT INTO _tieout_misfits SELECT ?, ?, key, field, raw, ?, ? FROM _tieout_misfits_in"
    db.execute(sql, [table, state.object, state.run, commit.synced])


def count(db: Connection, state: TableState) -> tuple[int, int]:
    """Live rows, and those of them without a stamp."""
    unstamped = f"count(*) FILTER ({quote(state.stamp)} IS NULL)" if state.stamp else "0"
    ((rows, without),) = db.execute(
        f"SELECT count(*), {unstamped} FROM {quote(state.table)} WHERE {DELETED} IS NULL"
    ).fetchall()
    return int(rows), int(without)


def _keys(db: Connection, name: str, keys: Sequence[str]) -> None:
    import pyarrow as pa

    db.register(name, pa.table({"key": pa.array(list(keys), pa.string())}))
