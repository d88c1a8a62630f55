"""What can be wrong with a DuckDB file: each gives one sentence that says what to do, and harms nothing."""

from __future__ import annotations

import hashlib
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.pull.conftest import Pull
from tests.pull.destinations import ground
from tests.pull.scripted import BILL, ScriptedCompany, bill
from tieout.errors import BusyError, StoreError
from tieout.project import Project
from tieout.pull.destinations import duckdb_opening
from tieout.pull.destinations.duckdb import DuckFile, explain
from tieout.pull.run import pull
from tieout.pull.schema.types import Column, Kind
from tieout.pull.sources import Source

HOLDER = "import duckdb, sys; db = duckdb.connect(sys.argv[1]); print('held', flush=True); sys.stdin.read()"


@pytest.fixture
def company() -> ScriptedCompany:
    return ScriptedCompany([bill(1), bill(2)])


@pytest.fixture
def held(project: Project) -> Iterator[Path]:
    """The destination, open for writing in another process."""
    file = project.root / "company.duckdb"
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    yield file
    holder.communicate("")


def test_a_file_open_elsewhere(
    company: ScriptedCompany, pull_bills: Pull, held: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(duckdb_opening, "LOCK_WAIT", 0.0)
    with pytest.raises(BusyError, match="open in another program"):
        pull_bills(company)
    assert company.queries == []


def test_a_file_that_another_program_reads_is_refused_before_anything_is_paid_for(
    company: ScriptedCompany, project: Project, pull_bills: Pull, monkeypatch: pytest.MonkeyPatch
) -> None:
    pull_bills(company)
    asked = len(company.queries)
    monkeypatch.setattr(duckdb_opening, "LOCK_WAIT", 0.0)
    reads = HOLDER.replace("argv[1])", "argv[1], read_only=True)")
    command = [sys.executable, "-c", reads, str(project.root / "company.duckdb")]
    holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(BusyError, match="open in another program"):
        pull_bills(company, full=True)
    holder.communicate("")
    assert len(company.queries) == asked


def test_a_missing_folder_is_named_before_anything_is_read(company: ScriptedCompany, project: Project) -> None:
    with company.client() as client, pytest.raises(StoreError, match=r"folder .*missing"):
        pull(project, objects=["bills"], destination="duckdb:///missing/x.duckdb", source=Source(client, "demo"))
    assert company.queries == []


def test_a_file_that_is_no_duckdb(company: ScriptedCompany, project: Project, pull_bills: Pull) -> None:
    (project.root / "company.duckdb").write_bytes(b"SQLite format 3\0" * 100)
    with pytest.raises(StoreError, match="not a DuckDB file"):
        pull_bills(company)
    assert (project.root / "company.duckdb").read_bytes()[:6] == b"SQLite"


def test_a_folder_instead_of_a_file(company: ScriptedCompany, project: Project, pull_bills: Pull) -> None:
    (project.root / "company.duckdb").mkdir()
    with pytest.raises(StoreError, match="folder, not a file"):
        pull_bills(company)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_file(company: ScriptedCompany, project: Project, pull_bills: Pull) -> None:
    pull_bills(company)
    (project.root / "company.duckdb").chmod(0o400)
    with pytest.raises(StoreError, match="may not be written"):
        pull_bills(company)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ('ALTER TABLE bill DROP COLUMN "totalDue"', "lost its column totalDue"),
        ('ALTER TABLE bill ALTER "totalDue" TYPE DOUBLE', "totalDue of table bill is DOUBLE"),
        ("DROP TABLE bill", "bill is gone"),
    ],
)
def test_an_edited_table(
    company: ScriptedCompany, project: Project, pull_bills: Pull, change: str, sentence: str
) -> None:
    pull_bills(company, lines=False)
    asked = len(company.queries)
    with duckdb.connect(str(project.root / "company.duckdb")) as db:
        db.execute(change)
    with pytest.raises(StoreError, match=sentence):
        pull_bills(company, lines=False)
    assert len(company.queries) == asked


def test_a_column_of_ones_own_is_left_alone(
    company: ScriptedCompany, project: Project, pull_bills: Pull, select: Callable[..., list[tuple[Any, ...]]]
) -> None:
    pull_bills(company, lines=False)
    with duckdb.connect(str(project.root / "company.duckdb")) as db:
        db.execute("ALTER TABLE bill ADD COLUMN remark VARCHAR")
        db.execute("UPDATE bill SET remark = 'mine' WHERE key = '1'")
    company.rows[BILL][0]["description"] = "new"
    assert pull_bills(company, lines=False, full=True).changed == 1
    assert select("SELECT description, remark FROM bill WHERE key = '1'") == [("new", "mine")]


