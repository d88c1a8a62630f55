"""Journal lines of the copy against Intacct's own trial balance."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal

import duckdb
import pytest

import tieout
from tieout import F, Intacct
from tieout.errors import ConfigurationError, StoreError, UnknownNameError
from tieout.project import Project
from tieout.pull.proof.balances import Balance, read_report
from tieout.pull.proof.inspecting import Verified
from tieout.pull.proof.trial_balance import Ahead, Asked, verify_trial_balance
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


def one_currency(simulator: Simulator) -> None:
    """Every entity keeps its books in US dollars."""
    company, locations = simulator.company("demo"), "company-config/location"
    who = company.who("admin")
    with tieout.simulated(simulator=simulator) as client:
        keys = [str(row["key"]) for row in client.query(locations, ["key"])]
    company.load(locations, [company.read(locations, key, who) | {"baseCurrency": "USD"} for key in keys])


def compared(client: Intacct, project: Project, period: str, *books: str, entities: Sequence[str] = ()) -> Verified:
    asked = Asked(period=period, books=books or ("ACCRUAL",), entities=entities)
    return verify_trial_balance(project, asked, source=Source(client, "demo"))


def test_each_entity_and_book_of_a_top_level_copy_has_the_balances_that_intacct_reports(
    demo: Intacct, project: Project, period: str
) -> None:
    said: list[Ahead] = []
    asked = Asked(period=period, books=("ACCRUAL", "CASH"))
    found = verify_trial_balance(project, asked, source=Source(demo, "demo"), before=said.append)
    assert all(line.ties for line in found.lines)
    assert found.findings == []
    scopes = {(line.entity, line.book) for line in found.lines}
    assert scopes == {(entity, book) for entity in ("E110", "E120", "E130") for book in ("ACCRUAL", "CASH")}
    (ahead,) = said
    assert len(ahead.scopes) == 6
    assert found.transactions == ahead.transactions == 9
    assert "CAD, GBP, USD" in " ".join(found.notes), "what all of them come to is in no currency"


def test_the_cost_that_is_said_is_what_is_billed(simulator: Simulator, project: Project, period: str) -> None:
    with tieout.simulated(simulator=simulator) as client:
        source = Source(client, "demo")
        pull(project, objects=["general-ledger/journal-entry"], source=source, tie_out=False)
        compared(client, project, period)  # asks for models as well, once
        before = client.usage.transactions
        found = compared(client, project, period)
        assert client.usage.transactions - before == found.transactions == 6


def test_all_entities_together_are_compared_where_their_books_are_in_one_currency(
    project: Project, period: str
) -> None:
    with Simulator("demo") as simulator, tieout.simulated(simulator=simulator) as client:
        simulator.settings.set({"report_pending": 0, "report_retry_after": 0})
        one_currency(simulator)
        pull(project, objects=["general-ledger/journal-entry"], source=Source(client, "demo"), tie_out=False)
        found = compared(client, project, period)
        assert {line.entity for line in found.lines} == {"E110", "E120", "E130", ""}
        assert all(line.ties for line in found.lines)
        assert found.notes == []


def test_only_the_entities_that_are_named_are_compared(demo: Intacct, project: Project, period: str) -> None:
    found = compared(demo, project, period, entities=["E130"])
    assert {line.entity for line in found.lines} == {"E130"}
    assert (found.transactions, found.notes) == (4, [])
    with pytest.raises(UnknownNameError, match="in this copy named 'E13'"):
        compared(demo, project, period, entities=["E13"])


def test_an_unknown_book_or_period_is_refused(demo: Intacct, project: Project, period: str) -> None:
    with pytest.raises(ConfigurationError, match="reporting book"):
        compared(demo, project, period, "ACCRUAL", "GAAP")
    with pytest.raises(ConfigurationError, match="no reporting period 'someday'"):
        compared(demo, project, "someday")


def test_of_an_entity_both_sides_are_that_entitys(simulator: Simulator, project: Project, period: str) -> None:
    with tieout.simulated(simulator=simulator, entity="E110") as client:
        pull(project, objects=["general-ledger/journal-entry"], source=Source(client, "demo"), tie_out=False)
        found = compared(client, project, period)
        with pytest.raises(UnknownNameError, match="in this copy named 'E120'"):
            compared(client, project, period, entities=["E120"])
    assert len(found.lines) > 3
    assert all(line.ties for line in found.lines)
    assert {line.entity for line in found.lines} == {"E110"}


def test_the_lines_and_the_entry_behind_a_difference_are_named(demo: Intacct, project: Project, period: str) -> None:
    with duckdb.connect(str(project.root / "company.duckdb")) as db:
        ((key, entry, account),) = db.execute(
            "SELECT key, journalEntry__key, glAccount__id FROM journal_entry_line"
            " WHERE state = 'posted' AND dimensions__location__id = '120-TOR' ORDER BY entryDate, key LIMIT 1"
        ).fetchall()
        db.execute("UPDATE journal_entry_line SET baseAmount = baseAmount + 0.01 WHERE key = ?", [key])
    found = compared(demo, project, period)
    wrong = [line for line in found.lines if line.ties is False]
    assert {(line.what, line.entity) for line in wrong} == {
        (f"{account} opening", "E120"), (f"{account} closing", "E120"),
    }  # fmt: skip
    assert {abs(Decimal(str(line.difference))) for line in wrong} == {Decimal("0.01")}
    ((row,),) = [one.rows for one in found.findings]
    assert (row.key, row.owner, row.fields) == (key, entry, ("baseAmount",))
    assert f"{key} of entry {entry} (baseAmount)" in found.findings[0].sentences()[0]


def test_an_entry_that_is_in_another_state_is_named_where_its_lines_are_the_same(
    demo: Intacct, project: Project, period: str
) -> None:
    with duckdb.connect(str(project.root / "company.duckdb")) as db:
        ((entry,),) = db.execute(
            "SELECT e.key FROM journal_entry e JOIN journal_entry_line l ON l.journalEntry__key = e.key"
            " WHERE e.state = 'posted' AND strftime(l.entryDate, '%B %Y') = ? LIMIT 1",
            [period],
        ).fetchall()
        db.execute("UPDATE journal_entry SET state = 'draft' WHERE key = ?", [entry])
    found = compared(demo, project, period)
    assert any(line.ties is False for line in found.lines)
    assert [(one.subject, row.key, row.fields) for one in found.findings for row in one.rows] == [
        ("general-ledger/journal-entry", entry, ("state",))
    ]


def test_lines_of_no_entity_are_said_to_be_in_no_report(demo: Intacct, project: Project, period: str) -> None:
    with duckdb.connect(str(project.root / "company.duckdb")) as db:
        db.execute(
            "UPDATE journal_entry_line SET dimensions__location__id = NULL WHERE key = (SELECT min(key) FROM"
            " journal_entry_line WHERE state = 'posted')"
        )
    found = compared(demo, project, period)
    (left,) = [line for line in found.lines if line.ties is None]
    assert (left.source, left.subject) == (1, f"trial balance {period} ACCRUAL no entity")


def test_what_was_not_pulled_is_said(demo: Intacct, project: Project, period: str) -> None:
    with pytest.raises(StoreError, match="journal-entry was not pulled"):
        verify_trial_balance(project, Asked(period=period), destination="other.duckdb", source=Source(demo, "demo"))
    text = "[pull.gl]\nobject = 'general-ledger/journal-entry'\ntable = 'few'\ndestination = 'few.duckdb'\n"
    few = Project(project.root, project.root / "tieout.toml", text + "where = \"state = 'draft'\"\n")
    pull(few, ["gl"], source=Source(demo, "demo"), tie_out=False)
    with pytest.raises(StoreError, match="pulled with a filter"):
        verify_trial_balance(few, Asked(period=period), destination="few.duckdb", source=Source(demo, "demo"))


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
