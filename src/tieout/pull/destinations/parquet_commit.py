"""One commit into a folder of Parquet files: at most one new file a table, and what the manifest then says.

Rows that are certainly new are written as they come. For all else the rows that a commit may touch are put into DuckDB,
the commit is carried out there as in a DuckDB file, and what differs afterwards is written. Knows columns and states.
"""

# ruff: noqa: S608 - statements are built from quoted names only

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from tieout.errors import StoreError
from tieout.pull.destinations import duckdb_commit
from tieout.pull.destinations.base import Child, Commit, Committed, counted, refuse_overtaken
from tieout.pull.destinations.batch import Batch
from tieout.pull.destinations.columns import columns_changed, described
from tieout.pull.destinations.duckdb_system import ensure_system, keep, number, quote, sql_type
from tieout.pull.destinations.parquet_manifest import ChangeFile, Folder, Manifest, TableFiles
from tieout.pull.destinations.parquet_reading import (
    REMOVED,
    VERSION,
    check,
    engine,
    relation,
    scan_paths,
    shape_of,
)
from tieout.pull.destinations.state import TableState
from tieout.pull.schema.names import DELETED, SYNCED
from tieout.pull.schema.types import arrow_type

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

_MISFIT = ("key", "field", "raw", "run", "at")


def write(folder: Folder, manifest: Manifest, commit: Commit) -> Committed:
    """Write the files of a commit and say so in `manifest`, which is not yet in force. Raises BusyError, StoreError."""
    for before in (commit.before, *(child.state for child in commit.children)):
        refuse_overtaken(before, manifest.state(before.table), str(folder.path))
        if (found := manifest.find(before.table)) is not None:
            check(folder.path, before.table, found)
    table = _table(folder, manifest, commit)
    if _is_new(table, commit):
        done = _append(folder, table, commit)
        hard_gone: Sequence[str] = ()
    else:
        done, hard_gone = _work(folder, manifest, table, commit)
    _keep_misfits(folder, manifest, table, commit, hard_gone)
    _keep_seen(folder, table, commit)
    if columns_changed(commit) or not table.columns:
        known = {str(row[0]): (row[4], row[5]) for row in table.columns}
        table.columns = [row[1:] for row in described(commit, known)]
    table.last_key = _last_key(table.last_key, commit.batch.keys)
    table.state = done.state.text()
    return done


def _table(folder: Folder, manifest: Manifest, commit: Commit) -> TableFiles:
    name = commit.after.table
    found = manifest.find(name)
    if found is None:
        folder.sweep_table(name, manifest.live())
        if folder.is_theirs(name):
            raise StoreError(
                f"{folder.path} already has something called {name} that tieout did not make.",
                advice="Set `table` to another name, or remove it.",
            )
        found = manifest.tables[name] = TableFiles(state="")
    return found


def _is_new(table: TableFiles, commit: Commit) -> bool:
    """Whether all it does is add rows that are certainly not there."""
    busy = commit.lines is not None or bool(commit.gone and commit.gone.keys) or (commit.seen and commit.seen.last)
    retyped = {c.name: c for c in commit.before.columns}
    if busy or any(retyped.get(c.name, c) != c for c in commit.after.columns):
        return False
    if commit.before.version and commit.before.stamp != commit.after.stamp:
        return False
    if not table.files or not commit.batch.rows:
        return True
    return table.last_key is not None and (_first_key(commit.batch.keys) or 0) > table.last_key


def _append(folder: Folder, table: TableFiles, commit: Commit) -> Committed:
    before, batch = commit.before, commit.batch
    if batch.rows:
        _put(folder, table, commit.after.table, before.version + 1, _rows(batch, commit.synced), fresh=True)
    without = batch.nulls(commit.after.stamp) if commit.after.stamp else 0
    state = counted(commit, rows=before.rows + batch.rows, unstamped=before.unstamped + without)
    return Committed(state=state, new=batch.rows)


