"""A script that brings a folder of Parquet files into Snowflake or BigQuery: tables, load, merge.

The files that the manifest names are all of the truth, so the script is too: run as often as anybody likes, it leaves
the tables as the folder has them, and writes only rows that differ. Knows columns and files; runs nothing.
"""

# ruff: noqa: S608 - statements are built from quoted names only

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, TypeAlias

import msgspec

from tieout.errors import ConfigurationError
from tieout.pull.destinations.parquet_manifest import ChangeFile
from tieout.pull.destinations.parquet_reading import REMOVED, VERSION
from tieout.pull.schema.names import DELETED, SYNCED
from tieout.pull.schema.types import Column, Kind

Dialect: TypeAlias = Literal["snowflake", "bigquery"]
DIALECTS: tuple[Dialect, ...] = ("snowflake", "bigquery")
MOST_FILES = 1_000
"""Snowflake's limit of files in one COPY."""


class Loaded(msgspec.Struct, frozen=True, kw_only=True):
    """One table of the folder: its columns, without the marks, and the files that count."""

    table: str
    columns: Sequence[Column]
    files: Sequence[ChangeFile]


def load_script(dialect: Dialect, tables: Sequence[Loaded], folder: str) -> str:
    """The text of the script. `folder` is the name of the folder of the files, below the stage or bucket.

    Raises ConfigurationError where a table has too many files for one load."""
    for table in tables:
        if len(table.files) > MOST_FILES:
            raise ConfigurationError(
                f"Table {table.table} has {len(table.files):,} files; a load takes {MOST_FILES:,}.",
                advice="Run `tieout compact` first.",
            )
    write: Callable[[Loaded, str], str] = {"snowflake": _snowflake, "bigquery": _bigquery}[dialect]
    parts = [_HEADS[dialect].format(folder=folder), *(write(table, folder) for table in tables)]
    return "\n".join(parts)


def script_name(dialect: Dialect) -> str:
    """The name of the script in the folder of the files."""
    return f"load_{dialect}.sql"


_HEADS: dict[Dialect, str] = {
    "snowflake": """\
-- Loads the Parquet files of {folder} into Snowflake. Written by tieout anew after each pull: run it as a whole, in the
-- database and schema the tables belong to. First the files have to be on the stage @tieout, in folders as here: copy
-- {folder} into a bucket, and make a stage of its URL: CREATE STAGE tieout URL = '...' STORAGE_INTEGRATION = ...;
""",
    "bigquery": """\
-- Loads the Parquet files of {folder} into BigQuery. Written by tieout anew after each pull: run it as a whole.
-- First copy the folder into a bucket: gcloud storage rsync --recursive {folder} gs://BUCKET/{folder}
-- Write the names of bucket and data set for BUCKET and DATASET.
""",
}


def _snowflake(table: Loaded, folder: str) -> str:
    def quote(name: str) -> str:
        return '"' + name.replace('"', '""') + '"'

    name, load = quote(table.table), quote(f"_tieout_load {table.table}")
    columns = [(quote(c.name), _snowflake_type(c)) for c in table.columns]
    marks = [(quote(DELETED), "TIMESTAMP_TZ"), (quote(SYNCED), "TIMESTAMP_TZ"), (quote(VERSION), "NUMBER(38,0)")]
    body = ",\n    ".join(f"{column} {kind}" for column, kind in [*columns, *marks])
    added = "".join(
        f"ALTER TABLE {name} ADD COLUMN IF NOT EXISTS {column} {kind};\n" for column, kind in [*columns[1:], *marks]
    )
    files = ",\n        ".join("'" + file.path.replace("'", "''") + "'" for file in table.files)
    copy = (
        f"COPY INTO {load} FROM @tieout\n    FILES = (\n        {files}\n    )\n"
        "    FILE_FORMAT = (TYPE = PARQUET USE_LOGICAL_TYPE = TRUE) MATCH_BY_COLUMN_NAME = CASE_SENSITIVE;\n"
        if table.files
        else ""
    )
    return (
        f"CREATE TABLE IF NOT EXISTS {name} (\n    {body}\n);\n{added}"
        f"CREATE OR REPLACE TEMPORARY TABLE {load} (\n    {body},\n    {quote(REMOVED)} BOOLEAN\n);\n{copy}"
        f"BEGIN;\n{_merge(name, load, [column for column, _ in [*columns, *marks]], quote)}COMMIT;\n"
    )


