"""One DuckDB file for the threads of a program: opened once for all who wait, let go of for other programs."""

from __future__ import annotations

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.pull.destinations.ground import Table, bill
from tieout.pull.destinations import duckdb_opening
from tieout.pull.destinations.duckdb_opening import opened
from tieout.pull.destinations.open import open_destination

WAIT = 30.0


@pytest.fixture
def openings(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether it was to read only, of each time that DuckDB opened a file."""
    seen: list[bool] = []
    connect = duckdb.connect

    def counted(*args: Any, **options: Any) -> Any:
        seen.append(options["read_only"])
        return connect(*args, **options)

    monkeypatch.setattr(duckdb, "connect", counted)
    return seen


def write(path: Path, number: int) -> None:
    with opened(path).using(writing=True) as db:
        db.execute("CREATE TABLE IF NOT EXISTS t (n INTEGER)")
        db.execute("INSERT INTO t VALUES (?)", [number])


def read(path: Path) -> list[int]:
    with opened(path).using(writing=False) as db:
        return sorted(n for (n,) in db.execute("SELECT n FROM t").fetchall())


def while_others_wait(path: Path, count: int, work: Any) -> None:
    """Does `work` on so many threads, all of which wait before the first one begins."""
    with ThreadPoolExecutor(count) as threads:
        with opened(path).using(writing=True) as db:
            db.execute("CREATE TABLE IF NOT EXISTS t (n INTEGER)")
            futures = [threads.submit(work, n) for n in range(count)]
            until(lambda: opened(path)._turns.wanted == count)
        for future in futures:
            future.result(WAIT)


def until(true: Any) -> None:
    waiting = threading.Event()
    for _ in range(3000):
        if true():
            return
        waiting.wait(0.01)
    raise AssertionError("it never came true")


def test_the_file_is_opened_once_for_all_who_wait(tmp_path: Path, openings: list[bool]) -> None:
    path = tmp_path / "c.duckdb"
    while_others_wait(path, 6, lambda n: write(path, n) if n % 2 else read(path))
    assert openings == [False]
    assert read(path) == [1, 3, 5]
    assert openings == [False, True]


def test_it_is_closed_when_nobody_waits(tmp_path: Path) -> None:
    path = tmp_path / "c.duckdb"
    while_others_wait(path, 3, lambda n: write(path, n))
    with duckdb.connect(str(path), read_only=True) as other:  # of this program, in another mode
        assert other.execute("SELECT count(*) FROM t").fetchall() == [(3,)]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["c.duckdb"]


@pytest.mark.parametrize("limit", ["LONGEST", "MOST_HELD"])
def test_it_is_let_go_of_though_threads_wait(
    tmp_path: Path, openings: list[bool], monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    monkeypatch.setattr(duckdb_opening, limit, 0)
    path = tmp_path / "c.duckdb"
    while_others_wait(path, 2, lambda n: write(path, n))
    assert openings == [False] * 3


def test_after_an_error_it_is_opened_anew_and_nothing_of_it_stays(tmp_path: Path, openings: list[bool]) -> None:
    path = tmp_path / "c.duckdb"

    def fail(number: int) -> None:
        with opened(path).using(writing=True) as db:
            db.execute("BEGIN")
            db.execute("INSERT INTO t VALUES (9)")
            raise ValueError("no")

    def work(number: int) -> None:
        with pytest.raises(ValueError, match="no"):
            fail(number)

    while_others_wait(path, 2, work)
    assert openings == [False, False]
    assert read(path) == []


def test_who_reads_goes_on_reading_while_another_thread_wants_to_write(tmp_path: Path) -> None:
    path = tmp_path / "c.duckdb"
    write(path, 1)
    with ThreadPoolExecutor(1) as thread:
        with opened(path).using(writing=False) as db:
            later = thread.submit(write, path, 2)
            until(lambda: opened(path)._turns.wanted == 1)
            assert read(path) == [1]
            assert db.execute("SELECT count(*) FROM t").fetchall() == [(1,)]
        later.result(WAIT)
    assert read(path) == [1, 2]


@pytest.mark.parametrize("kind", ["duckdb", "sqlite"])
def test_who_looks_at_a_file_gives_up_no_lock_of_who_is_writing_it(tmp_path: Path, kind: str) -> None:
    """Closing a file gives up all locks that a program has on it, whoever took them."""
    it = Table(open_destination(tmp_path, f"{kind}:///company.{kind}"))
    it.commit(bill(1))
    other = Table(open_destination(tmp_path, f"{kind}:///company.{kind}"))
    file = tmp_path / f"company.{kind}"
    if kind == "duckdb":
        program = f"import duckdb; duckdb.connect({str(file)!r})"
    else:
        alone = "db.execute('PRAGMA locking_mode = EXCLUSIVE'); db.execute('BEGIN EXCLUSIVE')"
        program = f"import sqlite3; db = sqlite3.connect({str(file)!r}, timeout=0); {alone}"
    with it.to._open(**({} if kind == "duckdb" else {"writing": True})):  # type: ignore[attr-defined]
        if kind == "duckdb":
            other.to._check_file()  # type: ignore[attr-defined]
        else:
            other.to.check()
        with pytest.raises(subprocess.CalledProcessError):
            subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