def _rows(batch: Batch, synced: str) -> pa.Table:
    """The rows of a batch as a change file has them."""
    import pyarrow as pa

    data, stamp = batch.arrow(), pa.timestamp("us", "UTC")
    nothing = pa.nulls(batch.rows, stamp)
    moment = pa.repeat(pa.scalar(synced).cast(stamp), batch.rows)
    return data.append_column(DELETED, nothing).append_column(SYNCED, moment)


def _put(
    folder: Folder,
    table: TableFiles,
    name: str,
    version: int,
    rows: pa.Table,
    *,
    removed: Sequence[str] = (),
    fresh: bool = False,
) -> None:
    """A change file of these rows, and of keys of which there is no row any more."""
    import pyarrow as pa

    columns = rows.schema
    rows = rows.append_column(REMOVED, pa.repeat(False, rows.num_rows))
    if removed:
        gone = {"key": pa.array(list(removed), pa.string()), REMOVED: pa.repeat(True, len(removed))}
        nothing = [gone.get(f.name, pa.nulls(len(removed), f.type)) for f in rows.schema]
        rows = pa.concat_tables([rows, pa.table(nothing, schema=rows.schema)])
    rows = rows.append_column(VERSION, pa.repeat(pa.scalar(version, pa.int64()), rows.num_rows))
    shape = shape_of(columns)
    if shape not in table.shapes:
        table.shapes.append(shape)
    path, target = folder.new_file(name)
    write_file(target, rows)
    table.files.append(
        ChangeFile(path=path, rows=rows.num_rows, version=version, fresh=fresh, shape=table.shapes.index(shape))
    )


