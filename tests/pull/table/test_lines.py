"""Lines after their documents: each read once, none missed, whichever stamp moves."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.pull.conftest import Pull
from tests.pull.scripted import BILL, LINE, ScriptedCompany, bill, line
from tieout.pull.destinations.base import Takes
from tieout.pull.destinations.duckdb import DuckFile
from tieout.pull.reading import owned

Select = Callable[..., list[tuple[Any, ...]]]
LATER = {"audit.modifiedDateTime": "2026-02-01T12:00:00Z"}


@pytest.fixture
def it() -> ScriptedCompany:
    return ScriptedCompany([bill(i) for i in range(1, 26)], [line(i, i % 25 + 1) for i in range(1, 76)])


def change(it: ScriptedCompany, *bills: int) -> None:
    """Documents and their lines change together, as when they are saved as a whole."""
    for row in it.rows[BILL]:
        if int(row["key"]) in bills:
            row |= LATER
    for row in it.rows[LINE]:
        if int(row["bill.key"]) in bills:
            row |= LATER | {"txnAmount": "7.00"}


def test_a_line_whose_own_stamp_and_documents_stamp_moved_is_read_once(it: ScriptedCompany, pull_bills: Pull) -> None:
    pull_bills(it)
    change(it, 3, 4)
    asked = len(it.pages(LINE))
    lines = pull_bills(it).children[0]
    assert (lines.strategy, lines.rows_read, lines.changed, lines.pages) == ("incremental", 6, 6, 1)
    assert len(it.pages(LINE)) - asked == 1
    assert lines.ties


def test_a_line_that_moved_while_its_document_did_not_arrives(
    it: ScriptedCompany, pull_bills: Pull, select: Select
) -> None:
    pull_bills(it)
    change(it, 3)
    it.rows[LINE][20] |= LATER | {"txnAmount": "500.00"}
    lines = pull_bills(it).children[0]
    assert (lines.rows_read, lines.changed) == (4, 4)
    assert select("SELECT \"txnAmount\" FROM bill_line WHERE key = '21'") == [(Decimal("500.00"),)]
    assert lines.ties


def test_many_documents_are_asked_for_in_parts_and_each_line_is_still_read_once(
    it: ScriptedCompany, pull_bills: Pull, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owned, "OWNERS_A_QUERY", 3)
    pull_bills(it)
    change(it, *range(1, 9))
    it.rows[LINE][20] |= LATER | {"txnAmount": "500.00"}
    gone = [row for row in it.rows[LINE] if row["bill.key"] in ("2", "8")][:4]
    it.rows[LINE] = [row for row in it.rows[LINE] if row not in gone]
    lines = pull_bills(it).children[0]
    assert (lines.pages, lines.rows_read, lines.deleted) == (4, 8 * 3 - 4 + 1, 4)  # 4 lines confirmed by one
    assert lines.ties


def test_lines_beyond_one_commit_are_not_taken_for_removed(
    it: ScriptedCompany, pull_bills: Pull, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DuckFile, "takes", Takes(commit_rows=5))
    pull_bills(it, page_size=5)
    change(it, 3, 4, 5, 6)
    lines = pull_bills(it, page_size=5).children[0]
    assert (lines.rows_read, lines.deleted) == (12, 0)
    assert lines.ties


def test_very_many_changed_documents_read_all_lines_and_still_drop_the_removed(
    it: ScriptedCompany, pull_bills: Pull, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owned, "MANY_OWNERS", 5)
    pull_bills(it)
    change(it, *range(1, 9))
    gone = it.rows[LINE].pop(0)
    assert int(gone["bill.key"]) < 9
    lines = pull_bills(it).children[0]
    assert (lines.strategy, lines.rows_read, lines.deleted, lines.missing) == ("full", 74, 0, 1)
    assert "8 documents changed" in lines.reason
    assert lines.ties


@pytest.mark.parametrize("page", [1, 2, 4, 8])
def test_no_line_is_lost_of_a_document_that_changes_while_all_lines_are_read(
    it: ScriptedCompany, pull_bills: Pull, select: Select, page: int
) -> None:
    """Only the document's stamp tells: its lines are read again by the next pull, without a tie-out."""
    asked = 0

    def edit(company: ScriptedCompany, payload: dict[str, Any]) -> None:
        nonlocal asked
        asked += payload["object"] == LINE
        if payload["object"] != LINE or asked != page or company.now is None:
            return
        company.now += timedelta(minutes=30)
        stamp = company.now.strftime("%Y-%m-%dT%H:%M:%SZ")
        company.rows[BILL][2]["audit.modifiedDateTime"] = stamp
        mine = [row for row in company.rows[LINE] if row["bill.key"] == "3"]
        mine[0]["txnAmount"] = "900.00"
        company.rows[LINE].remove(mine[1])
        company.rows[LINE].append(line(900, 3))
        company.rows[LINE].insert(0, line(0, 3))

    it.on_query = edit
    pull_bills(it, page_size=10, tie_out=False, lookback="0")
    it.on_query = lambda company, payload: None
    assert asked >= 8
    pull_bills(it, page_size=10, tie_out=False, lookback="0")
    ours = select('SELECT key, "txnAmount", bill__key FROM bill_line WHERE _tieout_deleted IS NULL')
    assert sorted(ours) == sorted((row["key"], Decimal(row["txnAmount"]), row["bill.key"]) for row in it.rows[LINE])


