"""A folder of Parquet files: what a dead program leaves, what a compaction does, what people are told to read."""

from __future__ import annotations

import fcntl
import re
import signal
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from pyarrow import parquet

from tests.forks import Forks
from tests.pull.conftest import Pull
from tests.pull.destinations.ground import SYNCED, Table, bill
from tests.pull.destinations.suite import COMMITS
from tests.pull.destinations.test_parquet_suite import files_of, manifest_of
from tests.pull.scripted import ScriptedCompany
from tests.pull.scripted import bill as row
from tieout.errors import BusyError, ConfigurationError, StoreError, UnknownNameError
from tieout.project import Project
from tieout.pull.compacting import compact
from tieout.pull.destinations import parquet_compact as compacting
from tieout.pull.destinations import parquet_manifest as manifests
from tieout.pull.destinations.base import Gone, Seen
from tieout.pull.destinations.batch import Misfit
from tieout.pull.destinations.open import open_destination
from tieout.pull.destinations.parquet import ParquetFolder
from tieout.pull.leasing import leased

URL = "parquet:///company"
COMPACTS = """
import sys
from pathlib import Path
from tieout.pull.destinations.open import open_destination
open_destination(Path(sys.argv[1]), sys.argv[2]).compact("bill")
"""


@pytest.fixture
def to(tmp_path: Path) -> ParquetFolder:
    return ParquetFolder(tmp_path / "company")


@pytest.fixture
def it(to: ParquetFolder) -> Table:
    return Table(to)


def on_disk(folder: Path, table: str = "bill") -> set[Path]:
    return set((folder / "company" / table).iterdir())


def test_a_section_names_it_and_the_next_run_brings_what_changed(pull_bills: Pull, project: Project) -> None:
    company = ScriptedCompany([row(1), row(2)])
    assert pull_bills(company, destination=URL).ties
    report = pull_bills(company, destination=URL)
    assert (report.strategy, report.ties) == ("incremental", True)
    assert len(files_of(project.root, "bill")) == 1


def test_everything_is_for_this_user_only(it: Table, to: ParquetFolder, tmp_path: Path) -> None:
    it.commit(bill(1), misfits=[Misfit("1", "days", '"x"')], seen=Seen(first=True, last=False))
    to.compact("bill")
    modes = {path.relative_to(tmp_path): path.stat().st_mode & 0o777 for path in tmp_path.rglob("*")}
    assert {mode for path, mode in modes.items() if path.suffix} == {0o600}
    assert {modes[Path("company")], modes[Path("company/bill")]} == {0o700}


@pytest.mark.parametrize("point", ["pull.before_commit:2", "pull.after_commit:2"])
def test_what_a_killed_program_wrote_and_did_not_commit_is_removed_by_the_next(
    it: Table, forked: Forks, tmp_path: Path, point: str
) -> None:
    code, _ = forked.run(COMMITS, tmp_path, URL, 2, environment={"TIEOUT_CRASH_AT": point})
    assert code == -signal.SIGKILL
    state = it.to.state("bill")
    assert state is not None
    it.state = state
    it.commit(bill(7, days=1))
    manifest = manifest_of(tmp_path)["tables"]["bill"]
    named = {*(f["path"] for f in manifest["files"]), *manifest["seen"]}
    assert on_disk(tmp_path) == {tmp_path / "company" / path for path in named}


def test_a_first_commit_that_was_killed_leaves_the_name_free(it: Table, forked: Forks, tmp_path: Path) -> None:
    code, _ = forked.run(COMMITS, tmp_path, URL, 1, environment={"TIEOUT_CRASH_AT": "pull.before_commit"})
    assert code == -signal.SIGKILL
    assert (it.to.tables(), len(on_disk(tmp_path))) == ([], 2)
    it.commit(bill(1))
    assert on_disk(tmp_path) == set(files_of(tmp_path, "bill"))


