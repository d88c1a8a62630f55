"""What a run says for itself: since when, from scratch, which rows, which fields."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import duckdb
import pytest

from tests.pull.scripted import BILL, LINE, ScriptedCompany, bill, company, line
from tieout.errors import CheckError, ConfigurationError, StoreError
from tieout.project import Project
from tieout.pull import PullReport
from tieout.pull.run import plan, pull
from tieout.pull.sources import Source

Select = Callable[..., list[tuple[Any, ...]]]
Run = Callable[..., PullReport]
STAMP = "audit.modifiedDateTime"
LATER = "2026-02-01T12:00:00Z"


@pytest.fixture
def run(project: Project) -> Run:
    """run(company, **options) -> the report of `pull(..., **options)` of bills."""

    def it(of: ScriptedCompany, **options: Any) -> PullReport:
        with of.client() as client:
            (report,) = pull(project, objects=["bills"], source=Source(client, "demo"), **options)
        return report

    return it


def test_since_reads_again_what_a_copy_has_lost(run: Run, project: Project, select: Select) -> None:
    it = company()
    it.rows[BILL][3] |= {STAMP: "2026-01-20T00:00:00Z"}
    mark = run(it).watermark_after
    with duckdb.connect(str(project.root / "company.duckdb")) as db:
        db.execute("UPDATE bill SET description = 'by hand' WHERE key IN ('4', '5')")
    report = run(it, since="2026-01-15")
    assert (report.strategy, report.rows_read, report.changed) == ("incremental", 1, 1)
    assert report.watermark_after == mark
    assert select("SELECT description FROM bill WHERE key IN ('4', '5') ORDER BY key") == [("bill 4",), ("by hand",)]
    assert run(it, since="2026-01-01T01:00:00+01:00").changed == 1
    assert it.pages()[-1]["filters"] == [{"$gte": {STAMP: "2026-01-01T00:00:00Z"}}]


def test_since_a_moment_after_the_last_pull_leaves_nothing_out_later(run: Run, select: Select) -> None:
    it = company()
    mark = run(it).watermark_after
    it.rows[BILL][3] |= {"description": "later", STAMP: "2026-02-01T12:30:00Z"}
    it.now = datetime(2026, 2, 1, 14, tzinfo=UTC)
    assert (report := run(it, since="2026-02-01T13:00:00Z")).rows_read == 0
    assert report.watermark_after == mark
    run(it)
    assert select("SELECT description FROM bill WHERE key = '4'") == [("later",)]


def test_since_on_a_first_pull_reads_all_and_says_so(run: Run) -> None:
    report = run(company(), since="2026-01-15")
    assert (report.strategy, report.rows_read) == ("full", 25)
    assert "read in full" in report.notes[0]


def test_lines_are_read_since_then_too(run: Run, select: Select) -> None:
    it = ScriptedCompany([bill(i) for i in (1, 2)], [line(i, i) for i in (1, 2)])
    run(it)
    it.rows[BILL][0][STAMP] = "2026-01-20T00:00:00Z"
    it.rows[LINE][0]["txnAmount"] = "5.00"
    assert run(it, since="2026-01-15").children[0].changed == 1


def test_reset_reads_anew_what_was_damaged(run: Run, project: Project, select: Select) -> None:
    it = company()
    run(it)
    with duckdb.connect(str(project.root / "company.duckdb")) as db:
        db.execute("ALTER TABLE bill DROP COLUMN description")
        db.execute("UPDATE bill_line SET _tieout_deleted = now() WHERE key = '1'")
    with pytest.raises(StoreError) as damaged:
        run(it)
    assert "--reset" in damaged.value.advice
    report = run(it, reset=True)
    assert (report.strategy, report.new, report.missing, report.ties) == ("full", 25, 0, True)
    assert "dropped with its 60 rows" in report.children[0].notes[0]
    assert select("SELECT count(description) FROM bill") == [(25,)]
    assert select("SELECT count(*) FROM bill_line WHERE _tieout_deleted IS NOT NULL") == [(0,)]
    assert run(it).strategy == "incremental"


def test_a_plan_to_reset_drops_nothing(run: Run, project: Project, select: Select) -> None:
    it = company()
    run(it)
    with it.client() as client:
        planned = plan(project, objects=["bills"], reset=True, source=Source(client, "demo"))
    assert [(one.strategy, one.rows) for one in planned.tables] == [("full", 25), ("full", 60)]
    assert select("SELECT count(*) FROM bill") == [(25,)]


def test_reset_takes_no_table_of_anything_else(run: Run, project: Project, select: Select) -> None:
    it = company()
    with duckdb.connect(str(project.root / "company.duckdb")) as db:
        db.execute("CREATE TABLE theirs (a INTEGER)")
    run(it, table="mine")
    with it.client() as client, pytest.raises(ConfigurationError, match="holds object"):
        pull(project, objects=["bill-line"], table="mine", reset=True, source=Source(client, "demo"))
    with pytest.raises(Exception, match="theirs that tieout did not make"):
        run(it, table="theirs", reset=True)
    assert select("SELECT count(*) FROM mine") == [(25,)]
    assert select("SELECT count(*) FROM theirs") == [(0,)]


def test_a_filter_given_for_one_run_takes_no_row_from_a_table_of_another(
    run: Run, project: Project, select: Select
) -> None:
    it = company()
    run(it)
    asked = len(it.pages())
    for options in ({}, {"full": True}, {"allow_deletes": True}):
        with pytest.raises(ConfigurationError, match="25 rows by another filter") as refused:
            run(it, where="id in ('2', '3')", **options)
        assert "--table" in refused.value.advice
    with it.client() as client, pytest.raises(ConfigurationError, match="another filter"):
        plan(project, objects=["bills"], where="id = '2'", source=Source(client, "demo"))
    assert len(it.pages()) == asked
    assert select("SELECT count(*) FROM bill WHERE _tieout_deleted IS NULL") == [(25,)]
    few = {"where": "id in ('2', '3')", "table": "few"}
    assert run(it, **few).new == 2
    assert run(it, **few).ties
    assert run(it, where="id = '2'", reset=True).ties
    assert select("SELECT key FROM bill") == [("2",)]


def test_a_filter_and_fields_of_the_run_go_before_the_sections(project: Project, select: Select) -> None:
    text = "[pull.bills]\nobject = 'bills'\nlines = false\nwhere = \"id = '1'\"\nfields = ['id', 'days']\n"
    of = Project(project.root, project.root / "tieout.toml", text)
    with company().client() as client:
        source = Source(client, "demo")
        (report,) = pull(of, ["bills"], where="id in ('2', '3')", fields=["id", "description"], source=source)
        assert report.rows_read == 2
        assert select("SELECT key, id, description FROM bill ORDER BY key") == [
            ("2", "2", "bill 2"),
            ("3", "3", "bill 3"),
        ]
        assert [column for column, *_ in select("DESCRIBE bill") if column[0] != "_"] == [
            "key", "id", "description", "audit__modifiedDateTime",
        ]  # fmt: skip
        assert plan(of, ["bills"], table="nine", where="id = '9'", source=source).tables[0].rows == 1
        with pytest.raises(CheckError, match="nope"):
            pull(of, ["bills"], fields=["nope"], source=source)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"since": "2026-01-01", "reset": True}, "--since or --reset"),
        ({"since": "last week"}, "2026-03-31"),
        ({"since": "2999-01-01"}, "has not come yet"),
        ({"objects": ["bills", "vendors"], "where": "id = '1'"}, "--where"),
        ({"objects": ["bills", "vendors"], "fields": ["id"]}, "--fields"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_asked(
    project: Project, options: dict[str, Any], words: str
) -> None:
    it = company()
    with it.client() as client, pytest.raises(ConfigurationError, match=words):
        pull(project, source=Source(client, "demo"), **{"objects": ["bills"], **options})
    assert it.queries == []
