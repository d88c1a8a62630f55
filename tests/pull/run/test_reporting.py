"""A report as a table: its headings become columns, its rows replace those of the same period."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

import tieout
from tieout import Intacct
from tieout.errors import ConfigurationError, NotFoundError, ReplyError, UnknownNameError
from tieout.project import Project
from tieout.pull import verify
from tieout.pull.destinations.open import open_destination
from tieout.pull.plan.targets import service_of
from tieout.pull.reporting import Ask, asks_of, keep, pull_report, read_table
from tieout.pull.run import plan, pull
from tieout.pull.settings import PullSettings
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
        simulator.settings.set({"report_pending": 0, "report_retry_after": 0})
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
    day, of_no_time = service_of("inventory-valuation"), service_of("account-group-hierarchy")
    assert Ask(service=day, period="2026-03-31").wire() == {"asOfDate": "2026-03-31"}
    assert Ask(service=of_no_time, period="March 2026").wire() == {}


@pytest.mark.parametrize(
    ("report", "period", "words"),
    [
        ("trial-balance", "2026-03-01..2026-03-31", "The report trial-balance is made of a reporting period"),
        ("inventory-valuation", "March 2026", "is made as of a day"),
    ],
)
def test_a_period_that_a_report_is_not_made_of_is_refused_before_anything_is_sent(
    client: Intacct, project: Project, report: str, period: str, words: str
) -> None:
    before, source = client.usage.calls, Source(client, "demo")
    with pytest.raises(ConfigurationError, match=words):
        pull_report(project, report, period=period, source=source)
    text = f"[pull.a]\nreport = '{report}'\nperiod = '{period}'\n[pull.b]\nobject = 'departments'\n"
    with pytest.raises(ConfigurationError, match=words):
        pull(sections(project, text), ["a"], source=source)
    assert client.usage.calls == before
    spelt = PullSettings(report=report, period=period, parameters={"timePeriod": {"periodToDate": {}}})
    (asked,) = asks_of(spelt, "", date(2026, 4, 1))
    assert asked.wire()["timePeriod"] == {"periodToDate": {}}


def test_a_report_that_intacct_does_not_have_is_said_in_one_sentence(client: Intacct, project: Project) -> None:
    with pytest.raises(NotFoundError, match="Intacct has no report general-ledger/details here") as raised:
        pull_report(project, "details", period="March 2026", source=Source(client, "demo"))
    assert "makes general-ledger/trial-balance only" in str(raised.value.advice)


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


SECTIONS = """
[pull.balances]
report = "trial-balance"
period = ["February 2026", "March 2026"]
book = "ACCRUAL"
table = "tb"
[pull.balances.parameters]
reportOrientation = "landscape"
[pull.departments]
object = "departments"
"""


def sections(project: Project, text: str = SECTIONS) -> Project:
    return Project(project.root, project.root / "tieout.toml", text)


def test_a_section_of_a_report_is_pulled_with_the_rest_and_planned_without_asking(
    client: Intacct, project: Project, select: Select
) -> None:
    source, project = Source(client, "demo"), sections(project)
    planned = plan(project, source=source)
    assert [(one.table, one.transactions) for one in planned.tables] == [("tb", 2), ("department", 2)]
    assert planned.cost == 1
    before = client.usage.transactions
    (report,) = pull(project, ["balances"], source=source)
    assert client.usage.transactions - before == report.transactions == 2
    assert (report.object, report.table, report.error) == ("general-ledger/trial-balance", "tb", None)
    kept = "SELECT report_period, report_book, count(*) FROM tb GROUP BY ALL ORDER BY 1"
    (february, march) = select(kept)
    assert [february[:2], march[:2]] == [("February 2026", "ACCRUAL"), ("March 2026", "ACCRUAL")]
    again, departments = pull(project, source=source, layout="fivetran")
    assert (again.new, again.rows_read) == (0, report.rows_read)
    assert departments.ties
    assert select(kept) == [february, march]
    assert {line.subject for line in verify(project, source=source)} == {"company-config/department"}
    (anew,) = pull(project, ["balances"], source=source, reset=True)
    assert anew.new == report.rows_read


def test_a_period_in_which_nothing_was_posted_is_empty_and_no_error(
    client: Intacct, project: Project, select: Select
) -> None:
    text = SECTIONS.replace('"February 2026"', '"January 1901"')
    (report,) = pull(sections(project, text), ["balances"], source=Source(client, "demo"))
    assert (report.error, report.notes) == (None, ["Intacct finds no data for January 1901"])
    assert select("SELECT DISTINCT report_period FROM tb") == [("March 2026",)]


def test_what_was_posted_and_is_no_more_leaves_the_table(project: Project, select: Select) -> None:
    to = open_destination(project.root, "duckdb:///company.duckdb")
    keep(to, "tb", "demo", ask(), TITLED)
    keep(to, "tb", "demo", ask("April 2026"), TITLED)
    assert keep(to, "tb", "demo", ask(), None).deleted == 3
    assert select("SELECT DISTINCT report_period, debit_2 IS NULL FROM tb ORDER BY 1, 2")[0][0] == "April 2026"


def test_a_report_that_is_refused_leaves_the_other_sections_pulled(client: Intacct, project: Project) -> None:
    text = SECTIONS.replace('"February 2026"', '"someday"')
    report, departments = pull(sections(project, text), source=Source(client, "demo"))
    assert report.error is not None
    assert report.exit_code > 0
    assert departments.new > 0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("report = 'trial-balance'", "needs a period"),
        ("report = 'trial-balance'\nobject = 'bills'\nperiod = 'x'", "an object or a report, not both"),
        ("period = 'March 2026'\nobject = 'bills'", "are of a report"),
        ("report = 'trial-balance'\nperiod = 'x'\nwhere = \"a = 'b'\"", "where is of an object"),
        ("table = 'tb'", "an object or a report"),
        ("report = 'trail-balance'\nperiod = 'x'", "trial-balance"),
    ],
)
def test_what_a_section_of_a_report_may_not_say(project: Project, text: str, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        plan(sections(project, f"[pull.x]\n{text}\n"))


def test_months_may_be_named_by_their_place() -> None:
    settings = PullSettings(report="trial-balance", period=("last month", "This month", "December 2025"))
    for today, expected in (
        (date(2026, 1, 31), ["December 2025", "January 2026"]),
        (date(2026, 3, 1), ["February 2026", "March 2026", "December 2025"]),
    ):
        assert [one.period for one in asks_of(settings, "", today)] == expected
