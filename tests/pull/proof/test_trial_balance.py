"""Journal lines of the copy against Intacct's own trial balance."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import duckdb
import pytest

import tieout
from tieout import F, Intacct
from tieout.errors import ConfigurationError, StoreError
from tieout.project import Project
from tieout.pull.proof.trial_balance import Balance, read_report, verify_trial_balance
from tieout.pull.run import pull
from tieout.pull.sources import Source
from tieout.simulator import Simulator


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with Simulator("demo") as shared:
        shared.settings.set({"report_pending": 0, "report_retry_after": 0})
        yield shared


@pytest.fixture
def demo(simulator: Simulator, project: Project) -> Iterator[Intacct]:
    with tieout.simulated(simulator=simulator) as client:
        pull(project, objects=["general-ledger/journal-entry"], source=Source(client, "demo"), tie_out=False)
        yield client


@pytest.fixture
def period(simulator: Simulator) -> str:
    """The month of the newest draft: what is no more than that is in no balance."""
    with tieout.simulated(simulator=simulator) as client:
        days = client.query(
            "general-ledger/journal-entry",
            ["postingDate"],
            F("state") == "draft",
            order_by=["-postingDate"],
            private=True,
        )
        return next(iter(days))["postingDate"].strftime("%B %Y")


def test_the_copy_has_the_balances_that_intacct_reports(demo: Intacct, project: Project, period: str) -> None:
    for book in ("ACCRUAL", "CASH"):
        found = verify_trial_balance(project, period, book, source=Source(demo, "demo"))
        assert found.findings == []
        assert all(line.ties for line in found.lines), book
        assert len(found.lines) > 5 or book == "CASH"
    with pytest.raises(ConfigurationError, match="reporting book"):
        verify_trial_balance(project, period, "GAAP", source=Source(demo, "demo"))
    with pytest.raises(ConfigurationError, match="no reporting period 'someday'"):
        verify_trial_balance(project, "someday", source=Source(demo, "demo"))


def test_of_an_entity_both_sides_are_that_entitys(simulator: Simulator, project: Project, period: str) -> None:
    with tieout.simulated(simulator=simulator, entity="E110") as client:
        source = Source(client, "demo")
        pull(project, objects=["general-ledger/journal-entry"], source=source, tie_out=False)
        found = verify_trial_balance(project, period, source=source)
    assert len(found.lines) > 3
    assert all(line.ties for line in found.lines)


def test_the_lines_behind_a_difference_are_named(demo: Intacct, project: Project, period: str) -> None:
    with duckdb.connect(str(project.root / "company.duckdb")) as db:
        ((key, account),) = db.execute(
            "SELECT key, glAccount__id FROM journal_entry_line WHERE state = 'posted' ORDER BY entryDate, key LIMIT 1"
        ).fetchall()
        db.execute("UPDATE journal_entry_line SET baseAmount = baseAmount + 0.01 WHERE key = ?", [key])
    found = verify_trial_balance(project, period, source=Source(demo, "demo"))
    wrong = [line for line in found.lines if line.ties is False]
    assert {line.what for line in wrong} == {f"{account} opening", f"{account} closing"}
    assert {abs(Decimal(str(line.difference))) for line in wrong} == {Decimal("0.01")}
    assert [(row.key, row.fields) for one in found.findings for row in one.rows] == [(key, ("baseAmount",))]


def test_what_was_not_pulled_is_said(demo: Intacct, project: Project, period: str) -> None:
    with pytest.raises(StoreError, match="journal-entry was not pulled"):
        verify_trial_balance(project, period, destination="other.duckdb", source=Source(demo, "demo"))
    text = "[pull.gl]\nobject = 'general-ledger/journal-entry'\ntable = 'few'\ndestination = 'few.duckdb'\n"
    few = Project(project.root, project.root / "tieout.toml", text + "where = \"state = 'draft'\"\n")
    pull(few, ["gl"], source=Source(demo, "demo"), tie_out=False)
    with pytest.raises(StoreError, match="pulled with a filter"):
        verify_trial_balance(few, period, destination="few.duckdb", source=Source(demo, "demo"))


PLAIN = """\
Account no.,Account title,Opening balance,Debit,Credit,Closing balance
1000,Cash,1.50,2.00,0.25,3.25
Total,,9,9,9,9
"""
TITLED = """\
Acme Inc
Trial balance

Account,Beginning Balance,Debits,Credits,Ending Balance
1000--Cash,$1.50,"2.00",.25,3.25
,9,9,9,9
"""


@pytest.mark.parametrize("text", [PLAIN, TITLED, 'Acct,Opening,Total debit,Total credit\n1000,1.5,"2",0.25\n'])
def test_a_report_is_read_by_its_headings(text: str) -> None:
    assert read_report(text) == {"1000": Balance(Decimal("1.50"), Decimal(2), Decimal("0.25"))}


def test_a_report_of_another_kind_is_not_guessed_at() -> None:
    for text in ("", "<html>", "Account,Amount\n1000,5\n", "Account,Opening,Debit,Credit\n1000,x,1,2\n"):
        assert read_report(text) is None
    assert read_report('Account,Opening,Debit,Credit\n1,(2.00),"1,000.00",\n') == {
        "1": Balance(Decimal(-2), Decimal(1000), Decimal(0))
    }