@pytest.mark.parametrize("how", ["soft", "hard"])
def test_a_line_that_left_its_document_goes_as_other_rows_do(
    it: ScriptedCompany, pull_bills: Pull, select: Select, how: str
) -> None:
    pull_bills(it, deletes=how)
    change(it, 3)
    gone = next(row for row in it.rows[LINE] if row["bill.key"] == "3")
    it.rows[LINE].remove(gone)
    lines = pull_bills(it, deletes=how).children[0]
    assert (lines.deleted, lines.missing, lines.ties) == (1, 0, True)
    marked = select("SELECT key FROM bill_line WHERE _tieout_deleted IS NOT NULL")
    assert marked == ([(gone["key"],)] if how == "soft" else [])
    assert select("SELECT count(*) FROM bill_line") == [(75 if how == "soft" else 74,)]


def test_lines_that_may_no_longer_be_read_are_not_taken_for_removed(
    it: ScriptedCompany, pull_bills: Pull, select: Select
) -> None:
    live = "SELECT count(*) FROM bill_line WHERE _tieout_deleted IS NULL"
    pull_bills(it, deletes="hard")
    change(it, *range(1, 26))
    lines, it.rows[LINE] = it.rows[LINE], []
    assert it.now is not None
    it.now += timedelta(days=5)
    report = pull_bills(it, deletes="hard").children[0]
    assert (report.deleted, report.ties, select(live)) == (0, False, [(75,)])
    assert sum("75 of 75 rows would be marked deleted" in note for note in report.notes) == 1
    it.rows[LINE] = lines
    it.now += timedelta(days=5)
    pull_bills(it, deletes="hard", tie_out=False)  # what changed meanwhile is read
    assert select('SELECT count(*) FROM bill_line WHERE "txnAmount" = 7') == [(75,)]
    for row in it.rows[BILL]:
        row["audit.modifiedDateTime"] = "2026-02-12T00:00:00Z"
    it.rows[LINE] = []
    it.now += timedelta(days=5)
    assert pull_bills(it, tie_out=False).children[0].deleted == 0
    assert pull_bills(it, tie_out=False, max_deleted=1.0).children[0].deleted == 75
    assert select(live) == [(0,)]


def test_lines_in_the_place_of_others_are_no_sign_of_a_lost_permission(it: ScriptedCompany, pull_bills: Pull) -> None:
    pull_bills(it)
    change(it, *range(1, 26))
    for row in it.rows[LINE]:
        row["key"] = str(int(row["key"]) + 1000)
    lines = pull_bills(it, tie_out=False).children[0]
    assert (lines.new, lines.deleted, lines.notes) == (75, 75, [])


def test_a_line_that_comes_by_its_key_has_not_left_its_document(
    it: ScriptedCompany, pull_bills: Pull, select: Select
) -> None:
    pull_bills(it)
    change(it, 3)
    moved = next(row for row in it.rows[LINE] if row["bill.key"] == "3")
    moved |= {"bill.key": "4", "bill.id": "4", "audit.modifiedDateTime": "2026-01-01T00:00:00Z"}
    lines = pull_bills(it, tie_out=False).children[0]
    assert lines.deleted == 0
    assert select("SELECT bill__key FROM bill_line WHERE key = ?", [moved["key"]]) == [("4",)]
