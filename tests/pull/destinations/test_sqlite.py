"""A SQLite file: what can be wrong with it, and numbers that SQLite itself cannot add up."""

from __future__ import annotations

import functools
import os
import resource
import socket
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.pull.conftest import Pull
from tests.pull.destinations.ground import DAYS, KEY, SYNCED, TOTAL, Table, bill
from tests.pull.scripted import ScriptedCompany
from tests.pull.scripted import bill as row
from tieout.errors import BusyError, StoreError
from tieout.project import Project
from tieout.pull.destinations import sqlite as module
from tieout.pull.destinations.base import Commit, Committed, Takes, Window
from tieout.pull.destinations.open import open_destination
from tieout.pull.destinations.sqlite import SqliteFile
from tieout.pull.destinations.state import Backfill
from tieout.pull.schema.types import EXACT

STAMP = "audit__modifiedDateTime"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "company.db"


@pytest.fixture
def it(file: Path) -> Table:
    return Table(SqliteFile(file))


def edit(file: Path, statement: str) -> None:
    with closing(sqlite3.connect(file)) as db:
        db.execute(statement)
        db.commit()


def total(it: Table) -> Decimal | None:
    (measure,) = it.to.measure("bill", [TOTAL])
    return measure.sums["total"]


def test_a_section_names_it_and_the_next_run_brings_what_changed(pull_bills: Pull, project: Project) -> None:
    company = ScriptedCompany([row(1), row(2)])
    assert pull_bills(company, destination="sqlite:///company.db").ties
    report = pull_bills(company, destination="sqlite:///company.db")
    assert (report.strategy, report.ties) == ("incremental", True)
    with closing(sqlite3.connect(project.root / "company.db")) as db:
        assert db.execute('SELECT key, "totalDue" FROM bill ORDER BY key').fetchall() == [("1", "1.10"), ("2", "2.10")]


def test_a_commit_begins_with_the_first_page_and_not_while_one_is_written(
    pull_bills: Pull, monkeypatch: pytest.MonkeyPatch
) -> None:
    committed: list[int] = []
    read, commit = threading.Event(), SqliteFile.commit

    def kept_back(it: SqliteFile, given: Commit) -> Committed:
        committed.append(given.batch.rows)
        assert read.wait(timeout=20)
        return commit(it, given)

    monkeypatch.setattr(SqliteFile, "commit", kept_back)
    monkeypatch.setattr(SqliteFile, "takes", Takes(commit_rows=10_000, idle_rows=10, plain=True))
    company = ScriptedCompany([row(i) for i in range(1, 100)])
    company.on_query = lambda company, query: read.set() if ":" in query["fields"][0] else None
    report = pull_bills(company, destination="sqlite:///company.db", lines=False, page_size=10)
    assert (report.rows_read, report.ties) == (99, True)
    assert (committed[0], sum(committed)) == (10, 99)
    assert len(committed) < 10


def test_the_file_and_its_log_are_for_this_user_only(it: Table, file: Path) -> None:
    it.commit(bill(1))
    with closing(sqlite3.connect(file)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM bill").fetchall()
        it.commit(bill(2))  # the reader is not waited for, and keeps the log from being merged
        modes = {path.name: path.stat().st_mode & 0o777 for path in file.parent.iterdir()}
    assert modes == {"company.db": 0o600, "company.db-wal": 0o600, "company.db-shm": 0o600}


def test_sums_of_numbers_longer_than_sqlites_own(it: Table) -> None:
    it.commit(*(bill(i, total=Decimal("90000000000000.01"), days=2**62) for i in range(1, 2001)))
    assert total(it) == Decimal("180000000000000020.00")  # without its point beyond 2**63
    assert it.to.measure("bill", [DAYS])[0].sums == {"days": Decimal(2000 * 2**62)}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    scale=st.sampled_from([0, 1, 2, 4, 5, 10, 15, 30]),
    digits=st.lists(
        st.integers(-(10**17), 10**17) | st.integers(-(10**37), 10**37) | st.none(), min_size=1, max_size=20
    ),
)
@example(scale=2, digits=[99_999_999_999_999_999])
@example(scale=10, digits=[9_999_999_999_999_999, 1])
def test_sums_are_exact_to_the_last_digit(file: Path, scale: int, digits: list[int | None]) -> None:
    column = msgspec.structs.replace(TOTAL, scale=scale)
    amounts = [None if n is None else EXACT.scaleb(Decimal(n), -scale) for n in digits]
    it = Table(SqliteFile(file), columns=(KEY, column))
    try:
        it.commit(*({"key": str(at), "total": amount} for at, amount in enumerate(amounts)))
        (measure,) = it.to.measure("bill", [column])
        there = [amount for amount in amounts if amount is not None]
        assert measure.sums["total"] == (functools.reduce(EXACT.add, there) if there else None)
    finally:
        it.to.drop("bill")


def test_a_row_without_a_key_cannot_be_put_in_by_hand(it: Table, file: Path) -> None:
    it.commit(bill(1))
    with pytest.raises(sqlite3.IntegrityError):
        edit(file, "INSERT INTO bill (name) VALUES ('nobody')")


