"""`tieout compact`, as a user sees it."""

from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import Run
from tests.pull.destinations.ground import Table, bill
from tieout.pull.destinations.parquet import ParquetFolder


def test_it_says_what_it_did(tieout: Run, tmp_path: Path) -> None:
    it = Table(ParquetFolder(tmp_path / "company"))
    it.commit(bill(1), bill(2))
    it.commit(bill(2, days=1))
    (tmp_path / "tieout.toml").write_text("[pull.bills]\nobject = 'bills'\ndestination = 'parquet:///company'\n")
    shown = tieout("compact")
    assert shown.code == 0
    assert shown.table()[-1] == ["bill", "2", "1", "2", "1"]
    told = {"table": "bill", "files_before": 1, "files": 1, "rows_before": 2, "rows": 2}
    assert tieout("compact", "bill", "--json").json == [told]


def test_only_a_folder_of_parquet_files_is_compacted(tieout: Run) -> None:
    shown = tieout("compact", "-d", "duckdb:///company.duckdb")
    assert (shown.code, "no folder of Parquet files" in shown.err) == (2, True)
    assert tieout("compact", "-d", "parquet:///company").code == 5


def test_a_load_script_goes_with_parquet_files(tieout: Run, simulator_url: str, tmp_path: Path) -> None:
    assert tieout("connect", "demo", "--simulator", simulator_url).code == 0
    shown = tieout("pull", "departments", "--ddl", "snowflake")
    assert (shown.code, "goes with Parquet files" in shown.err) == (2, True)
    shown = tieout("pull", "departments", "--ddl", "snowflake", "-d", "parquet:///company")
    assert (shown.code, "Load script: " in shown.out) == (0, True)
    assert "MERGE INTO" in (tmp_path / "company" / "load_snowflake.sql").read_text()
