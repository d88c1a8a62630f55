"""`tieout pull --report`: a report of Intacct's as a table."""

from __future__ import annotations

from pathlib import Path

import duckdb

from tests.cli.conftest import Run


def test_a_trial_balance_becomes_a_table(connected: Run, tmp_path: Path) -> None:
    shown = connected("pull", "--report", "trial-balance", "--period", "March 2026", "--book", "ACCRUAL")
    assert shown.code == 0
    assert "of general-ledger/trial-balance, March 2026, in table trial_balance." in shown.out
    with duckdb.connect(str(tmp_path / "company.duckdb"), read_only=True) as db:
        assert db.execute("SELECT DISTINCT report_period, report_book FROM trial_balance").fetchall() == [
            ("March 2026", "ACCRUAL")
        ]


def test_a_report_needs_a_period_and_comes_alone(tieout: Run) -> None:
    for more in ([], ["bills", "--period", "March 2026"], ["--period", "March 2026", "--dry-run"]):
        shown = tieout("pull", "--report", "trial-balance", *more)
        assert (shown.code, "A report is pulled by itself, of a period." in shown.err) == (2, True)
