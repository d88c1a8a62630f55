"""`tieout pull --dry-run`: what it shows, what it costs, and that it writes nothing."""

from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import Run


def test_a_dry_run_says_what_a_pull_would_do_and_writes_nothing(connected: Run, tmp_path: Path) -> None:
    before = {path.name for path in tmp_path.iterdir()}
    shown = connected("pull", "vendors", "bills", "--dry-run")
    assert shown.code == 0
    assert shown.out.startswith("Would read ")
    assert {"vendor", "bill", "bill_line"} <= {row[0] for row in shown.table() if row}
    assert "This plan cost 3 transactions" in shown.out
    plan = connected("pull", "vendors", "bills", "--dry-run", "--json").json
    assert {path.name for path in tmp_path.iterdir()} == before
    done = connected("pull", "vendors", "bills", "--json").json
    tables = [one for report in done for one in (report, *report["children"])]
    assert [(t["table"], t["rows"], t["pages"]) for t in plan["tables"]] == [
        (t["table"], t["rows_read"], t["pages"]) for t in tables
    ]
    assert plan["transactions"] == sum(t["transactions"] for t in tables)


def test_a_budget_that_does_not_suffice_is_said_beforehand(connected: Run) -> None:
    shown = connected("pull", "vendors", "--dry-run", "--max-transactions", "2")
    assert "The budget of 2 transactions does not suffice." in shown.out
    assert connected("pull", "vendors", "--dry-run", "--max-transactions", "0").code == 7