def write_file(target: Path, rows: pa.Table) -> None:
    """A Parquet file for this user only, on the disk when this returns."""
    from pyarrow import parquet

    with open(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        parquet.write_table(rows, file)
        file.flush()
        os.fsync(file.fileno())


def _work(folder: Folder, manifest: Manifest, table: TableFiles, commit: Commit) -> tuple[Committed, Sequence[str]]:
    """Carry it out in DuckDB on the rows it may touch -> what it did, and the keys that are gone for good."""
    with engine() as db:
        ensure_system(db)
        _refuse_narrow(db, folder, table, commit)
        _load(db, folder, table, commit.before, _touched(db, folder, table, commit))
        owners = "SELECT key FROM _tieout_going_in"
        for child in commit.children:
            found = manifest.find(child.state.table)
            assert found is not None  # its state was compared
            _load(db, folder, found, child.state, f'SELECT "key" FROM {{}} WHERE {quote(child.owner)} IN ({owners})')
        narrow = msgspec.structs.replace(commit, misfits=())
        counts = {state.table: _counted(db, state) for state in (commit.before, *(c.state for c in commit.children))}
        done = duckdb_commit.write(db, narrow, str(folder.path))
        version = commit.before.version + 1
        merged = '"key" IN (SELECT key FROM _tieout_batch_keys) AND "key" NOT IN (SELECT key FROM _tieout_there)'
        merged = f'({merged}) OR "key" IN (SELECT key FROM _tieout_changed)' if commit.batch.rows else "false"
        removed = _differences(db, folder, table, commit.after, version, copy=copy_of(commit.before), written=merged)
        live, unstamped = counts[commit.before.table]
        rows = commit.before.rows + done.state.rows - live
        without = commit.before.unstamped + done.state.unstamped - unstamped
        if commit.before.stamp != commit.after.stamp:
            without = _unstamped(db, folder, table, commit.after)
        done.state = msgspec.structs.replace(done.state, rows=rows, unstamped=without)
        for child in commit.children:
            _keep_child(db, folder, manifest, child, done, counts[child.state.table])
    return done, removed


def _refuse_narrow(db: duckdb.DuckDBPyConnection, folder: Folder, table: TableFiles, commit: Commit) -> None:
    """Raises StoreError where a value is too long for the wider type of its column: the files would no longer be
    readable."""
    import duckdb

    had = {column.name: column for column in commit.before.columns}
    for column in commit.after.columns:
        old = had.get(column.name, column)
        if sql_type(old) != sql_type(column):
            source = relation(folder.path, table, [column])
            try:
                db.execute(f"SELECT max({quote(column.name)}) FROM ({source})").fetchall()
            except duckdb.ConversionException:
                raise duckdb_commit.too_long(column, commit.after.table) from None


def _touched(db: duckdb.DuckDBPyConnection, folder: Folder, table: TableFiles, commit: Commit) -> str:
    """A SELECT of the keys of rows that a commit may touch; `{}` stands for the table. Those that may be found to be
    gone are in `_tieout_going_in` afterwards."""
    import pyarrow as pa

    def keys(name: str, listed: Sequence[str]) -> None:
        db.register(name, pa.table({"key": pa.array(list(listed), pa.string())}))

    keys("_tieout_batch_keys", commit.batch.keys)
    keys("_tieout_named", commit.gone.keys if commit.gone is not None else ())
    keys("_tieout_owning", commit.lines.owners if commit.lines is not None else ())
    going = "SELECT key FROM _tieout_named"
    if commit.seen is not None and commit.seen.last:
        source = relation(folder.path, table, [c for c in commit.before.columns if c.name == "key"])
        keys("_tieout_seen_keys", commit.seen.keys)
        came = "SELECT key FROM _tieout_batch_keys UNION ALL SELECT key FROM _tieout_seen_keys"
        if table.seen and not commit.seen.first:
            came += f" UNION ALL SELECT key FROM {scan_paths(folder.path, table.seen)}"
        going += f' UNION ALL SELECT "key" FROM ({source}) WHERE {DELETED} IS NULL AND "key" NOT IN ({came})'
    db.execute(f"CREATE TEMP TABLE _tieout_going_in AS {going}")
    touched = "SELECT key FROM _tieout_batch_keys UNION ALL SELECT key FROM _tieout_going_in"
    if commit.lines is not None:
        owned = f"{quote(commit.lines.column)} IN (SELECT key FROM _tieout_owning)"
        touched += f' UNION ALL SELECT "key" FROM {{}} WHERE {owned}'
    return touched


def _load(db: duckdb.DuckDBPyConnection, folder: Folder, table: TableFiles, state: TableState, touched: str) -> None:
    """The rows of a table whose keys a SELECT names, as a table with its state, and a copy of their marks."""
    if not state.version:
        return
    source = f"({relation(folder.path, table, state.columns)})"
    keys = touched.replace("{}", source)
    db.execute(f'CREATE TABLE {quote(state.table)} AS SELECT * FROM {source} WHERE "key" IN ({keys})')
    db.execute(f'CREATE TEMP TABLE {copy_of(state)} AS SELECT "key", {DELETED} FROM {quote(state.table)}')
    keep(db, state)


def copy_of(state: TableState) -> str:
    """The table of DuckDB's that holds the marks of rows as they were, "" where there were none."""
    return quote(f"_tieout_before {state.table}") if state.version else ""


def _counted(db: duckdb.DuckDBPyConnection, state: TableState) -> tuple[int, int]:
    return duckdb_commit.count(db, state) if state.version else (0, 0)


def _unstamped(db: duckdb.DuckDBPyConnection, folder: Folder, table: TableFiles, state: TableState) -> int:
    stamp = [column for column in state.columns if column.name == state.stamp]
    if not stamp:
        return 0
    source = relation(folder.path, table, stamp)
    return number(db, f"SELECT count(*) FROM ({source}) WHERE {DELETED} IS NULL AND {quote(state.stamp)} IS NULL")


def _differences(
    db: duckdb.DuckDBPyConnection,
    folder: Folder,
    table: TableFiles,
    after: TableState,
    version: int,
    *,
    copy: str,
    written: str = "false",
) -> Sequence[str]:
    """Write the rows of a table that a commit has written, by a condition, or marked -> keys that are no longer
    there."""
    import pyarrow as pa

    name, removed = quote(after.table), []
    listed = ", ".join([*(quote(column.name) for column in after.columns), DELETED, SYNCED])
    if copy:
        marked = f'c."key" = {name}."key" AND c.{DELETED} IS DISTINCT FROM {name}.{DELETED}'
        written = f"({written}) OR EXISTS (SELECT 1 FROM {copy} c WHERE {marked})"
        gone = db.execute(f'SELECT "key" FROM {copy} WHERE "key" NOT IN (SELECT "key" FROM {name})').fetchall()
        removed = [str(key) for (key,) in gone]
    stamp = pa.timestamp("us", "UTC")
    schema = pa.schema([*((c.name, arrow_type(c)) for c in after.columns), (DELETED, stamp), (SYNCED, stamp)])
    rows = db.sql(f"SELECT {listed} FROM {name} WHERE {written}").to_arrow_table().cast(schema)
    if rows.num_rows or removed:
        _put(folder, table, after.table, version, rows, removed=removed, fresh=not table.files)
    return removed


def _keep_child(
    db: duckdb.DuckDBPyConnection,
    folder: Folder,
    manifest: Manifest,
    child: Child,
    done: Committed,
    counted_before: tuple[int, int],
) -> None:
    state, table = done.children.get(child.state.table), manifest.find(child.state.table)
    if state is None or table is None:
        return
    removed = _differences(db, folder, table, state, state.version, copy=copy_of(child.state))
    _forget_misfits(folder, manifest, table, state.table, removed)
    live, unstamped = counted_before
    state = msgspec.structs.replace(
        state,
        rows=child.state.rows + state.rows - live,
        unstamped=child.state.unstamped + state.unstamped - unstamped,
    )
    done.children[state.table], table.state = state, state.text()


def _keep_misfits(
    folder: Folder, manifest: Manifest, table: TableFiles, commit: Commit, hard_gone: Sequence[str]
) -> None:
    replaced = [*commit.batch.keys, *hard_gone]
    new = [(m.key, m.field, m.raw, commit.after.run, commit.synced) for m in commit.misfits]
    if new or (table.misfits and replaced):
        _rewrite_misfits(folder, manifest, table, commit.after.table, set(replaced), new)


def _forget_misfits(folder: Folder, manifest: Manifest, table: TableFiles, name: str, keys: Sequence[str]) -> None:
    if table.misfits and keys:
        _rewrite_misfits(folder, manifest, table, name, set(keys), [])


def _rewrite_misfits(
    folder: Folder,
    manifest: Manifest,
    table: TableFiles,
    name: str,
    without: set[str],
    new: Sequence[tuple[str, str, str, str, str]],
) -> None:
    import pyarrow as pa

    again = {row[2] for row in new if not row[0]}  # rows without a key
    kept = [row for row in misfits(folder.path, table) if row[0] not in without and (row[0] or row[2] not in again)]
    if table.misfits:
        manifest.retired[table.misfits] = time.time()
    table.misfits = ""
    if rows := [*kept, *new]:
        columns = {title: pa.array([row[at] for row in rows], pa.string()) for at, title in enumerate(_MISFIT)}
        table.misfits, target = folder.new_file(name)
        write_file(target, pa.table(columns))


def misfits(root: Path, table: TableFiles) -> list[tuple[str, str, str, str, str]]:
    """Key, field, raw text, run and moment of every value that is kept because it fits no column."""
    from pyarrow import parquet

    if not table.misfits:
        return []
    found = parquet.read_table(root / table.misfits)
    return list(zip(*(found.column(title).to_pylist() for title in _MISFIT), strict=True))


def _keep_seen(folder: Folder, table: TableFiles, commit: Commit) -> None:
    """Keep the keys of a read whose end tells which rows are gone."""
    if commit.seen is None:
        return
    if commit.seen.first or commit.seen.last:
        table.seen = []
    arrived = [*commit.batch.keys, *commit.seen.keys]
    if arrived and not commit.seen.last:
        import pyarrow as pa

        path, target = folder.new_file(commit.after.table)
        write_file(target, pa.table({"key": pa.array(arrived, pa.string())}))
        table.seen.append(path)


def _first_key(keys: Sequence[str]) -> int | None:
    return min(map(int, keys), default=None) if _are_numbers(keys) else None


def _last_key(last: int | None, keys: Sequence[str]) -> int | None:
    if last is None or not _are_numbers(keys):
        return None
    return max(last, max(map(int, keys), default=0))


def _are_numbers(keys: Sequence[str]) -> bool:
    return all(key.isascii() and key.isdecimal() for key in keys)
