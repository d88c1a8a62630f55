"""What pull, push, failed and verify say of given reports: the tie-out table, the causes, the exit code."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import termios
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tieout.cli import failed, pull, pull_plan, push, tie_out
from tieout.cli.output import Output
from tieout.errors import Problem, StoreError
from tieout.project.report import TieOutLine
from tieout.pull import PullPlan, TablePlan
from tieout.pull.findings import Findings
from tieout.pull.plan.strategy import OTHER_FILTER
from tieout.pull.report import PullReport
from tieout.push.grouping import spoken
from tieout.push.report import FailedRecord, PushReport

Side = str | Decimal | int | None


def line(what: str, source: Side, intacct: Side, *, subject: str = "bills", ties: bool | None = True) -> TieOutLine:
    difference: Decimal | int | None = None
    if isinstance(source, (int, Decimal)) and isinstance(intacct, (int, Decimal)):
        difference = source - intacct
    return TieOutLine(
        subject=subject,
        what=what,
        source=source,
        intacct=intacct,
        difference=difference,
        ties=ties,
        note="" if ties is not None else "Intacct refused the sum",
    )


LINES = [
    line("rows", 1440, 1440),
    line("sum totalTxnAmount", Decimal("1234567.80"), Decimal("1234567.80")),
    line("sum totalTxnDue", Decimal("10.5"), Decimal("10.50")),
    line("sum totalTxnPaid", Decimal("100"), Decimal("99.99"), ties=False),
    line("sum odd", None, None, ties=None),
]


def test_folding_never_hides_a_difference_or_a_gap(capsys: pytest.CaptureFixture[str]) -> None:
    tie_out.show(Output(), LINES, every=False)
    shown = capsys.readouterr().out.splitlines()
    assert "1,440" in shown[1]
    assert "ties" in shown[1]
    assert "0.01" in shown[2]
    assert "differs" in shown[2]
    assert "not provable: Intacct refused the sum" in shown[3]
    assert "2 more sums" in shown[4]
    assert len(shown) == 5


def test_every_line_is_shown_on_demand_with_the_same_digits_on_both_sides(capsys: pytest.CaptureFixture[str]) -> None:
    tie_out.show(Output(), LINES, every=True)
    shown = capsys.readouterr().out
    assert "1,234,567.80  1,234,567.80" in shown
    assert "10.50         10.50" in shown
    assert len(shown.splitlines()) == len(LINES) + 1


def test_a_note_on_many_lines_stands_once(capsys: pytest.CaptureFixture[str]) -> None:
    tie_out.show(Output(), [line(f"sum {n}", Decimal(1), None, ties=None) for n in range(13)], every=True)
    shown = capsys.readouterr().out
    assert shown.count("Intacct refused the sum") == 1
    assert shown.count("not provable") == 13


def test_many_empty_tables_are_counted_and_tables_have_their_own_names(capsys: pytest.CaptureFixture[str]) -> None:
    subjects = [f"a/thing-{n}" for n in range(6)]
    full = [line("rows", 1, 1, subject=name) for name in ("b/bill-line", "b/term in b_term", "c/term")]
    tie_out.show(Output(), [*full, *(line("rows", 0, 0, subject=name) for name in subjects)], every=False)
    shown = capsys.readouterr().out.splitlines()
    assert [row.split()[0] for row in shown[1:4]] == ["bill_line", "b_term", "term"]
    assert shown[4] == "6 tables have no rows on either side."


def test_a_plan_of_many_tables_counts_those_with_nothing_to_read(capsys: pytest.CaptureFixture[str]) -> None:
    def planned(name: str, rows: int, **more: Any) -> TablePlan:
        at = {"object": f"a/{name}", "table": name, "destination": "duckdb:///c.duckdb"}
        return TablePlan(**at, rows=rows, transactions=2, at_most=2, deletes="all keys", **more)

    empty = [planned(f"empty_{n}", 0) for n in range(20)]
    told = [planned("bill", 3), planned("noted", 0, notes=["look"]), planned("no", 0, error=StoreError("No."))]
    pull_plan.show(Output(), PullPlan(tables=[*empty, *told]), budget=None)
    shown = capsys.readouterr().out
    assert [row.split()[0] for row in shown.splitlines()[3:6]] == ["bill", "noted", "no"]
    assert "  20 more tables with nothing to read: 40 transactions." in shown
    assert "empty" not in shown
    pull_plan.show(Output(), PullPlan(tables=empty[:2]), budget=None)
    assert "empty_1" in capsys.readouterr().out


@given(st.lists(st.sampled_from([True, False, None])), st.booleans())
def test_the_conclusion_follows_from_the_lines(verdicts: list[bool | None], every: bool) -> None:
    lines = [line(f"sum {number}", Decimal(1), Decimal(1), ties=ties) for number, ties in enumerate(verdicts)]
    listed, folded = tie_out._fold(lines, every=every)
    assert sorted(entry.what for entry in [*listed, *folded]) == sorted(entry.what for entry in lines)
    assert all(entry.ties is True for entry in folded)


def test_empty_objects_share_a_line_but_gaps_do_not(capsys: pytest.CaptureFixture[str]) -> None:
    empty = [line("rows", 0, 0, subject=name) for name in ("a", "b")]
    tie_out.show(Output(), [*empty, line("rows", 0, None, subject="unknown", ties=None)], every=True)
    shown = capsys.readouterr().out.splitlines()
    assert shown[1].startswith("unknown")
    assert "not provable" in shown[1]
    assert shown[2] == "No rows on either side: a, b."
    assert "ties" not in shown[2]


def test_conclusion_counts(capsys: pytest.CaptureFixture[str]) -> None:
    tie_out.conclusion(Output(), LINES)
    shown = capsys.readouterr().out
    assert "1 comparison of 5 does not tie out." in shown
    assert "1 comparison could not be made" in shown
    tie_out.conclusion(Output(), LINES[:3])
    assert capsys.readouterr().out == "Everything ties out: 3 comparisons.\n"


def test_pull_shows_tables_lines_and_what_to_know(capsys: pytest.CaptureFixture[str]) -> None:
    child = PullReport(object="accounts-payable/bill-line", table="bill_lines", destination="duckdb:///c.duckdb")
    report = PullReport(
        object="accounts-payable/bill",
        table="bill",
        destination="duckdb:///c.duckdb",
        rows_read=1440,
        new=1400,
        changed=40,
        missing=2,
        misfits=1,
        transactions=3,
        tie_out=LINES[:3],
        children=[child],
    )
    pull.show(Output(), [report], seconds=1.2)
    shown = capsys.readouterr().out
    assert shown.startswith("Pulled 1,440 rows, 2 rows deleted: 2 tables in c.duckdb, 3 transactions, 1.2 s\n")
    assert "1 more table: nothing to read" in shown
    assert "bill: 2 rows deleted: Intacct no longer shows them" in shown
    assert "1 value fit" in shown
    assert "Everything ties out: 3 comparisons." in shown
    facts = json.loads(json.dumps(pull.as_json(report), default=str))
    assert facts["children"][0]["table"] == "bill_lines"
    assert facts["tie_out"][0]["what"] == "rows"


def entry(**facts: Any) -> PullReport:
    return PullReport(object="accounts-payable/bill", table="bill", destination="duckdb:///c.duckdb", **facts)


@pytest.mark.parametrize(
    ("report", "headline"),
    [
        (entry(), "Nothing new: "),
        (entry(missing=1), "1 row deleted: "),
        (entry(missing=1, filtered=True), "1 row left: "),
        (entry(findings=[Findings(subject="bill", repaired=3, gone=1)]), "2 rows repaired: "),
        (entry(rows_read=4, deleted=2), "Pulled 4 rows, 2 rows deleted: "),
        (entry(error=StoreError("No.")), "1 table failed: "),
    ],
)
def test_the_headline_of_a_pull_says_what_changed(
    capsys: pytest.CaptureFixture[str], report: PullReport, headline: str
) -> None:
    pull.show(Output(), [report], seconds=0.1)
    assert capsys.readouterr().out.startswith(headline)


@pytest.mark.parametrize(
    ("report", "note"),
    [
        (entry(missing=1), "1 row deleted: Intacct no longer shows it"),
        (entry(missing=2, filtered=True, reason=OTHER_FILTER), "2 rows left the filter"),
        (entry(missing=2, filtered=True), "2 rows left the filter, or are not in Intacct any more"),
    ],
)
def test_a_row_that_only_left_the_filter_is_not_called_deleted(report: PullReport, note: str) -> None:
    assert note in pull.notes(report)


@pytest.mark.parametrize(
    ("destination", "where"),
    [
        ("sqlite:////data/copy.db", "copy.db"),
        ("parquet:///lake", "lake"),
        ("postgresql://etl@db.example:5433/finance?schema=sage", "db.example:5433/finance?schema=sage"),
    ],
)
def test_pull_says_where_the_rows_went(capsys: pytest.CaptureFixture[str], destination: str, where: str) -> None:
    pull.show(Output(), [PullReport(object="a/b", table="b", destination=destination)], seconds=0.1)
    assert f"1 table in {where}, " in capsys.readouterr().out


def push_report(**counts: int) -> PushReport:
    return PushReport(name="timesheets", object="time/timesheet", source="t.csv", rows=412, documents=60, **counts)


def test_push_shows_each_outcome_and_the_next_step(capsys: pytest.CaptureFixture[str]) -> None:
    report = push_report(posted=52, failed=6, held=2)
    report.problems = [
        *(Problem(path=f"row {n}, column Day", reason=f"'{n}h' is not a date", row=n) for n in range(100, 120)),
        *(Problem(path=f"row {n}, column Hours", reason="'7,5h' is not a number", row=n) for n in range(30)),
    ]
    assert push.conclude(Output(), report, dry_run=False) == 1
    shown = capsys.readouterr()
    assert "timesheets: 412 rows, 60 records of time/timesheet" in shown.out
    assert "52" in shown.out
    assert "rows 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 and 18 more: column Hours: '7,5h' is not a number" in shown.out
    assert "row 108, column Day: '108h' is not a date" in shown.out
    assert "row 109" not in shown.out
    assert "11 more problems; --json lists them all" in shown.out
    assert "unknown" not in shown.out
    assert "tieout failed timesheets" in shown.err
    assert push.conclude(Output(), push_report(posted=60), dry_run=False) == 0
    assert "tieout failed" not in capsys.readouterr().err


def test_push_prints_what_to_know_and_what_was_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    report = push_report(unknown=60)
    report.notes = ["60 records were sent and their outcome is unknown. The next push asks again."]
    report.unused_columns = ("Employee", "Notes")
    assert push.conclude(Output(), report, dry_run=False) == 1
    shown = capsys.readouterr().out
    assert "  60 records were sent and their outcome is unknown. The next push asks again.\n" in shown
    assert "  columns not sent: Employee, Notes\n" in shown
    assert push.conclude(Output(json=True), report, dry_run=False) == 1
    facts = json.loads(capsys.readouterr().out)
    assert facts["notes"] == report.notes
    assert facts["unused_columns"] == ["Employee", "Notes"]
    push.conclude(Output(), push_report(posted=60), dry_run=False)
    assert "columns not sent" not in capsys.readouterr().out


def test_push_as_json_is_whole(capsys: pytest.CaptureFixture[str]) -> None:
    report = push_report(posted=60)
    report.tie_out = [line("sum quantity", Decimal("40.00"), Decimal("40.00"))]
    assert push.conclude(Output(json=True), report, dry_run=False) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["posted"] == 60
    assert facts["exit_code"] == 0
    assert facts["tie_out"][0]["source"] == "40.00"


def record(source_id: str, rows: tuple[int, ...], reason: str, **facts: str) -> FailedRecord:
    return FailedRecord(push="timesheets", source_id=source_id, rows=rows, state="failed", reason=reason, **facts)


def test_failed_groups_by_cause_commonest_first(capsys: pytest.CaptureFixture[str]) -> None:
    records = [
        record("T1", (2,), "Employee 'E-999' is not valid.", error_id="BL03000130", advice="Add the employee."),
        *(record(f"T{n}", (n, n + 100), "Project is inactive.", error_id="BL0300") for n in range(10, 30)),
    ]
    failed.show(Output(), records)
    shown = capsys.readouterr().out
    assert "21 documents (41 rows) not posted, 2 causes" in shown
    assert shown.index("Project is inactive") < shown.index("E-999")
    assert "and 28 more" in shown
    assert "Add the employee." in shown
    assert "yours" in shown


def test_shortened() -> None:
    assert failed.shortened(["a", "b"]) == "a, b"
    assert failed.shortened(range(15), most=3) == "0, 1, 2 and 12 more"


@pytest.mark.parametrize(
    ("source_id", "shown"),
    [('["EMP-007", "11/16/2026"]', "EMP-007 11/16/2026"), ("T1", "T1"), ("[half", "[half"), ("[7]", "7")],
)
def test_ids_of_several_columns_are_readable(source_id: str, shown: str) -> None:
    assert spoken(source_id) == shown


def test_a_delete_is_never_called_posted(capsys: pytest.CaptureFixture[str]) -> None:
    report = push_report(posted=2, skipped=1, failed=0, held=0)
    report.operation = "delete"
    push.conclude(Output(), report, dry_run=False)
    shown = capsys.readouterr().out
    assert "2  deleted" in shown
    assert "1  deleted before, skipped" in shown
    assert "posted" not in shown
    report = push_report(pending=2, failed=0, held=0)
    report.operation = "delete"
    push.conclude(Output(), report, dry_run=True)
    shown = capsys.readouterr().out
    assert "dry run of delete" in shown
    assert "2  ready to be deleted" in shown


def test_what_is_listed_is_not_called_unposted_where_it_is_posted() -> None:
    assert failed._kind({"draft, submit refused"}) == "with a step not carried out"
    assert failed._kind({"failed", "draft, submit refused", "changed"}) == (
        "not posted, or changed since, or with a step not carried out"
    )
    assert failed._kind({"held"}) == "not posted"


NARROW = """
from tieout.cli import tie_out
from tieout.cli.output import Output
from tieout.project.report import TieOutLine
def line(what, source, intacct, note=""):
    return TieOutLine(subject="push bills", what=what, source=source, intacct=intacct, difference=source - intacct,
                      ties=source == intacct, note=note)
gone = "not in Intacct any more: INV-100 (key 3631), INV-200 (key 3632)"
tie_out.show(Output(), [line("rows", 8, 6, "2 gone"), line("documents", 6, 4, gone), line("sum x", 7, 7)], every=True)
"""


@pytest.mark.parametrize("columns", [80, 200])
def test_what_explains_a_verdict_stands_below_where_there_is_no_room_beside(columns: int) -> None:
    master, slave = pty.openpty()
    termios.tcsetwinsize(slave, (24, columns))
    environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"} | {"NO_COLOR": "1"}
    subprocess.run([sys.executable, "-c", NARROW], stdout=slave, stderr=slave, env=environment, check=True)
    os.close(slave)
    lines = os.read(master, 65536).decode().replace("\r", "").splitlines()
    os.close(master)
    gone = "not in Intacct any more: INV-100 (key 3631), INV-200 (key 3632)"
    assert max(map(len, lines)) <= columns
    if columns == 80:
        assert lines[1].endswith("differs")
        assert lines[4:] == ["  rows: 2 gone", f"  documents: {gone}"]
    else:
        assert lines[1].endswith("differs: 2 gone")
        assert lines[2].endswith(f"differs: {gone}")
        assert len(lines) == 4