def test_rows_with_greater_keys_are_added_and_others_looked_for(it: Table, tmp_path: Path) -> None:
    it.commit(*(bill(i) for i in range(1, 12)))
    it.commit(bill(12), bill(100))
    done = it.commit(bill(13), bill(99), bill(100))
    assert (done.new, done.changed) == (2, 0)
    files = manifest_of(tmp_path)["tables"]["bill"]["files"]
    assert [(file.get("fresh", False), file["rows"]) for file in files] == [(True, 11), (True, 2), (False, 2)]
    it.commit(bill("A"))
    assert it.commit(bill(500), bill(12, days=1)).new == 1
    assert (it.state.rows, it.row("12")["days"], len(it.keys())) == (17, 1, 17)


def test_nothing_is_written_where_nothing_differs(it: Table, tmp_path: Path) -> None:
    it.commit(bill(1), bill(2))
    before = on_disk(tmp_path)
    it.commit(bill(2), bill(1))
    assert on_disk(tmp_path) == before


def test_compacting_changes_no_row(
    it: Table, to: ParquetFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compacting, "ROWS_A_FILE", 100)
    monkeypatch.setattr(compacting, "CELLS_A_GROUP", 550)
    it.commit(*(bill(i) for i in range(1, 301)), misfits=[Misfit("9", "days", '"x"')])
    it.commit(bill(1, days=5), gone=Gone(keys=["2"], hard=True))
    it.commit(gone=Gone(keys=["3"]))
    rows = to.rows("bill", it.keys(), it.columns)
    done = to.compact("bill")
    assert (done.rows_before, done.rows, done.files_before, done.files) == (303, 299, 3, 3)
    assert (to.rows("bill", it.keys(), it.columns), to.state("bill"), to.misfits("bill")) == (
        rows,
        it.state,
        {"days": 1},
    )
    assert to.compact("bill") == unchanged(done)
    assert it.commit(bill(1, days=6), bill(3), bill(400)).state.rows == 300
    assert (it.row("1")["days"], len(it.keys())) == (6, 300)


def unchanged(done: compacting.Compacted) -> compacting.Compacted:
    """A table that is compact stays as it is."""
    return compacting.Compacted(
        table="bill", files_before=done.files, files=done.files, rows_before=done.rows, rows=done.rows
    )


