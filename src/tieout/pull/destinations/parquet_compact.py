"""Rewrites a table of change files as it is: each key once, no trace of earlier versions. Rows marked deleted stay.

Knows files; which tables are to be rewritten, and when, others know.
"""

# ruff: noqa: S608 - statements are built from quoted identifiers only

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import msgspec

from tieout.catalogue import nearest
from tieout.errors import UnknownNameError
from tieout.pull.destinations.parquet_manifest import ChangeFile, Folder, Manifest
from tieout.pull.destinations.parquet_reading import REMOVED, VERSION, check, engine, relation, shape_of
from tieout.pull.destinations.state import read_state
from tieout.pull.schema.names import DELETED, SYNCED
from tieout.pull.schema.types import arrow_type

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa

ROWS_A_FILE = 1_000_000
CELLS_A_GROUP = 2_000_000
"""Rows times columns: a reader holds at least a page of each column."""


class Compacted(msgspec.Struct, frozen=True, kw_only=True):
    """What it did. Rows of files: those that were superseded or removed count as well."""

    table: str
    files_before: int
    files: int
    rows_before: int
    rows: int


def compact(folder: Folder, manifest: Manifest, name: str) -> Compacted:
    """Write the files and say so in `manifest`, which is not yet in force. The old files are kept for a while, for
    those who are reading them. Raises UnknownNameError, StoreError."""
    import pyarrow as pa

    table = manifest.find(name)
    if table is None:
        raise UnknownNameError("table", name, nearest=nearest(name, list(manifest.tables), 3))
    state = read_state(name, table.state)
    check(folder.path, name, table)
    before, rows = table.files, 0
    stamp = pa.timestamp("us", "UTC")
    shape = pa.schema([*((c.name, arrow_type(c)) for c in state.columns), (DELETED, stamp), (SYNCED, stamp)])
    files = []
    if len(before) > 1 or any(not file.fresh for file in before):
        with engine() as db:
            listed = f"*, false AS {REMOVED}, CAST({state.version} AS BIGINT) AS {VERSION}"
            found = db.sql(f"SELECT {listed} FROM ({relation(folder.path, table, state.columns)})")
            schema = shape.append(pa.field(REMOVED, pa.bool_())).append(pa.field(VERSION, pa.int64()))
            reader = found.to_arrow_reader(max(1, CELLS_A_GROUP // len(schema)))
            for path, count in _written(folder, state.table, schema, reader):
                files.append(ChangeFile(path=path, rows=count, version=state.version, fresh=True, shape=0))
                rows += count
        table.files, table.shapes = files, [shape_of(shape)]
        manifest.retired.update((file.path, time.time()) for file in before)
    return Compacted(
        table=state.table,
        files_before=len(before),
        files=len(table.files),
        rows_before=sum(file.rows for file in before),
        rows=sum(file.rows for file in table.files),
    )


def _written(folder: Folder, name: str, schema: pa.Schema, reader: pa.RecordBatchReader) -> list[tuple[str, int]]:
    """Files of at most so many rows -> path and rows of each, on the disk."""
    from pyarrow import parquet

    written: list[tuple[str, int]] = []
    batches = iter(reader)
    batch = next(batches, None)
    while batch is not None:
        path, target = folder.new_file(name)
        count = 0
        with parquet.ParquetWriter(_private(target), schema) as writer:
            while batch is not None and count < ROWS_A_FILE:
                writer.write_batch(batch.cast(schema))
                count += batch.num_rows
                batch = next(batches, None)
        _sync(target)
        written.append((path, count))
    return written


def _private(target: Path) -> Path:
    os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    return target


def _sync(target: Path) -> None:
    descriptor = os.open(target, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
