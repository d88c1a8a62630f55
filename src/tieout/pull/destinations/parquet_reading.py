"""A table of change files as one relation in DuckDB: of each key the row of the latest file, cast to the table's types.

DuckDB works in memory and on these files only; what does not fit into its memory goes into a folder of this user's.
Knows columns and files; writes nothing.
"""

# ruff: noqa: S608 - statements are built from quoted names only

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tieout.errors import StoreError
from tieout.pull.destinations.base import AGAIN
from tieout.pull.destinations.duckdb_system import quote, sql_type, widened
from tieout.pull.destinations.parquet_manifest import ChangeFile, TableFiles
from tieout.pull.schema.names import DELETED, SYNCED
from tieout.pull.schema.types import Column, Kind, arrow_type

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

VERSION, REMOVED = "_tieout_version", "_tieout_removed"
"""Columns of every file beside those of the table: the commit that wrote the row, and whether it says no more than that
there is no row of this key."""
MEMORY_LIMIT = "256MB"
THREADS = 2
"""Each takes memory for every column that is read."""
_STAMP = "TIMESTAMP WITH TIME ZONE"


@contextmanager
def engine() -> Iterator[duckdb.DuckDBPyConnection]:
    """DuckDB without a file."""
    import duckdb

    with tempfile.TemporaryDirectory(prefix="tieout-") as spill:
        config: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": MEMORY_LIMIT,
            "threads": THREADS,
            "temp_directory": spill,
            "preserve_insertion_order": False,
            "autoinstall_known_extensions": False,
        }
        with duckdb.connect(":memory:", config=config) as db:
            db.execute("SET TimeZone = 'UTC'")
            yield db


def relation(root: Path, table: TableFiles, columns: Sequence[Column]) -> str:
    """A SELECT of the rows of a table, in the types of `columns`, with the two marks that every table has."""
    listed = [*columns, *_marks()]
    every = ", ".join(quote(column.name) for column in listed)
    if not table.files:
        nothing = ", ".join(f"CAST(NULL AS {sql_type(c)}) AS {quote(c.name)}" for c in listed)
        return f"SELECT {nothing} WHERE false"
    by_shape: dict[int, list[ChangeFile]] = {}
    for file in table.files:
        by_shape.setdefault(file.shape, []).append(file)
    parts = [
        f"SELECT {_cast(listed, table.shapes[shape])}, {VERSION}, {REMOVED} FROM {scan(root, files)}"
        for shape, files in by_shape.items()
    ]
    rows = f"SELECT * FROM ({' UNION ALL '.join(parts)})"
    changes = [file for file in table.files if not file.fresh]
    if not changes:
        return f"SELECT {every} FROM ({rows}) WHERE NOT {REMOVED}"
    latest = f'SELECT "key" AS k, max({VERSION}) AS v FROM {scan(root, changes)} GROUP BY 1'
    return (
        f'SELECT {every} FROM ({rows}) LEFT JOIN ({latest}) ON k = "key"'
        f" WHERE (v IS NULL OR v <= {VERSION}) AND NOT {REMOVED}"
    )


def scan(root: Path, files: Sequence[ChangeFile]) -> str:
    """Some files, to select from."""
    return scan_paths(root, [file.path for file in files])


def scan_paths(root: Path, paths: Sequence[str]) -> str:
    listed = ", ".join("'" + str(root / path).replace("'", "''") + "'" for path in paths)
    return f"read_parquet([{listed}], hive_partitioning = false)"


def _cast(columns: Sequence[Column], shape: dict[str, str]) -> str:
    """Columns as files of one shape have them -> as the table has them."""
    shown = []
    for column in columns:
        name, was = quote(column.name), shape.get(column.name)
        value = f"CAST(NULL AS {sql_type(column)})" if was is None else name
        if was is not None and was != str(arrow_type(column)):
            value = widened(name, column, stamp=was.startswith("timestamp"))
        shown.append(f"{value} AS {name}")
    return ", ".join(shown)


def _marks() -> list[Column]:
    return [Column(path=name, name=name, kind=Kind.TIMESTAMP) for name in (DELETED, SYNCED)]


def shape_of(schema: pa.Schema) -> dict[str, str]:
    """Column -> type, as the manifest has them."""
    return {field.name: str(field.type) for field in schema}


def check(root: Path, name: str, table: TableFiles) -> None:
    """Raises StoreError where the files of a table are not as tieout wrote them. Columns that people added are no
    damage."""
    import pyarrow as pa
    from pyarrow import parquet

    for file in table.files:
        try:
            found = shape_of(parquet.read_schema(root / file.path))
        except (FileNotFoundError, pa.ArrowInvalid):
            raise StoreError(
                f"Table {name} has lost a file: {file.path} is gone from {root}, or is no Parquet.", advice=AGAIN
            ) from None
        for column, wanted in table.shapes[file.shape].items():
            if column not in found:
                raise StoreError(f"Table {name} has lost its column {column} in {file.path}.", advice=AGAIN)
            if found[column] != wanted:
                raise StoreError(
                    f"Column {column} of table {name} is {found[column]} in {file.path}; tieout made it {wanted}.",
                    advice=AGAIN,
                )
