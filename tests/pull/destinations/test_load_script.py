"""Scripts that load a folder of Parquet files: their text, and what running them leaves."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.pull.destinations.ground import COLUMNS, Table, bill
from tieout.errors import ConfigurationError, UnknownNameError
from tieout.project import Project
from tieout.pull.destinations import load_script as module
from tieout.pull.destinations.base import Gone
from tieout.pull.destinations.load_script import Dialect, Loaded, load_script
from tieout.pull.destinations.parquet import ParquetFolder
from tieout.pull.destinations.parquet_manifest import ChangeFile
from tieout.pull.schema.types import Column, Kind
from tieout.pull.warehouse import LoadScripts

GOLDEN = Path(__file__).parent / "golden"
TYPES = {"NUMBER(38,0)": "BIGINT", "NUMBER": "DECIMAL", "TIMESTAMP_TZ": "TIMESTAMPTZ"}


@pytest.fixture
def it(tmp_path: Path) -> Table:
    return Table(ParquetFolder(tmp_path / "company"))


def files(*paths: str) -> list[ChangeFile]:
    return [ChangeFile(path=path, rows=1, version=1, shape=0) for path in paths]


@pytest.mark.parametrize("dialect", ["snowflake", "bigquery"])
def test_the_text_is_as_it_was(dialect: Dialect) -> None:
    odd = Column(path="x", name='it"s `x', kind=Kind.JSON)
    tables = [
        Loaded(table="bill", columns=COLUMNS, files=files("bill/tieout-1.parquet", "bill/tieout-2.parquet")),
        Loaded(table="it's empty", columns=(COLUMNS[0], odd), files=[]),
    ]
    assert load_script(dialect, tables, "company") == (GOLDEN / f"load_{dialect}.sql").read_text()


def run_as_snowflake(script: str, folder: Path, db: duckdb.DuckDBPyConnection) -> None:
    """Snowflake's words for DuckDB: types, and the COPY that names columns, are all that differs."""

    def copy(found: re.Match[str]) -> str:
        paths = ", ".join(f"'{folder / path}'" for path in re.findall(r"'(.*?)'", found[2]))
        return f"INSERT INTO {found[1]} BY NAME SELECT * FROM read_parquet([{paths}], union_by_name = true);"

    for ours, theirs in TYPES.items():
        script = script.replace(ours, theirs)
    script = re.sub(
        r"COPY INTO (\S+|\".*?\") FROM @tieout\s+FILES = \((.*?)\)\s+FILE_FORMAT.*?;", copy, script, flags=re.S
    )
    db.execute(script)


def contents(db: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
    listed = ", ".join(f'"{column.name}"' for column in COLUMNS)
    found = db.sql(f'SELECT {listed} FROM bill WHERE _tieout_deleted IS NULL ORDER BY "key"').to_arrow_table()
    rows: list[dict[str, Any]] = found.to_pylist()
    return rows


def test_running_it_leaves_what_the_folder_has(it: Table, tmp_path: Path) -> None:
    to = it.to
    assert isinstance(to, ParquetFolder)

    def load() -> None:
        run_as_snowflake(to.write_script("snowflake").read_text(), tmp_path / "company", db)
        assert contents(db) == to.arrow("bill", COLUMNS).sort_by("key").to_pylist()

    with duckdb.connect() as db:
        db.execute("SET TimeZone = 'UTC'")
        it.commit(*(bill(i) for i in range(1, 6)))
        load()
        it.commit(bill(1, days=9), bill(6), gone=Gone(keys=["2"], hard=True), synced="2026-04-01T00:00:00Z")
        it.commit(gone=Gone(keys=["3"]))
        load()
        load()
        to.compact("bill")
        it.commit(bill(2, name="back"), bill(3))
        load()
        to.drop("bill")  # --reset: versions begin again
        again = Table(to)
        again.commit(bill(1, days=7), bill(8), synced="2026-05-01T00:00:00Z")
        load()
        assert [row["key"] for row in contents(db)] == ["1", "8"]


def test_a_new_column_is_added_to_a_table_that_is_there(it: Table, tmp_path: Path) -> None:
    to = it.to
    assert isinstance(to, ParquetFolder)
    with duckdb.connect() as db:
        it.commit(bill(1))
        run_as_snowflake(to.write_script("snowflake").read_text(), tmp_path / "company", db)
        new = Column(path="new", name="new", kind=Kind.TEXT)
        it.commit({**bill(2), "new": "x"}, columns=(*COLUMNS, new))
        run_as_snowflake(to.write_script("snowflake").read_text(), tmp_path / "company", db)
        assert db.execute('SELECT "key", "new" FROM bill ORDER BY 1').fetchall() == [("1", None), ("2", "x")]


def test_more_files_than_a_load_takes(it: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    it.commit(bill(1))
    it.commit(bill(1, days=1))
    monkeypatch.setattr(module, "MOST_FILES", 1)
    assert isinstance(it.to, ParquetFolder)
    with pytest.raises(ConfigurationError, match="2 files; a load takes 1"):
        it.to.write_script("snowflake")
    with pytest.raises(UnknownNameError, match="no table 'bil'"):
        it.to.write_script("snowflake", ["bil"])


def test_what_has_no_script_is_said_before_anything_is_read(tmp_path: Path) -> None:
    text = "[pull.bills]\nobject = 'bills'\ndestination = 'parquet:///company'\n[pull.vendors]\nobject = 'vendors'\n"
    project = Project(tmp_path, tmp_path / "tieout.toml", text)
    assert len(LoadScripts.of(project, "bigquery", ["bills"], None, None).folders) == 1
    for dialect, names, objects, destination, words in (
        ("oracle", None, ["bills"], "parquet:///x", "no load scripts for 'oracle'"),
        ("snowflake", None, ["bills"], None, "another destination"),
        ("snowflake", ["bills", "vendors"], None, None, "another destination"),
        ("snowflake", None, None, "sqlite:///x.db", "another destination"),
    ):
        with pytest.raises(ConfigurationError, match=words):
            LoadScripts.of(project, dialect, names, objects, destination)
