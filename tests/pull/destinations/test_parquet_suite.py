"""Parquet keeps what every destination promises. What it wrote is read here as people are told to read it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from pyarrow import parquet

from tests.pull.destinations.suite import NEWER, DestinationSuite
from tieout.pull.destinations.duckdb_system import quote


def manifest_of(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "company" / "_tieout_manifest.json").read_bytes())
    return found


def files_of(folder: Path, table: str) -> list[Path]:
    return [folder / "company" / file["path"] for file in manifest_of(folder)["tables"][table]["files"]]


class TestParquet(DestinationSuite):
    def url(self, folder: Path) -> str:
        return "parquet:///company"

    def select(self, folder: Path, sql: str) -> list[tuple[Any, ...]]:
        rows = [(name, *row) for name, table in manifest_of(folder)["tables"].items() for row in table["columns"]]
        with duckdb.connect() as db:
            db.execute("SET TimeZone = 'UTC'")
            for table in manifest_of(folder)["tables"]:
                if files := [str(file) for file in files_of(folder, table)]:
                    listed = ", ".join("'" + file.replace("'", "''") + "'" for file in files)
                    latest = 'row_number() OVER (PARTITION BY "key" ORDER BY _tieout_version DESC) = 1'
                    source = f"SELECT * FROM read_parquet([{listed}], union_by_name = true) QUALIFY {latest}"
                    db.execute(f"CREATE VIEW {quote(table)} AS SELECT * FROM ({source}) WHERE NOT _tieout_removed")
            titles = "table_name, path, column_name, type, label, since, gone"
            db.execute(f"CREATE TABLE _tieout_columns ({titles.replace(',', ' VARCHAR,')} VARCHAR)")
            db.executemany("INSERT INTO _tieout_columns VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
            return db.execute(sql).fetchall()

    def alter(self, folder: Path, table: str, change: str) -> None:
        word, _, name = change.partition(" ")
        if word == "make":
            (folder / "company" / table).mkdir(parents=True)
            parquet.write_table(pa.table({"x": [1]}), folder / "company" / table / "theirs.parquet")
            return
        if word == "newer":
            manifest = manifest_of(folder)
            manifest["tables"][table]["state"] = NEWER
            (folder / "company" / "_tieout_manifest.json").write_text(json.dumps(manifest))
            return
        for file in files_of(folder, table):
            if word == "remove":
                file.unlink()
                continue
            rows = parquet.read_table(file)
            at = rows.column_names.index(name) if name in rows.column_names else -1
            changed = {
                "drop": lambda rows=rows, at=at: rows.remove_column(at),
                "retype": lambda rows=rows, at=at: rows.set_column(at, name, rows.column(at).cast(pa.float64())),
                "add": lambda rows=rows: rows.append_column(name, pa.nulls(rows.num_rows, pa.string())),
            }[word]()
            parquet.write_table(changed, file)

    @pytest.mark.skip(reason="nothing of other people's can rest on a column of a file")
    def test_d4_what_rests_on_a_column_that_gets_wider_is_named_and_nothing_is_written(self) -> None: ...  # type: ignore[override]

    @pytest.mark.skip(reason="nobody can set rules for a file")
    def test_d4_a_rule_of_other_people_is_named_without_values_and_nothing_is_written(self) -> None: ...  # type: ignore[override]

    @pytest.mark.skip(reason="every tieout that wrote Parquet wrote all marks")
    def test_d4_a_table_of_an_earlier_tieout_gets_what_every_table_has(self) -> None: ...  # type: ignore[override]
