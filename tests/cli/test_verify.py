"""`tieout verify` and several objects in one `tieout pull`, as a user sees them."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from tests.cli.conftest import Run
from tieout.cli import pull, tie_out
from tieout.cli.output import Output
from tieout.errors import ForbiddenError
from tieout.project.report import TieOutLine
from tieout.pull.report import PullReport
from tieout.simulator.app import SimulatorThread
from tieout.simulator.server import Simulator


def test_verify_without_a_project_file(connected: Run, tmp_path: Path) -> None:
    assert connected("pull", "departments", "accounts-payable/term").code == 0
    everything = connected("verify")
    assert everything.code == 0
    assert {line[0] for line in everything.table()[1:] if line} >= {"department", "term"}
    assert "Everything ties out" in everything.out
    one = connected("verify", "departments", "--json").json
    assert {line["subject"] for line in one["lines"]} == {"company-config/department"}
    with duckdb.connect(str(tmp_path / "company.duckdb")) as database:
        database.execute("DELETE FROM department WHERE id = (SELECT min(id) FROM department)")
    assert connected("verify", "department").code == 1
    assert connected("verify", "term").code == 0


def test_verify_looks_where_it_is_told(connected: Run) -> None:
    assert connected("pull", "departments", "-d", "other.duckdb").code == 0
    nothing = connected("verify")
    assert nothing.code == 5
    assert "Nothing was pulled yet" in nothing.err
    assert connected("verify", "-d", "other.duckdb").code == 0


def test_a_section_never_pulled_is_named_and_the_others_are_proven(connected: Run, tmp_path: Path) -> None:
    (tmp_path / "tieout.toml").write_text(
        '[pull.departments]\nobject = "departments"\n[pull.terms]\nobject = "accounts-payable/term"\n'
    )
    assert connected("pull", "pull.departments").code == 0
    shown = connected("verify")
    assert shown.code == 1, "what was not compared is not proven"
    assert "never pulled: run `tieout pull terms`" in shown.out
    assert "1 of 2 comparisons ties out." in shown.out
    assert "Everything ties out" not in shown.out
    assert "Nothing could be compared." in connected("verify", "terms").out


def test_a_name_nothing_answers_to(connected: Run) -> None:
    assert connected("pull", "departments").code == 0
    for word in ("departmnt", "pull.departmnt", "push.departments", "vendors"):
        shown = connected("verify", word)
        assert shown.code == 2
        assert "department" in shown.err


def line(subject: str, what: str = "rows") -> TieOutLine:
    return TieOutLine(subject=subject, what=what, source=Decimal(1), intacct=Decimal(1), ties=True)


def test_subjects_are_short_where_that_is_enough(capsys: pytest.CaptureFixture[str]) -> None:
    subjects = ["accounts-payable/bill", "accounts-payable/term", "accounts-receivable/term", "push timesheets"]
    tie_out.show(Output(), [line(subject) for subject in subjects], every=True)
    shown = [row.split("  ")[0] for row in capsys.readouterr().out.splitlines()[1:]]
    assert shown == ["bill", "accounts-payable/term", "accounts-receivable/term", "push timesheets"]


def test_sums_are_called_by_their_field_where_that_is_enough(capsys: pytest.CaptureFixture[str]) -> None:
    fields = ["rows", "sum hours.approved", "sum a.rate", "sum b.rate"]
    tie_out.show(Output(), [line("time/timesheet", what) for what in fields], every=True)
    text = capsys.readouterr().out
    assert "sum approved" in text
    assert "hours." not in text
    assert "sum a.rate" in text
    assert "sum b.rate" in text
    assert [entry["what"] for entry in tie_out.as_json([line("x", "sum hours.approved")])] == ["sum hours.approved"]


def test_what_was_refused_is_said_beside_what_was_pulled(capsys: pytest.CaptureFixture[str]) -> None:
    refused = ForbiddenError("No permission", status=403, error_id="GW-1", advice="Ask for it.")
    bad = PullReport(object="a/bill", table="bill", destination="duckdb:///c.duckdb", error=refused)
    good = PullReport(object="a/term", table="term", destination="duckdb:///c.duckdb", rows_read=3, new=3)
    pull.show(Output(), [bad, good], seconds=1)
    shown = capsys.readouterr().out
    assert "bill: GW-1: No permission. Ask for it." in shown
    assert "1 table of 2 could not be pulled." in shown
    assert max(bad.exit_code, good.exit_code) == 3
    facts = pull.as_json(bad)
    assert isinstance(facts["error"], dict)
    assert facts["error"]["error_id"] == "GW-1"


def test_what_does_not_tie_is_named_and_repaired_when_asked(connected: Run, tmp_path: Path) -> None:
    assert connected("pull", "departments").code == 0
    with duckdb.connect(str(tmp_path / "company.duckdb")) as database:
        (key, name) = database.execute("SELECT key, name FROM department ORDER BY key LIMIT 1").fetchall()[0]
        database.execute("DELETE FROM department WHERE key = ?", [key])
    shown = connected("verify", "departments")
    assert (shown.code, f"department: 1 row was missing here: {key}" in shown.out) == (1, True)
    as_json = connected("verify", "departments", "--keys", "--json").json
    assert [row["key"] for found in as_json["findings"] for row in found["rows"]] == [key]
    assert {(line["what"], line["ties"]) for line in as_json["lines"]} == {("keys", False), ("rows", False)}
    assert connected("verify", "departments", "--repair").code == 0
    with duckdb.connect(str(tmp_path / "company.duckdb"), read_only=True) as database:
        assert database.execute("SELECT name FROM department WHERE key = ?", [key]).fetchall() == [(name,)]


def test_months_are_compared_with_intaccts_own(connected: Run, tmp_path: Path) -> None:
    assert connected("pull", "invoices", "--no-tie-out").code == 0
    found = connected("verify", "invoice", "--by-month", "invoiceDate", "--json").json["lines"]
    months = [line for line in found if line["what"].startswith("rows 2")]
    assert months
    assert all(line["ties"] for line in months)
    with duckdb.connect(str(tmp_path / "company.duckdb")) as database:
        database.execute(
            "UPDATE invoice SET invoiceDate = DATE '1999-12-31' WHERE key = (SELECT min(key) FROM invoice)"
        )
    found = connected("verify", "invoice", "--by-month", "invoiceDate", "--json").json["lines"]
    assert {line["what"]: line["ties"] for line in found}["rows 1999-12"] is False


def test_a_pull_without_the_comparison_says_so(connected: Run) -> None:
    shown = connected("pull", "departments", "--no-tie-out")
    assert (shown.code, "Not compared with Intacct" in shown.out) == (0, True)


def test_a_trial_balance_from_the_command_line(tieout: Run, tmp_path: Path) -> None:
    with Simulator("demo") as simulator, SimulatorThread(simulator) as running:
        simulator.settings.set({"report_pending": 0, "report_retry_after": 0})
        assert tieout("connect", "demo", "--simulator", running.url).code == 0
        before = tieout("verify", "--trial-balance", "March 2026")
        assert (before.code, "tieout pull general-ledger/journal-entry" in before.err) == (5, True)
        assert tieout("pull", "general-ledger/journal-entry", "--no-tie-out").code == 0
        found = tieout("verify", "--trial-balance", "March 2026", "--html", "trial.html")
        assert (found.code, "Everything ties out" in found.out) == (0, True)
        assert "Runs 3 reports of Intacct's (ACCRUAL: E110, E120, E130), 6 transactions in all" in found.err
        page = (tmp_path / "trial.html").read_text()
        for shown in ("trial balance March 2026 ACCRUAL E110", ">Account</th>", ">Entity</th>", ">Book</th>"):
            assert shown in page
        one = tieout(
            "verify", "--trial-balance", "March 2026", "--book", "CASH", "--book", "ACCRUAL", "--location", "E120"
        )
        assert (one.code, "2 reports of Intacct's (CASH, ACCRUAL: E120)" in one.err) == (0, True)
        as_json = tieout("verify", "--trial-balance", "March 2026", "--entity", "E120", "--json").json
        assert {(line["entity"], line["book"]) for line in as_json["lines"]} == {("E120", "ACCRUAL")}
        assert {line["what"] for line in as_json["lines"]} == {
            f"{line['account']} closing" for line in as_json["lines"]
        }
        assert tieout("verify", "--book", "CASH").code == 2
        assert tieout("verify", "journal_entry", "--trial-balance", "March 2026").code == 2
