"""One commit into SQLite or PostgreSQL: statements of one transaction, which the caller begins and ends."""

# ruff: noqa: S608 - statements are built from quoted identifiers only; values are bound

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from tieout.errors import StoreError
from tieout.pull.destinations.base import Child, Commit, Committed, counted, refuse_overtaken
from tieout.pull.destinations.sql_session import Session
from tieout.pull.destinations.sql_system import (
    LIVE,
    check,
    describe,
    ensure_system,
    forget_seen,
    keep,
    of_table,
    seen_as,
    stored,
    unseen,
)
from tieout.pull.destinations.state import TableState
from tieout.pull.destinations.views import make_way
from tieout.pull.schema.names import DELETED, SYNCED
from tieout.pull.schema.types import Column

_GONE = "_tieout_gone"


class _Known(msgspec.Struct, frozen=True):
    """Rows of a table, before or after something was done to them."""

    rows: int
    live: int
    unstamped: int
    """Live, and without a stamp."""


def write(db: Session, commit: Commit) -> Committed:
    """All of a commit. Raises BusyError and StoreError; then the transaction is to be rolled back."""
    befores = [commit.before, *(child.state for child in commit.children)]
    db.lock([before.table for before in befores])
    ensure_system(db)
    for before in befores:
        found = stored(db, before.table)
        refuse_overtaken(before, found, db.place)
        if found is not None:
            check(db, found)
    _ensure_table(db, commit)
    new, changed, live, unstamped = _merge(db, commit)
    done = Committed(state=commit.after, new=new, changed=changed, lines_gone=_replace_lines(db, commit))
    hard, gone = _find_gone(db, commit)
    if gone:
        for child in commit.children:
            state, lines = _follow(db, child, commit, hard=hard)
            done.children[state.table], done.children_gone = state, done.children_gone + lines
        done.gone = _remove(db, commit.after.table, f'"key" IN (SELECT key FROM {_GONE})', [], commit.synced, hard=hard)
    _keep_misfits(db, commit)
    if commit.touches_rows and not _adds_up(commit):
        all_rows = _known(db, commit.after, LIVE)
        live, unstamped = all_rows.live, all_rows.unstamped
    done.state = counted(commit, rows=live, unstamped=unstamped)
    keep(db, done.state)
    describe(db, commit)
    return done


def _adds_up(commit: Commit) -> bool:
    """Whether it goes on with a long read, or ends one, that this run has written before, and takes no row away. Then
    its counts follow from those before: to count the table after each of them would take longer than to write it."""
    before, after = commit.before, commit.after
    removes = commit.lines is not None or commit.gone is not None or (commit.seen is not None and commit.seen.last)
    same = not before.version or (before.stamp == after.stamp and before.run == after.run)
    return (before.backfill is not None or after.backfill is not None) and same and not removes


def _ensure_table(db: Session, commit: Commit) -> None:
    state = commit.after
    table = db.name(state.table)
    if not commit.before.version:
        if db.has_table(state.table):
            raise StoreError(
                f"{db.place} already has a table {state.table} that tieout did not make.",
                advice="Set `table` to another name, or remove that table.",
            )
        body = [
            f"{db.quote(c.name)} {db.sql_type(c)}{' PRIMARY KEY NOT NULL' * (c.name == 'key')}" for c in state.columns
        ]
        db.run(f"CREATE TABLE {table} ({', '.join(body)}, {DELETED} {db.stamp}, {SYNCED} {db.stamp})")
        return
    _ensure_synced(db, state.table)
    had = {column.name: column for column in commit.before.columns}
    if any(_wider(had.get(column.name), column) for column in state.columns):
        make_way(db)
    for column in state.columns:
        old = had.get(column.name)
        if old is None:
            db.run(f"ALTER TABLE {table} ADD COLUMN {db.quote(column.name)} {db.sql_type(column)}")
        elif _wider(old, column):
            db.retype(state.table, old, column)


def _wider(old: Column | None, new: Column) -> bool:
    return old is not None and (old.kind, old.scale) != (new.kind, new.scale)


def _ensure_synced(db: Session, table: str) -> None:
    if SYNCED not in db.types(table):  # it was made before there was such a column
        db.run(f"ALTER TABLE {db.name(table)} ADD COLUMN {SYNCED} {db.stamp}")


def _merge(db: Session, commit: Commit) -> tuple[int, int, int, int]:
    """new, changed, and what the state then says of the table where nothing else is done: live, unstamped."""
    before, after, batch = commit.before, commit.after, commit.batch
    if not batch.rows:
        return 0, 0, before.rows, before.unstamped
    without = batch.nulls(after.stamp) if after.stamp else 0
    if _brings_new_rows(commit) and db.fill(after.table, batch, commit.synced):
        return batch.rows, 0, before.rows + batch.rows, before.unstamped + without
    old = _known(db, after, f'"key" {db.among()}', [db.listed(batch.keys)])
    touched = db.merge(after.table, batch, commit.synced)
    new = batch.rows - old.rows
    if after.stamp and all(column.name != after.stamp for column in batch.of):
        without = old.unstamped + new  # the stamps of rows that were there are left as they are
    return new, touched - new, before.rows + batch.rows - old.live, before.unstamped + without - old.unstamped


