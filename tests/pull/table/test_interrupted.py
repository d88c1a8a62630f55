"""Killed, interrupted or cut off in the middle: nothing is lost, nothing doubled, the next run goes on."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.forks import Forks
from tests.pull.conftest import Pull
from tests.pull.scripted import BILL, ScriptedCompany, bill
from tieout.pull.destinations.base import Takes
from tieout.pull.destinations.duckdb import DuckFile

Select = Callable[..., list[tuple[Any, ...]]]
Crash = Callable[..., int]

# A commit after each 20 rows, so that a hundred rows already have a middle.
CHILD = """
import sys
from tests.pull.scripted import ScriptedCompany, bill
from tieout.project import Project
from tieout.pull.destinations.base import Takes
from tieout.pull.destinations.duckdb import DuckFile
from tieout.pull.run import pull
from tieout.pull.sources import Source
from pathlib import Path
DuckFile.takes = Takes(commit_rows=20)
changed = {"description": "later", "audit.modifiedDateTime": "2026-02-01T12:00:00Z"} if "changed" in sys.argv else {}
company = ScriptedCompany([bill(i, **changed) for i in range(1, 101)])
text = "[pull.bills]\\nobject = 'bills'\\nlines = false\\npage_size = 10\\n"
folder = Path(sys.argv[1])
with company.client() as client:
    pull(Project(folder, folder / "tieout.toml", text), source=Source(client, "demo"))
"""


@pytest.fixture
def crash(forked: Forks) -> Crash:
    """Pull in a child process that kills itself at a crash point -> its exit status."""

    def run(folder: Path, place: str, *words: str) -> int:
        return forked.run(CHILD, folder, *words, environment={"TIEOUT_CRASH_AT": place})[0]

    return run


@pytest.fixture(autouse=True)
def small_commits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DuckFile, "takes", Takes(commit_rows=20))


@pytest.mark.parametrize(
    ("place", "committed"),
    [
        ("pull.page_taken:1", 0),
        ("pull.before_commit:1", 0),
        ("pull.after_commit:1", 28),
        ("pull.before_commit:3", 55),
        ("pull.after_commit:3", 82),
    ],
)
def test_a_killed_first_read_goes_on_where_it_was(
    project: Any, crash: Crash, pull_bills: Pull, select: Select, place: str, committed: int
) -> None:
    assert crash(project.root, place) == -signal.SIGKILL
    it = ScriptedCompany([bill(i) for i in range(1, 101)])
    report = pull_bills(it, lines=False, page_size=10)
    assert report.resumed == (committed > 0)
    assert report.rows_read == 100 - committed
    assert select("SELECT count(*), count(DISTINCT key), sum(days) FROM bill") == [(100, 100, 5050)]
    assert report.ties
    assert report.watermark_after != ""


@pytest.mark.parametrize("place", ["pull.before_commit:1", "pull.after_commit:1", "pull.before_commit:4"])
def test_a_killed_incremental_read_starts_again_from_its_watermark(
    project: Any, crash: Crash, pull_bills: Pull, select: Select, place: str
) -> None:
    pull_bills(ScriptedCompany([bill(i) for i in range(1, 101)]), lines=False, page_size=10)
    (before,) = select("SELECT watermark FROM _tieout_state")
    assert crash(project.root, place, "changed") == -signal.SIGKILL
    assert select("SELECT watermark FROM _tieout_state") == [before]
    changed = {"description": "later", "audit.modifiedDateTime": "2026-02-01T12:00:00Z"}
    report = pull_bills(ScriptedCompany([bill(i, **changed) for i in range(1, 101)]), lines=False, page_size=10)
    assert report.strategy == "incremental"
    assert select("SELECT count(*), count(DISTINCT key), min(description) FROM bill") == [(100, 100, "later")]


def test_rows_deleted_between_two_halves_of_a_first_read_hide_no_others(
    project: Any, crash: Crash, pull_bills: Pull, select: Select
) -> None:
    crash(project.root, "pull.before_commit:3")
    it = ScriptedCompany([bill(i) for i in range(1, 101) if i not in range(5, 40)])
    report = pull_bills(it, lines=False, page_size=10)
    assert report.resumed
    there = {row["key"] for row in it.rows[BILL]}
    assert there <= {key for (key,) in select("SELECT key FROM bill")}


def test_an_interrupt_leaves_what_was_committed(pull_bills: Pull, select: Select) -> None:
    it = ScriptedCompany([bill(i) for i in range(1, 101)])

    def interrupt(company: ScriptedCompany, payload: dict[str, Any]) -> None:
        if payload["start"] == 46:  # pages may come out of order
            company.on_query = lambda company, payload: None
            raise KeyboardInterrupt

    it.on_query = interrupt
    with pytest.raises(KeyboardInterrupt):
        pull_bills(it, lines=False, page_size=10)
    ((kept,),) = select("SELECT count(*) FROM bill")
    assert 20 <= kept < 50
    report = pull_bills(it, lines=False, page_size=10)
    assert report.resumed
    assert report.rows_read == 100 - kept
    assert report.ties


def test_full_starts_an_interrupted_read_again(project: Any, crash: Crash, pull_bills: Pull) -> None:
    crash(project.root, "pull.after_commit:2")
    it = ScriptedCompany([bill(i) for i in range(1, 101)])
    report = pull_bills(it, lines=False, page_size=10, full=True)
    assert (report.resumed, report.rows_read, report.ties) == (False, 100, True)


def test_an_interrupted_second_full_read_is_finished_before_anything_is_called_up_to_date(
    project: Any, crash: Crash, pull_bills: Pull, select: Select
) -> None:
    """A new filter makes the run read all; killed half-way, the old watermark must not count any more."""
    it = ScriptedCompany([bill(i) for i in range(1, 101)])
    pull_bills(it, lines=False, page_size=10, private=False)
    assert crash(project.root, "pull.after_commit:2") == -signal.SIGKILL
    it.rows[BILL][-1]["description"] = "changed under an old stamp"
    del it.rows[BILL][94]
    report = pull_bills(it, lines=False, page_size=10)
    assert report.resumed
    assert report.ties
    assert select("SELECT key FROM bill WHERE _tieout_deleted IS NOT NULL") == [("95",)]
    assert select("SELECT description FROM bill WHERE key = '100'") == [("changed under an old stamp",)]


@pytest.mark.parametrize("place", ["pull.before_commit:1", "pull.after_commit:1"])
def test_what_a_killed_pull_leaves_is_for_its_owner_only(project: Any, crash: Crash, place: str) -> None:
    before = os.umask(0o022)
    try:
        assert crash(project.root, place) == -signal.SIGKILL
    finally:
        os.umask(before)
    left = {path.name: path.stat().st_mode & 0o077 for path in project.root.iterdir()}
    assert "company.duckdb.wal" in left  # rows are in there, not in the file
    assert set(left.values()) == {0}


def test_the_processs_umask_is_left_alone(pull_bills: Pull, project: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def changed(mask: int) -> int:
        raise AssertionError("the umask belongs to the whole process")

    monkeypatch.setattr(os, "umask", changed)
    pull_bills(ScriptedCompany([bill(1)]), lines=False)
    assert sorted(path.name for path in project.root.iterdir()) == ["company.duckdb"]