def test_who_reads_while_a_table_is_compacted_goes_on(
    it: Table, to: ParquetFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    it.commit(bill(1))
    it.commit(bill(1, days=2))
    old = files_of(tmp_path, "bill")
    to.compact("bill")
    it.commit(bill(2))
    assert [parquet.read_table(file).num_rows for file in old] == [1, 1]
    monkeypatch.setattr(manifests, "RETIRED_FOR", 0.0)
    it.commit(bill(3))
    assert on_disk(tmp_path) == set(files_of(tmp_path, "bill"))
    assert it.keys() == ["1", "2", "3"]


@pytest.mark.parametrize(("point", "files"), [("pull.before_commit", 2), ("pull.after_commit", 1)])
def test_killed_while_compacting(it: Table, forked: Forks, tmp_path: Path, point: str, files: int) -> None:
    it.commit(bill(1))
    it.commit(bill(1, days=2))
    code, _ = forked.run(COMPACTS, tmp_path, URL, environment={"TIEOUT_CRASH_AT": point})
    assert code == -signal.SIGKILL
    assert (len(files_of(tmp_path, "bill")), it.row("1")["days"], it.to.state("bill")) == (files, 2, it.state)
    assert it.commit(bill(1, days=3)).changed == 1


def test_a_column_that_got_wider_is_of_one_type_when_compacted(to: ParquetFolder, tmp_path: Path) -> None:
    it = Table(to)
    it.commit(bill(1))
    it.columns = tuple(wider(column) if column.name == "audit__modifiedDateTime" else column for column in it.columns)
    it.commit(bill(2, audit__modifiedDateTime="soon"), after={"stamp": ""})
    to.compact("bill")
    (file,) = files_of(tmp_path, "bill")
    found = parquet.read_table(file).sort_by("key").column("audit__modifiedDateTime")
    assert found.to_pylist() == ["2026-03-20T12:00:00Z", "soon"]


def wider(column: Any) -> Any:
    import msgspec

    from tieout.pull.schema.types import Kind

    return msgspec.structs.replace(column, kind=Kind.TEXT)


def test_what_people_are_told_to_read_is_what_is_there(
    it: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    it.commit(bill(1), bill(2), bill(3), bill(4))
    it.commit(bill(1, days=1), gone=Gone(keys=["2"], hard=True))
    it.commit(gone=Gone(keys=["3"]))
    monkeypatch.chdir(tmp_path)
    page = (Path(__file__).parents[3] / "docs" / "parquet.md").read_text()
    (recipe,) = re.findall(r"```sql\n(SET VARIABLE.*?)```", page, re.DOTALL)
    with duckdb.connect() as db:
        db.execute(recipe)
        assert db.execute('SELECT "key", days FROM bill ORDER BY 1').fetchall() == [("1", 1), ("4", 30)]


def test_a_lost_file_is_named(it: Table, tmp_path: Path) -> None:
    it.commit(bill(1))
    (file,) = files_of(tmp_path, "bill")
    file.write_bytes(b"PAR1")
    with pytest.raises(StoreError, match="lost a file"):
        it.to.state("bill")


def test_a_folder_that_another_program_writes(it: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    it.commit(bill(1))
    monkeypatch.setattr(manifests, "LOCK_WAIT", 0.0)
    with (tmp_path / "company" / manifests.LOCK).open("r+") as other:
        fcntl.flock(other, fcntl.LOCK_EX)  # of its own opening, as another program's
        with pytest.raises(StoreError, match="being written by another program"):
            it.commit(bill(2))
    assert it.commit(bill(2)).new == 1


def test_a_place_that_cannot_be_one(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "a[b]").mkdir()
    for name, words in (("file", "a file, not a folder"), ("a[b]/company", "take for a pattern")):
        with pytest.raises(StoreError, match=words):
            open_destination(tmp_path, f"parquet:///{name}").check()


@pytest.mark.parametrize("name", [".", "..", " ", "../other", "a/b"])
def test_no_table_is_written_beside_its_own_folder(to: ParquetFolder, tmp_path: Path, name: str) -> None:
    it = Table(to, name)
    it.commit(bill(1))
    it.commit(bill(1, days=31))
    folders = {file.parent for file in tmp_path.rglob("*.parquet")}
    assert {folder.parent for folder in folders} == {to.path}
    assert it.keys() == ["1"]
    to.drop(name)
    assert to.path.is_dir()


def test_files_of_other_people_in_a_tables_folder_are_left_alone(it: Table, tmp_path: Path) -> None:
    it.commit(bill(1))
    theirs = tmp_path / "company" / "bill" / "theirs.parquet"
    parquet.write_table(pa.table({"x": [1]}), theirs)
    it.commit(bill(1, days=1))
    it.to.drop("bill")
    assert on_disk(tmp_path) == {theirs}


def test_moments_of_misfits_and_marks_are_intaccts(it: Table, tmp_path: Path) -> None:
    it.commit(bill(1), misfits=[Misfit("1", "days", '"x"')])
    (rows,) = [parquet.read_table(file) for file in files_of(tmp_path, "bill")]
    assert rows.column("_tieout_synced").to_pylist() == [datetime(2026, 3, 20, 10, tzinfo=UTC)]
    kept = parquet.read_table(tmp_path / "company" / manifest_of(tmp_path)["tables"]["bill"]["misfits"])
    assert kept.column("at").to_pylist() == [SYNCED]


def test_a_table_that_a_pull_is_writing_is_not_compacted(it: Table, project: Project) -> None:
    it.commit(bill(1))
    with leased(project, [(it.to, "bill")]), pytest.raises(BusyError):
        compact(project, destination=URL)
    assert [done.table for done in compact(project, ["BILL"], destination=URL)] == ["bill"]


def test_compacting_what_is_not_there(it: Table, project: Project) -> None:
    with pytest.raises(StoreError, match="no tables"):
        compact(project, destination=URL)
    it.commit(bill(1))
    with pytest.raises(UnknownNameError, match="no table 'bil'"):
        compact(project, ["bil"], destination=URL)
    for destination, words in (("duckdb:///x.duckdb", "is no folder of Parquet files"), (None, "Which folder")):
        with pytest.raises(ConfigurationError, match=words):
            compact(project, destination=destination)
