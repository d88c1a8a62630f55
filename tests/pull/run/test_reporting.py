"""A report as a table: its headings become columns, its rows replace those of the same period."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest

import tieout
from tieout import Intacct
from tieout.errors import ConfigurationError, ReplyError, UnknownNameError
from tieout.project import Project
from tieout.pull import verify
from tieout.pull.destinations.open import open_destination
from tieout.pull.reporting import Ask, keep, pull_report, read_table, service_of
from tieout.pull.sources import Source
from tieout.simulator import Simulator

Select = Callable[..., list[tuple[Any, ...]]]
TITLED = """General Ledger Trial Balance Report - March 2026,,,
"NexCom Corporation | Reporting Book - Accrual",,,

Account no.,Account title,Opening balance,Debit,Debit
0100,Cash,"1,234.50",(12.00),$3.00
0200,,0.00,,7.25
Total,,"1,234.50",(12.00),10.25
"""


@pytest.fixture
def client() -> Iterator[Intacct]:
    with Simulator("demo") as simulator, tieout.simulated(simulator=simulator) as client:
        yield client


def ask(period: str = "March 2026", **more: Any) -> Ask:
    return Ask(service="general-ledger/trial-balance", period=period, **more)


def test_headings_become_columns_and_amounts_exact_numbers(project: Project, select: Select) -> None:
    to = open_destination(project.root, "duckdb:///company.duckdb")
    report = keep(to, "trial_balance", "demo", ask(book="ACCRUAL"), TITLED)
    assert (report.new, report.rows_read) == (3, 3)
    rows = select(
        "SELECT report_period, report_book, report_row, account_no, account_title, opening_balance, debit, debit_2"
        " FROM trial_balance ORDER BY report_row"
    )
    assert rows == [
        ("March 2026", "ACCRUAL", 1, "0100", "Cash", Decimal("1234.50"), Decimal("-12.00"), Decimal("3.00")),
        ("March 2026", "ACCRUAL", 2, "0200", None, Decimal("0.00"), None, Decimal("7.25")),
        ("March 2026", "ACCRUAL", 3, "Total", None, Decimal("1234.50"), Decimal("-12.00"), Decimal("10.25")),
    ]


def test_rows_of_the_same_period_and_entity_are_replaced_and_others_stay(project: Project, select: Select) -> None:
    to = open_destination(project.root, "duckdb:///company.duckdb")
    keep(to, "tb", "demo", ask(), TITLED)
    keep(to, "tb", "demo", ask("April 2026"), TITLED)
    keep(to, "tb", "demo", ask(entity="E110"), TITLED)
    shorter = TITLED.replace("0200,,0.00,,7.25\n", "")
    done = keep(to, "tb", "demo", ask(), shorter)
    assert done.deleted == 1
    counts = select("SELECT report_period, report_entity, count(*) FROM tb GROUP BY 1, 2 ORDER BY 1, 2")
    assert counts == [("April 2026", "", 3), ("March 2026", "", 2), ("March 2026", "E110", 3)]


def test_columns_follow_a_report_that_looks_otherwise(project: Project, select: Select) -> None:
    to = open_destination(project.root, "duckdb:///company.duckdb")
    keep(to, "tb", "demo", ask(), "Account no.,Debit\n100,1.25\n")
    keep(to, "tb", "demo", ask("April 2026"), "Account no.,Debit,Credit\n100,1.2345,\n")
    keep(to, "tb", "demo", ask("May 2026"), "Account no.,Debit\n100,none\n")
    assert select("SELECT debit, credit FROM tb ORDER BY report_period DESC") == [
        ("none", None), ("1.2500", None), ("1.2345", None),
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["", "one\ntwo\n", ",,\n"])
def test_a_report_without_a_table_is_refused_and_nothing_is_written(project: Project, text: str) -> None:
    to = open_destination(project.root, "duckdb:///company.duckdb")
    with pytest.raises(ReplyError, match="holds no table"):
        keep(to, "tb", "demo", ask(), text)
    assert to.state("tb") is None


def test_short_and_long_rows_keep_their_places() -> None:
    headings, rows = read_table("a,b,c\n1,2\n1,2,3,\n")
    assert (headings, rows) == (["a", "b", "c"], [["1", "2", ""], ["1", "2", "3"]])


def test_what_is_asked_for_is_in_the_words_of_the_report_service() -> None:
    assert ask(book="ACCRUAL", entity="E110", parameters={"reportOrientation": "landscape"}).wire() == {
        "timePeriod": {"periodToDate": {"reportingPeriod": {"id": "March 2026"}}},
        "reportingBook": "ACCRUAL",
        "includeReportingBook": True,
        "dimensions": {"location": {"id": "E110"}},
        "reportOrientation": "landscape",
    }
    assert ask("2026-03-01..2026-03-31").wire() == {
        "timePeriod": {"dateRange": {"startDate": "2026-03-01", "endDate": "2026-03-31"}}
    }


def test_a_trial_balance_of_the_company_is_a_table_that_verify_leaves_alone(
    client: Intacct, project: Project, select: Select
) -> None:
    source = Source(client, "demo")
    report = pull_report(project, "trial-balance", period="March 2026", book="ACCRUAL", source=source)
    of_accounts = "FROM trial_balance WHERE account_no IS NOT NULL"
    ((accounts, debits, credits),) = select(f"SELECT count(*), sum(debit), sum(credit) {of_accounts}")
    assert accounts == report.rows_read - 1 > 5  # the total is a row as well
    assert debits == credits > 0
    assert pull_report(project, "trial-balance", period="March 2026", book="ACCRUAL", source=source).new == 0
    assert verify(project, required=False, source=source) == []


def test_a_report_that_is_none_and_a_table_of_something_else_are_refused(client: Intacct, project: Project) -> None:
    with pytest.raises(UnknownNameError, match="trial"):
        service_of("trail-balance")
    to = open_destination(project.root, "duckdb:///company.duckdb")
    keep(to, "tb", "demo", ask(), TITLED)
    with pytest.raises(ConfigurationError, match="holds something else"):
        keep(to, "tb", "demo", Ask(service="general-ledger/details", period="March 2026"), TITLED)
