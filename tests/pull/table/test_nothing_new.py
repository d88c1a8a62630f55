"""A pull that finds nothing new: one transaction says so and proves it; what that cannot tell, rows are read for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import duckdb
import pytest
import time_machine

import tieout
from tests.pull.conftest import Pull
from tests.pull.scripted import BILL, LINE, ScriptedCompany, bill, company
from tieout.errors import BudgetError
from tieout.project import Project
from tieout.pull import PullReport, plan, verify
from tieout.pull.run import pull
from tieout.pull.sources import Source
from tieout.rest import Budget
from tieout.simulator import Simulator

Select = Callable[..., list[tuple[Any, ...]]]
STAMP = "audit.modifiedDateTime"
BETWEEN = "2026-01-10T12:00:00Z"
"""After every stamp, and long before the watermark."""
RECENT = "2026-02-01T11:55:00Z"
"""Within the look-back."""
MAX = f"max:{STAMP}"


@pytest.fixture
def it(pull_bills: Pull) -> ScriptedCompany:
    """A company of bills that has been pulled."""
    it = company()
    pull_bills(it, lines=False)
    it.queries.clear()
    return it


def told(report: PullReport) -> set[bool | None]:
    return {line.ties for line in report.tie_out}


@pytest.mark.parametrize("place", ["duckdb:///a.duckdb", "sqlite:///a.db", "parquet:///a", "postgresql"])
def test_it_costs_one_transaction_for_each_object_and_proves_it(
    pull_bills: Pull, project: Project, request: pytest.FixtureRequest, place: str
) -> None:
    url = request.getfixturevalue("postgres_url") if place == "postgresql" else place
    it = company()
    first = pull_bills(it, destination=url)
    for minutes in (60, 90):  # what is kept of the one, the other goes by
        it.queries.clear()
        assert it.now is not None
        it.now += timedelta(minutes=minutes)
        report = pull_bills(it, destination=url)
        assert [query["object"] for query in it.queries] == [BILL, LINE]
        for one, before in zip(report.all(), first.all(), strict=True):
            assert (one.strategy, one.rows_read, one.pages, one.transactions) == ("incremental", 0, 0, 1)
            assert [line.what for line in one.tie_out] == [line.what for line in before.tie_out]
            assert told(one) == {True}
            assert one.watermark_after > before.watermark_after
    it.rows[BILL][0] |= {"totalDue": "7.77", STAMP: it.now.strftime("%Y-%m-%dT%H:%M:%SZ")}
    changed = pull_bills(it, destination=url)
    assert (changed.changed, changed.transactions, told(changed)) == (1, 2, {True})
    with it.client() as client:
        assert all(line.ties for line in verify(project, destination=url, source=Source(client, "demo")))


def test_its_plan_is_what_it_costs(it: ScriptedCompany, project: Project) -> None:
    text = "[pull.bills]\nobject = 'bills'\nlines = false\n"
    of = Project(project.root, project.root / "tieout.toml", text)
    with it.client() as client:
        (said,) = plan(of, source=Source(client, "demo")).tables
        (report,) = pull(of, source=Source(client, "demo"))
    assert (said.rows, said.pages, said.transactions) == (report.rows_read, report.pages, report.transactions)
    assert said.transactions == 1


def test_what_stamps_do_not_tell_is_found_by_what_ties_no_more(
    it: ScriptedCompany, pull_bills: Pull, select: Select
) -> None:
    pull_bills(it, lines=False)
    it.rows[BILL][2]["totalDue"] = "999.99"  # under an old stamp
    del it.rows[BILL][6]
    report = pull_bills(it, lines=False)
    assert (report.ties, report.missing) == (True, 1)
    assert select("SELECT key FROM bill WHERE _tieout_deleted IS NOT NULL") == [("7",)]
    assert select("SELECT CAST(totalDue AS VARCHAR) FROM bill WHERE key = '3'") == [("999.99",)]
    pull_bills(it, lines=False)
    gone = it.rows[BILL].pop(7)
    it.rows[BILL][0] |= {  # so that the sums are what they were: nothing but the number of rows tells
        name: type(gone[name])(Decimal(it.rows[BILL][0][name]) + Decimal(gone[name])) for name in ("totalDue", "rate")
    }
    assert pull_bills(it, lines=False).missing == 1


def test_an_edit_in_the_second_of_the_latest_stamp_is_found(pull_bills: Pull, select: Select) -> None:
    it = company()
    it.rows[BILL][4][STAMP] = RECENT
    pull_bills(it, lines=False)
    it.rows[BILL][3] |= {"description": "edited", STAMP: RECENT}  # count, sums and the latest stamp are what they were
    report = pull_bills(it, lines=False)
    assert (report.changed, report.transactions, told(report)) == (1, 2, {True})
    assert select("SELECT description FROM bill WHERE key = '4'") == [("edited",)]


def test_a_text_that_was_committed_late_is_found_behind_the_look_back(
    it: ScriptedCompany, pull_bills: Pull, select: Select
) -> None:
    it.rows[BILL][3] |= {"description": "late", STAMP: BETWEEN}  # beyond the three days of once a day
    report = pull_bills(it, lines=False)
    assert (report.changed, told(report)) == (1, {True})
    assert any("committed late" in note for note in report.notes)
    assert select("SELECT description FROM bill WHERE key = '4'") == [("late",)]
    assert pull_bills(it, lines=False).transactions == 1


def test_what_changes_between_the_totals_and_the_rows_is_no_mismatch(it: ScriptedCompany, pull_bills: Pull) -> None:
    it.rows[BILL][0] |= {"totalDue": "7.77", STAMP: "2026-02-01T12:00:30Z"}

    def edit(it: ScriptedCompany, payload: dict[str, Any]) -> None:
        if payload["size"] > 1:
            it.rows[BILL][1] |= {"totalDue": "8.88", STAMP: "2026-02-01T12:00:40Z"}

    it.on_query = edit
    report = pull_bills(it, lines=False)
    assert (report.changed, report.transactions, report.findings, told(report)) == (2, 3, [], {True})


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize(
    ("refused", "paid"), [(("max",), 2), (("count",), 2), (("count", "max"), 3), (("sum",), 1)], ids=str
)
def test_where_intacct_refuses_a_part_of_it_the_rest_still_counts(
    pull_bills: Pull, select: Select, refused: tuple[str, ...], paid: int, named: bool, project: Project
) -> None:
    it = company()
    it.no_aggregates, it.names_the_culprit = set(refused), named
    with it.client() as client:
        source = Source(client, "demo")
        (first,) = pull(section(project), source=source)
        quiet = [pull(section(project), source=source)[0] for _ in range(2)]
        if named:  # what was refused is asked for no more
            it.queries.clear()
            pull(section(project), source=source)
            assert not any(name.partition(":")[0] in refused for query in it.queries for name in query["fields"])
        it.rows[BILL][0] |= {"description": "new", STAMP: "2026-02-01T12:00:30Z"}
        (changed,) = pull(section(project), source=source)
    if refused == ("sum",) and not named:
        paid = 2  # the latest stamp is suspected first, and never found guilty
    assert [one.transactions for one in quiet] == [paid, paid]
    assert {line.ties for line in first.tie_out} == ({True, None} if "sum" in refused else {True})
    assert (changed.changed, changed.ties) == (1, True)
    assert select("SELECT description FROM bill WHERE key = '1'") == [("new",)]


def section(project: Project) -> Project:
    return Project(project.root, project.root / "tieout.toml", "[pull.bills]\nobject = 'bills'\nlines = false\n")


def test_a_latest_stamp_that_is_not_the_latest_hides_nothing(pull_bills: Pull, select: Select) -> None:
    it = company()
    it.newest = min
    it.rows[BILL][9][STAMP] = BETWEEN

    def edit(it: ScriptedCompany, payload: dict[str, Any]) -> None:
        if payload["start"] > 10:  # the first page has come
            it.rows[BILL][0] |= {"description": "while it was read", STAMP: "2026-02-01T12:00:30Z"}

    it.on_query = edit
    pull_bills(it, lines=False, page_size=5)
    it.on_query = lambda it, payload: None
    it.now = None if it.now is None else it.now + timedelta(hours=5)
    report = pull_bills(it, lines=False)
    assert told(report) == {True}
    assert select("SELECT description FROM bill WHERE key = '1'") == [("while it was read",)]


def test_a_latest_stamp_in_another_form_is_none(it: ScriptedCompany, pull_bills: Pull) -> None:
    it.newest = lambda stamps: "01/01/2026"
    report = pull_bills(it, lines=False)
    assert (report.transactions, report.pages, told(report)) == (2, 1, {True})


def test_totals_that_take_too_long_cost_no_rows_and_are_not_tried_twice(
    it: ScriptedCompany, pull_bills: Pull, select: Select
) -> None:
    reply, tried = it._query, []

    def slow(payload: dict[str, Any]) -> Any:
        if payload["size"] == 1:
            tried.append(payload["fields"])
            return 504, {"Content-Type": "application/json"}, b"{}"
        return reply(payload)

    it._query = slow  # type: ignore[method-assign]
    it.rows[BILL][0] |= {"description": "new", STAMP: "2026-02-01T12:00:30Z"}
    report = pull_bills(it, lines=False)
    assert (report.changed, told(report), report.ties) == (1, {None}, True)
    asked = len(tried)
    assert select("SELECT description FROM bill WHERE key = '1'") == [("new",)]
    tried.clear()
    pull_bills(it, lines=False, destination="duckdb:///other.duckdb")  # one page: only the tie-out asks
    assert len(tried) == asked


def test_a_budget_with_room_for_one_question_reads_rows(it: ScriptedCompany, project: Project, select: Select) -> None:
    it.rows[BILL][0] |= {"description": "new", STAMP: "2026-02-01T12:00:30Z"}
    with it.client(budget=Budget(2)) as client, pytest.raises(BudgetError):  # one is for the model
        pull(section(project), source=Source(client, "demo"))
    assert select("SELECT description FROM bill WHERE key = '1'") == [("new",)]


@pytest.fixture
def later() -> Iterator[Callable[[timedelta], None]]:
    stopped: list[Any] = []

    def travel(by: timedelta) -> None:
        traveller = time_machine.travel(datetime.now(UTC) + by, tick=True)
        traveller.start()
        stopped.append(traveller)

    yield travel
    while stopped:
        stopped.pop().stop()


@pytest.mark.parametrize("verified", [True, False])
def test_what_people_change_in_the_table_is_found_by_pulls_in_a_day_or_once_verify_has_found_it(
    it: ScriptedCompany, pull_bills: Pull, project: Project, later: Callable[[timedelta], None], *, verified: bool
) -> None:
    pull_bills(it, lines=False)
    pull_bills(it, lines=False)
    with duckdb.connect(str(project.root / "company.duckdb")) as db:
        db.execute("UPDATE bill SET totalDue = 0 WHERE key = '9'")
    if verified:
        with it.client() as client:
            found = {line.what: line.ties for line in verify(project, source=Source(client, "demo"))}
        assert found["sum totalDue"] is False
    else:
        assert pull_bills(it, lines=False).findings == []
        later(timedelta(hours=21))
    report = pull_bills(it, lines=False)
    assert [row.key for found in report.findings for row in found.rows] == ["9"]
    assert report.ties


@pytest.mark.parametrize(("rows", "size", "pages"), [(9, 10, 1), (120, 10, 14), (121, 5, 31)])
def test_a_whole_read_costs_its_pages_and_one(pull_bills: Pull, rows: int, size: int, pages: int) -> None:
    """1,000,000 rows in pages of 4,000 that overlap by one are 251 and one by the same rule."""
    assert pages == (rows - 1) // (size - 1) + 1  # one more after a last page that is full
    assert 999_999 // 3_999 + 1 + 1 == 252
    it = ScriptedCompany([bill(i) for i in range(1, rows + 1)])
    report = pull_bills(it, lines=False, page_size=size)
    assert (report.pages, report.transactions, told(report)) == (pages, pages + 1, {True})
    assert report.transactions == len(it.queries)


@pytest.mark.parametrize(("switches", "quiet"), [({}, 1), ({"extremes": "numbers"}, 2), ({"countable": "typed"}, 2)])
def test_the_simulated_company_costs_the_same(project: Project, switches: dict[str, str], quiet: int) -> None:
    text = "[pull.vendors]\nobject = 'vendors'\npage_size = 50\nlookback = '0'\n"
    of = Project(project.root, project.root / "tieout.toml", text)
    with Simulator("demo", switches=switches) as simulator, tieout.simulated(simulator=simulator) as client:
        simulator.clock.advance(3600)
        source = Source(client, "demo")
        (first,) = pull(of, source=source)
        simulator.clock.advance(3600)
        pull(of, source=source)
        (again,) = pull(of, source=source)
    assert first.new > 100
    assert first.transactions == -(-(first.new - 1) // 49) + quiet
    assert (again.rows_read, again.transactions, again.ties) == (0, quiet, True)


def test_what_changes_between_the_pages_of_a_full_read_is_in_the_copy(pull_bills: Pull, select: Select) -> None:
    it = ScriptedCompany([bill(i) for i in range(1, 9)])

    def edited(company: ScriptedCompany, query: dict[str, Any]) -> None:
        if query["start"] > 1:
            company.on_query = lambda *_: None
            assert company.now is not None
            stamp = company.now.strftime("%Y-%m-%dT%H:%M:%SZ")
            company.rows[BILL][0] |= {"description": "edited", "audit.modifiedDateTime": stamp}

    it.on_query = edited
    assert pull_bills(it, lines=False, page_size=3).ties
    assert select("SELECT description FROM bill WHERE key = '1'") == [("edited",)]