def test_a_table_of_ones_own_is_not_taken_over(company: ScriptedCompany, project: Project, pull_bills: Pull) -> None:
    with duckdb.connect(str(project.root / "company.duckdb")) as db:
        db.execute("CREATE TABLE Bill (x INTEGER)")
    with pytest.raises(StoreError, match="did not make"):
        pull_bills(company, lines=False)


def test_identifiers_are_quoted(company: ScriptedCompany, pull_bills: Pull) -> None:
    name = 'bill"; DROP TABLE _tieout_state; --'
    assert pull_bills(company, lines=False, table=name).ties
    assert pull_bills(company, lines=False, table=name).strategy == "incremental"


@pytest.fixture
def full_disk() -> Iterator[Callable[[int], None]]:
    """full_disk(n): from now on no file of this process can grow beyond n bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_disk_that_fills_up_loses_nothing(
    company: ScriptedCompany, project: Project, pull_bills: Pull, full_disk: Callable[[int], None]
) -> None:
    pull_bills(company, lines=False)
    later = {"audit.modifiedDateTime": "2026-02-01T12:00:00Z"}
    noise = (hashlib.sha512(str(i).encode()).hexdigest() * 20 for i in range(2000))
    company.rows[BILL] += [bill(i, description=text, **later) for i, text in enumerate(noise, start=10)]
    full_disk((project.root / "company.duckdb").stat().st_size)
    with pytest.raises(StoreError, match="cannot grow"):
        pull_bills(company, lines=False)
    full_disk(resource.RLIM_INFINITY)
    report = pull_bills(company, lines=False)
    assert (report.strategy, report.new, report.ties) == ("incremental", 2000, True)


@pytest.mark.parametrize(
    ("reason", "sentence"),
    [
        ('IO Error: Could not write file "x": No space left on device', "disk is full"),
        ('IO Error: Cannot open file "x": Permission denied', "may not be written"),
        ('IO Error: Cannot open file "x": Read-only file system', "read-only disk"),
    ],
)
def test_what_duckdb_says_becomes_one_sentence(reason: str, sentence: str) -> None:
    error = explain(Path("x.duckdb"), reason)
    assert sentence in error.message
    assert error.advice


def test_a_table_of_hundreds_of_columns_is_merged_and_keeps_what_people_added(tmp_path: Path) -> None:
    """DuckDB's MERGE takes memory for each column, however few rows there are."""
    wide = (*ground.COLUMNS, *(Column(path=f"c{n}", name=f"c{n}", kind=Kind.TEXT) for n in range(300)))
    it = ground.Table(DuckFile(tmp_path / "c.duckdb"), columns=wide)
    it.commit(*(ground.bill(n, c7="a") for n in range(20)))
    with duckdb.connect(str(tmp_path / "c.duckdb")) as db:
        db.execute("ALTER TABLE bill ADD COLUMN ours VARCHAR; UPDATE bill SET ours = 'n' || key")
        db.execute("CREATE UNIQUE INDEX i ON bill (key)")
    done = it.commit(*(ground.bill(n, c7="b" if n < 15 else "a") for n in range(10, 30)))
    assert (done.new, done.changed, done.state.rows) == (10, 5, 30)
    with duckdb.connect(str(tmp_path / "c.duckdb"), read_only=True) as db:
        assert db.execute("SELECT count(*), count(ours) FILTER (ours = 'n' || key) FROM bill").fetchall() == [(30, 20)]
        changed = db.execute("SELECT key FROM bill WHERE c7 = 'b' ORDER BY key").fetchall()
    assert changed == [(str(n),) for n in range(10, 15)]


def test_of_a_row_that_somebody_doubled_one_is_left(
    company: ScriptedCompany, project: Project, pull_bills: Pull
) -> None:
    pull_bills(company)
    file = str(project.root / "company.duckdb")
    with duckdb.connect(file) as db:
        db.execute("""INSERT INTO bill SELECT * FROM bill WHERE "key" = '1'""")
    assert pull_bills(company, full=True).ties
    with duckdb.connect(file, read_only=True) as db:
        assert db.execute('SELECT "key" FROM bill ORDER BY 1').fetchall() == [("1",), ("2",)]
