"""`tieout pull --report`: a report of Intacct's as a table."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from tests.cli.conftest import Run
from tieout.simulator.app import SimulatorThread
from tieout.simulator.server import Simulator


@pytest.fixture(scope="module")
def simulator_url() -> Iterator[str]:
    """A company whose reports are ready at once."""
    with Simulator("demo") as simulator, SimulatorThread(simulator) as running:
        simulator.settings.set({"report_pending": 0, "report_retry_after": 0})
        yield running.url


def test_a_trial_balance_becomes_a_table(connected: Run, tmp_path: Path) -> None:
    shown = connected("pull", "--report", "trial-balance", "--period", "March 2026", "--book", "ACCRUAL")
    assert shown.code == 0
    assert "of general-ledger/trial-balance, March 2026, in table trial_balance." in shown.out
    with duckdb.connect(str(tmp_path / "company.duckdb"), read_only=True) as db:
        assert db.execute("SELECT DISTINCT report_period, report_book FROM trial_balance").fetchall() == [
            ("March 2026", "ACCRUAL")
        ]


def test_a_report_needs_a_period_and_comes_alone(tieout: Run) -> None:
    for more in ([], ["bills", "--period", "March 2026"]):
        shown = tieout("pull", "--report", "trial-balance", *more)
        assert (shown.code, "A report is pulled by itself, of a period." in shown.err) == (2, True)


def test_what_a_report_would_cost_is_said_without_asking(connected: Run, tmp_path: Path) -> None:
    shown = connected("pull", "--report", "trial-balance", "--period", "March 2026", "--dry-run")
    assert (shown.code, "Would put general-ledger" in shown.out, "March 2026" in shown.out) == (0, True, True)
    plan = connected("pull", "--report", "details", "--period", "last month", "--dry-run", "--json").json
    assert (plan["transactions"], plan["cost"]) == (1, 0)
    assert not (tmp_path / "company.duckdb").exists()
    bad = connected("pull", "--report", "trial-balance", "--period", "March 2026", "--table", "_tieout_x")
    assert (bad.code, "_tieout" in bad.err) == (2, True)


def test_a_section_of_a_report_runs_with_the_rest(connected: Run, tmp_path: Path) -> None:
    (tmp_path / "tieout.toml").write_text(
        '[pull.tb]\nreport = "trial-balance"\nperiod = "March 2026"\nbook = "ACCRUAL"\n'
        '[pull.departments]\nobject = "departments"\n'
    )
    shown = connected("pull")
    assert shown.code == 0
    assert {row[0] for row in shown.table()[1:] if row} >= {"trial_balance", "department"}
    assert "Everything ties out" in shown.out
    assert connected("verify").code == 0
    assert connected("doctor").code in (0, 1)
    assert connected("pull", "tb", "--where", "a = 'b'").code == 2