def test_a_number_written_by_hand_counts_for_what_it_is(it: Table, file: Path) -> None:
    it.commit(bill(1), bill(2))
    edit(file, "UPDATE bill SET total = '10.5' WHERE key = '1'")
    assert total(it) == Decimal("20.50")
    edit(file, "UPDATE bill SET total = 'ten' WHERE key = '1'")
    assert total(it) == Decimal("10.00")


def test_moments_with_and_without_microseconds_are_in_order(it: Table) -> None:
    second = datetime(2026, 3, 20, 12, 0, 0, tzinfo=UTC)
    it.commit(bill(1, **{STAMP: second}), bill(2, **{STAMP: second.replace(microsecond=500_000)}))
    stamp = next(column for column in it.columns if column.name == STAMP)
    assert it.to.measure("bill", [], stamp=stamp)[0].newest == "2026-03-20T12:00:00.500000Z"
    assert it.to.keys_since("bill", STAMP, "2026-03-20T12:00:00.250000Z") == ["2"]
    window = Window(column=stamp, high="2026-03-20T12:00:00.250000Z")
    assert list(it.to.keys("bill", within=window)) == [["1"]]


def test_rows_of_a_long_read_are_counted_without_looking_at_the_table(it: Table, file: Path) -> None:
    def after(position: int) -> dict[str, Backfill]:
        return {"backfill": Backfill(since=SYNCED, position=position, last_key="")}

    it.commit(bill(1), bill(2, **{STAMP: None}), after=after(2))
    it.commit(bill(2), bill(3), bill(4, **{STAMP: None}), after=after(4))
    assert (it.state.rows, it.state.unstamped) == (4, 1)
    edit(file, f"UPDATE bill SET _tieout_deleted = '{SYNCED}' WHERE key = '1'")
    it.commit(bill(1), after=after(5))
    assert it.state.rows == 5  # one came back: what was edited behind our back is not seen
    it.commit(after={"backfill": None})
    assert (it.state.rows, it.state.unstamped) == (5, 1)


def test_the_first_commit_of_a_run_counts_what_is_there(it: Table, file: Path) -> None:
    rest = {"backfill": Backfill(since=SYNCED, position=2, last_key="2")}
    it.commit(bill(1), bill(2, **{STAMP: None}), after=rest | {"run": "first"})
    edit(file, f"UPDATE bill SET _tieout_deleted = '{SYNCED}' WHERE key = '1'")
    it.commit(bill(3), after=rest | {"run": "second"})
    assert (it.state.rows, it.state.unstamped) == (2, 1)
    it.commit(bill(4), after={"backfill": None, "run": "second"})
    assert (it.state.rows, it.state.unstamped) == (3, 1)


def test_a_file_that_another_program_writes(it: Table, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOCK_WAIT", 0.0)
    it.commit(bill(1))
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="being written by another program"):
            it.commit(bill(2))
    it.commit(bill(2))
    assert it.keys() == ["1", "2"]


def test_another_file_put_there_during_a_read_is_left_as_it_is(it: Table, file: Path, tmp_path: Path) -> None:
    it.commit(bill(1))
    theirs = tmp_path / "theirs.db"
    edit(theirs, "CREATE TABLE mine AS SELECT 7 AS n")
    theirs.rename(file)
    with pytest.raises(BusyError):
        it.commit(bill(2))
    with closing(sqlite3.connect(file)) as db:
        assert db.execute("SELECT n FROM mine").fetchall() == [(7,)]
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_a_file_that_is_no_sqlite(it: Table, file: Path) -> None:
    file.write_bytes(b"\0" * 8 + b"DUCK" + b"\0" * 100)
    for look in (it.to.check, it.to.tables, lambda: it.to.state("bill"), lambda: it.commit(bill(1))):
        with pytest.raises(StoreError, match="not a SQLite file"):
            look()
    assert file.read_bytes()[8:12] == b"DUCK"


def test_a_folder_instead_of_a_file(it: Table, file: Path) -> None:
    file.mkdir()
    with pytest.raises(StoreError, match="folder, not a file"):
        it.to.check()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written_can_still_be_read(it: Table, file: Path) -> None:
    it.commit(bill(1))
    file.parent.chmod(0o500)
    try:
        assert it.keys() == ["1"]
        with pytest.raises(StoreError, match="may not be written"):
            it.commit(bill(2))
    finally:
        file.parent.chmod(0o700)


@pytest.fixture
def full_disk() -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_disk_that_fills_up_loses_nothing(it: Table, full_disk: None) -> None:
    it.commit(bill(1))
    before = it.state
    with pytest.raises(StoreError, match="the disk refused"):
        it.commit(*(bill(i, name=os.urandom(400).hex()) for i in range(2, 2000)))
    assert (it.to.state("bill"), it.keys()) == (before, ["1"])
    assert it.commit(bill(2)).state.rows == 2


def test_a_table_of_ones_own_file_keeps_its_mode(it: Table, file: Path) -> None:
    edit(file, "CREATE TABLE mine (x)")
    it.commit(bill(1))
    with closing(sqlite3.connect(file)) as db:
        assert db.execute("PRAGMA journal_mode").fetchone() == ("delete",)


def test_the_same_path_on_two_machines_is_two_files() -> None:
    """Leases are kept in a state database that several machines may share."""
    assert socket.gethostname() in open_destination(Path("/data"), "sqlite:///company.db").identity()
    assert socket.gethostname() in open_destination(Path("/data"), "duckdb:///company.duckdb").identity()