def _bigquery(table: Loaded, folder: str) -> str:
    def quote(name: str) -> str:
        return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"

    name, load = f"DATASET.{quote(table.table)}", quote(f"_tieout_load_{table.table}")
    columns = [(quote(c.name), _bigquery_type(c)) for c in table.columns]
    marks = [(quote(DELETED), "TIMESTAMP"), (quote(SYNCED), "TIMESTAMP"), (quote(VERSION), "INT64")]
    body = ",\n    ".join(f"{column} {kind}" for column, kind in [*columns, *marks])
    adds = ",\n    ".join(f"ADD COLUMN IF NOT EXISTS {column} {kind}" for column, kind in [*columns[1:], *marks])
    uris = ",\n        ".join(f"'gs://BUCKET/{folder}/{_escaped(file.path)}'" for file in table.files)
    shape = f"(\n    {body},\n    {quote(REMOVED)} BOOL\n)"
    made = (
        f"LOAD DATA OVERWRITE TEMP TABLE {load} {shape}\nFROM FILES (\n    format = 'PARQUET',\n    uris = [\n        "
        f"{uris}\n    ]\n);\n"
        if table.files
        else f"CREATE OR REPLACE TEMP TABLE {load} {shape};\n"
    )
    return (
        f"CREATE TABLE IF NOT EXISTS {name} (\n    {body}\n);\nALTER TABLE {name}\n    {adds};\n{made}"
        f"BEGIN TRANSACTION;\n{_merge(name, load, [column for column, _ in [*columns, *marks]], quote)}"
        "COMMIT TRANSACTION;\n"
    )


def _escaped(path: str) -> str:
    return path.replace("\\", "\\\\").replace("'", "\\'")


def _merge(name: str, load: str, columns: Sequence[str], quote: Callable[[str], str]) -> str:
    """Rows that the files no longer have go, rows that differ are written."""
    key, version, synced = quote("key"), quote(VERSION), quote(SYNCED)
    latest = (
        f"SELECT * FROM {load} WHERE true\n"
        f"    QUALIFY row_number() OVER (PARTITION BY {key} ORDER BY {version} DESC) = 1"
    )
    now = f"SELECT * FROM (\n    {latest}\n) AS l WHERE NOT {quote(REMOVED)}"
    values = ",\n    ".join(f"{column} = s.{column}" for column in columns if column != key)
    listed = ", ".join(columns)
    given = ", ".join(f"s.{column}" for column in columns)
    return (
        f"DELETE FROM {name} WHERE {key} NOT IN (SELECT {key} FROM (\n{now}\n) AS n);\n"
        f"MERGE INTO {name} AS t USING (\n{now}\n) AS s ON t.{key} = s.{key}\n"
        f"WHEN MATCHED AND (t.{version} <> s.{version} OR t.{synced} <> s.{synced}) THEN UPDATE SET\n    {values}\n"
        f"WHEN NOT MATCHED THEN INSERT ({listed})\n    VALUES ({given});\n"
    )


def _snowflake_type(column: Column) -> str:
    match column.kind:
        case Kind.INTEGER:
            return "NUMBER(38,0)"
        case Kind.DECIMAL:
            return f"NUMBER(38,{column.scale})"
        case Kind.BOOLEAN:
            return "BOOLEAN"
        case Kind.DATE:
            return "DATE"
        case Kind.TIMESTAMP:
            return "TIMESTAMP_TZ"
        case _:
            return "VARCHAR"


def _bigquery_type(column: Column) -> str:
    match column.kind:
        case Kind.INTEGER:
            return "INT64"
        case Kind.DECIMAL:
            return f"BIGNUMERIC(38,{column.scale})"  # NUMERIC has 29 digits before the point
        case Kind.BOOLEAN:
            return "BOOL"
        case Kind.DATE:
            return "DATE"
        case Kind.TIMESTAMP:
            return "TIMESTAMP"
        case _:
            return "STRING"