def _brings_new_rows(commit: Commit) -> bool:
    """Whether a row of it that is there already would be a surprise: the first read of a table, or the rest of one."""
    backfill = commit.before.backfill
    begun = backfill is not None and backfill.kind == "full" and not backfill.marking
    return not commit.before.version or begun


def _known(db: Session, state: TableState, where: str, values: Sequence[Any] = ()) -> _Known:
    unstamped = f"count(*) FILTER (WHERE {LIVE} AND {db.quote(state.stamp)} IS NULL)" if state.stamp else "0"
    counts = f"count(*), count(*) FILTER (WHERE {LIVE}), {unstamped}"
    ((rows, live, without),) = db.rows(f"SELECT {counts} FROM {db.name(state.table)} WHERE {where}", values)
    return _Known(int(rows), int(live), int(without))


def _replace_lines(db: Session, commit: Commit) -> int:
    lines = commit.lines
    if lines is None:
        return 0
    left = f'{db.quote(lines.column)} {db.among()} AND NOT "key" {db.among()}'
    values = [db.listed(lines.owners), db.listed(lines.present)]
    return _remove(db, commit.after.table, left, values, commit.synced, hard=lines.hard)


def _find_gone(db: Session, commit: Commit) -> tuple[bool, int]:
    """Leave the keys of live rows that are gone in a temporary table -> whether they go hard, how many."""
    table = commit.after.table
    conditions: list[str] = []
    values: list[Any] = []
    hard = False
    if commit.gone is not None and commit.gone.keys:
        conditions.append(f'"key" {db.among()}')
        values.append(db.listed(commit.gone.keys))
        hard = commit.gone.hard
    if _keep_seen(db, commit):
        conditions.append(unseen(db))
        values.append(seen_as(table))
        hard = hard or (commit.seen is not None and commit.seen.hard)
    if not conditions:
        return hard, 0
    found = f'SELECT "key" AS key FROM {db.name(table)} t WHERE {LIVE} AND ({" OR ".join(conditions)})'
    db.temporary(_GONE, found, values)
    if commit.seen is not None and commit.seen.last:
        forget_seen(db, table)
    return hard, db.number(f"SELECT count(*) FROM {_GONE}")


def _keep_seen(db: Session, commit: Commit) -> bool:
    """Keep the keys of a read whose end tells which rows are gone -> whether this is its end."""
    if commit.seen is None:
        return False
    if commit.seen.first:
        forget_seen(db, commit.after.table)
    arrived = [*commit.batch.keys, *commit.seen.keys]
    if arrived:
        keys = f"SELECT CAST({db.mark} AS TEXT), k.key FROM ({db.each}) AS k WHERE true"
        insert = f"INSERT INTO {db.name('_tieout_seen')} (table_name, key) {keys} ON CONFLICT DO NOTHING"
        db.run(insert, [seen_as(commit.after.table), db.listed(arrived)])
    return commit.seen.last


def _follow(db: Session, child: Child, commit: Commit, *, hard: bool) -> tuple[TableState, int]:
    """Lines of documents that are gone go with them."""
    table = child.state.table
    _ensure_synced(db, table)
    owned = f"{db.quote(child.owner)} IN (SELECT key FROM {_GONE})"
    lines = _remove(db, table, owned, [], commit.synced, hard=hard)
    left = _known(db, child.state, LIVE)
    state = msgspec.structs.replace(
        child.state, version=child.state.version + 1, rows=left.live, unstamped=left.unstamped
    )
    keep(db, state)
    return state, lines


def _remove(db: Session, table: str, which: str, values: Sequence[Any], moment: str, *, hard: bool) -> int:
    """Mark live rows deleted, or delete them with their misfits -> how many."""
    if not hard:
        marked = f"{DELETED} = {db.mark}, {SYNCED} = {db.mark}"
        return db.run(f"UPDATE {db.name(table)} SET {marked} WHERE {LIVE} AND {which}", [moment, moment, *values])
    left = f'SELECT "key" FROM {db.name(table)} WHERE {LIVE} AND {which}'
    sql = f"DELETE FROM {db.name('_tieout_misfits')} WHERE {of_table(db)} AND key IN ({left})"
    db.run(sql, [table, *values])
    return db.run(f"DELETE FROM {db.name(table)} WHERE {LIVE} AND {which}", values)


def _keep_misfits(db: Session, commit: Commit) -> None:
    state, own = commit.after, db.name("_tieout_misfits")
    if commit.batch.rows and db.rows(f"SELECT 1 FROM {own} WHERE {of_table(db)} LIMIT 1", [state.table]):
        sql = f"DELETE FROM {own} WHERE {of_table(db)} AND key {db.among()}"
        db.run(sql, [state.table, db.listed(commit.batch.keys)])
    for raw in {misfit.raw for misfit in commit.misfits if not misfit.key}:
        db.run(f"DELETE FROM {own} WHERE {of_table(db)} AND key = '' AND raw = {db.mark}", [state.table, raw])
    marks = ", ".join([db.mark] * 7)
    rows = [
        [state.table, state.object, misfit.key, misfit.field, misfit.raw, state.run, commit.synced]
        for misfit in commit.misfits
    ]
    if rows:
        db.run_each(f"INSERT INTO {own} VALUES ({marks})", rows)
