"""A read that stops for want of budget, network or patience leaves what came and its place; the next goes on there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.pull.conftest import Pull
from tests.pull.scripted import BILL, ScriptedCompany, bill
from tieout.errors import BudgetError, ReplyError, ServerError, ThrottledError, TieoutError
from tieout.project import Project
from tieout.pull.run import pull
from tieout.pull.sources import Source
from tieout.rest import Budget, attempt

Select = Callable[..., list[tuple[Any, ...]]]
STAMP = "audit.modifiedDateTime"


@pytest.fixture(autouse=True)
def no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempt, "FIRST_WAIT", 0.0)


def company(count: int = 120, **more: Any) -> ScriptedCompany:
    """Keys from 5 on, so that text and number order some of them differently."""
    return ScriptedCompany([bill(i, **more) for i in range(5, 5 + count)])


def broken(it: ScriptedCompany, status: int, body: bytes, start: int) -> None:
    """From this row on every page is answered so."""
    answer = it.answer

    def instead(method: str, target: str, headers: Any, sent: bytes) -> Any:
        if b'"start":' in sent and int(sent.split(b'"start":')[1].split(b",")[0].strip(b" }")) >= start:
            return status, {"Content-Type": "application/json"}, body
        return answer(method, target, headers, sent)

    it.answer = instead  # type: ignore[method-assign]


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (503, b'{"ia::error": {"message": "overload"}}', ServerError),
        (429, b"", ThrottledError),
        (200, b"<html>", ReplyError),
    ],
)
def test_what_came_before_intacct_failed_stays_and_the_next_run_goes_on_after_it(
    pull_bills: Pull, select: Select, status: int, body: bytes, error: type[TieoutError]
) -> None:
    it = company()
    broken(it, status, body, 50)
    with pytest.raises(error):
        pull_bills(it, lines=False, page_size=10)
    ((kept,),) = select("SELECT count(*) FROM bill")
    assert kept >= 40
    again = company()
    again.rows[BILL][0] |= {"description": "later", STAMP: "2026-02-01T12:00:00Z"}  # while it was read
    report = pull_bills(again, lines=False, page_size=10)
    assert (report.resumed, report.ties) == (True, True)
    assert 120 - kept < report.rows_read < 120 - kept + 5
    assert select("SELECT count(*), count(DISTINCT key) FROM bill") == [(120, 120)]
    assert select("SELECT count(*) FROM bill WHERE description = 'later'") == [(1,)]


def test_a_budget_brings_a_first_read_forward_by_what_it_allows(project: Project, select: Select) -> None:
    it = company()
    text = "[pull.bills]\nobject = 'bills'\nlines = false\npage_size = 10\n"
    of = Project(project.root, project.root / "tieout.toml", text)
    runs = 0
    while True:
        with it.client(budget=Budget(7), concurrency=1) as client:
            try:
                (report,) = pull(of, source=Source(client, "demo"))
                break
            except BudgetError:
                runs += 1
                assert runs < 5
    assert report.ties
    assert select("SELECT count(*), count(DISTINCT key) FROM bill") == [(120, 120)]
    starts = [tuple(q["filters"][0]["$gt"].values()) for q in it.pages() if "$gt" in (q.get("filters") or [{}])[0]]
    assert starts  # not by position
    assert len([q for q in it.pages() if q["size"] == 10]) <= 14 + runs + 1  # no page twice but one a run


@pytest.mark.parametrize("agree", [True, False])
def test_rows_deleted_meanwhile_hide_no_others_from_the_rest_of_a_read(
    pull_bills: Pull, select: Select, agree: bool
) -> None:
    it = company()
    it.text_filters = not agree
    broken(it, 503, b"{}", 60)
    with pytest.raises(ServerError):
        pull_bills(it, lines=False, page_size=10)
    again = company()
    again.text_filters = not agree
    del again.rows[BILL][10:45]
    report = pull_bills(again, lines=False, page_size=10)
    assert report.resumed
    there = {row["key"] for row in again.rows[BILL]}
    assert there <= {key for (key,) in select("SELECT key FROM bill")}


def test_many_changes_are_gone_on_with_as_well(pull_bills: Pull, select: Select) -> None:
    """A read of what changed that never ends within its budget would else begin anew for ever."""
    pull_bills(company(), lines=False, page_size=10)
    changed = {"description": "later", STAMP: "2026-02-01T12:00:00Z"}
    it = company(**changed)
    broken(it, 503, b"{}", 60)
    (before,) = select("SELECT watermark FROM _tieout_state")
    with pytest.raises(ServerError):
        pull_bills(it, lines=False, page_size=10)
    ((kept,),) = select("SELECT count(*) FROM bill WHERE description = 'later'")
    assert kept >= 50
    assert select("SELECT watermark FROM _tieout_state") == [before]
    report = pull_bills(company(**changed), lines=False, page_size=10)
    assert (report.strategy, report.resumed, report.rows_read) == ("incremental", True, 120 - kept + 120)
    assert select("SELECT count(*), min(description) FROM bill") == [(120, "later")]
    assert pull_bills(company(**changed), lines=False, page_size=10).resumed is False


def test_what_changed_before_the_place_while_a_read_of_changes_lay_idle_comes_with_its_end(
    pull_bills: Pull, select: Select
) -> None:
    pull_bills(company(), lines=False, page_size=10)
    changed = {"description": "later", STAMP: "2026-02-01T12:00:00Z"}
    it = company(**changed)
    broken(it, 503, b"{}", 60)
    with pytest.raises(ServerError):
        pull_bills(it, lines=False, page_size=10)
    again = company(**changed)
    again.rows[BILL][3] |= {"description": "later still", STAMP: "2026-02-01T12:00:01Z"}
    report = pull_bills(again, lines=False, page_size=10)
    assert (report.strategy, report.resumed, report.ties) == ("incremental", True, True)
    assert select("SELECT description FROM bill WHERE key = '8'") == [("later still",)]


def test_a_row_that_changes_before_the_place_of_an_interrupted_read_comes_with_the_end(
    pull_bills: Pull, select: Select
) -> None:
    it = company()
    broken(it, 503, b"{}", 60)
    with pytest.raises(ServerError):
        pull_bills(it, lines=False, page_size=10)
    again = company()
    again.rows[BILL][3] |= {"description": "later", STAMP: "2026-02-01T11:59:59Z"}
    assert pull_bills(again, lines=False, page_size=10).ties
    assert select("SELECT description FROM bill WHERE key = '8'") == [("later",)]


# A long read ends with what changed meanwhile ----------------------------------------------------------------------


def test_what_changes_while_all_is_read_is_as_new_as_its_end(pull_bills: Pull, select: Select) -> None:
    it = company()

    def edit(it: ScriptedCompany, payload: dict[str, Any]) -> None:
        if payload["start"] > 60:
            it.rows[BILL][2] |= {"description": "later", STAMP: "2026-02-01T12:00:00Z"}

    it.on_query = edit
    report = pull_bills(it, lines=False, page_size=10)
    assert report.rows_read == 121
    assert select("SELECT description FROM bill WHERE key = '7'") == [("later",)]
    assert report.ties


def test_one_page_is_one_moment_and_nothing_is_caught_up(pull_bills: Pull) -> None:
    it = company(20)
    pull_bills(it, lines=False)
    assert len(it.pages()) == 1


def test_catching_up_ends_where_more_changes_than_can_be_read(pull_bills: Pull) -> None:
    it = company()

    def edit(it: ScriptedCompany, payload: dict[str, Any]) -> None:
        for row in it.rows[BILL]:
            row[STAMP] = "2026-02-01T12:00:00Z"

    it.on_query = edit
    report = pull_bills(it, lines=False, page_size=10)
    assert report.rows_read == 4 * 120
    assert report.ties


# Queries that take too long ----------------------------------------------------------------------------------------

GATEWAY = (504, b"<html><h1>504 Gateway Time-out</h1></html>")
OWN = (500, b'{"ia::result": {"ia::error": {"code": "internalError", "message": "The query timed out"}}}')


def slow(it: ScriptedCompany, most: int, how: tuple[int, bytes] = GATEWAY, *, counting: bool = False) -> list[int]:
    """Queries for more rows than that are not answered in time -> the numbers of rows that were too many. `counting`:
    nor are their counts."""
    reply, too_many = it._query, []

    def instead(payload: dict[str, Any]) -> Any:
        if counting or (":" not in payload["fields"][0] and payload["size"] > 1):
            found = it.found(payload)
            if len(found) > most:
                too_many.append(len(found))
                return how[0], {"Content-Type": "application/json"}, how[1]
        return reply(payload)

    it._query = instead  # type: ignore[method-assign]
    return too_many


@pytest.mark.parametrize(("how", "text_filters"), [(GATEWAY, False), (OWN, False), (GATEWAY, True)])
def test_a_query_that_times_out_is_cut_until_it_does_not(
    pull_bills: Pull, select: Select, how: tuple[int, bytes], text_filters: bool
) -> None:
    it = company(600)
    it.text_filters = text_filters
    too_many = slow(it, 500 if text_filters else 150, how)
    report = pull_bills(it, lines=False, page_size=100)
    assert too_many
    assert select("SELECT count(*), count(DISTINCT key), sum(days) FROM bill") == [(600, 600, sum(range(5, 605)))]
    assert report.ties


def test_changes_that_take_too_long_are_cut_as_well(pull_bills: Pull, select: Select) -> None:
    pull_bills(company(600), lines=False, page_size=100)
    it = company(600, description="later", **{STAMP: "2026-02-01T12:00:00Z"})
    assert not slow(it, 150)
    report = pull_bills(it, lines=False, page_size=100)
    assert (report.strategy, report.rows_read) == ("incremental", 600)
    assert select("SELECT count(*), min(description) FROM bill") == [(600, "later")]


def test_a_read_in_parts_that_is_stopped_goes_on_with_the_parts_that_are_left(pull_bills: Pull, select: Select) -> None:
    it = company(600)
    slow(it, 150)

    def stop(it: ScriptedCompany, payload: dict[str, Any]) -> None:
        if payload["size"] > 2 and {"$gt": {"key": "512"}} in payload.get("filters", []):
            raise KeyboardInterrupt

    it.on_query = stop
    with pytest.raises(KeyboardInterrupt):
        pull_bills(it, lines=False, page_size=100)
    ((kept,),) = select("SELECT count(*) FROM bill")
    assert 500 <= kept < 600
    again = company(600)
    slow(again, 150)
    report = pull_bills(again, lines=False, page_size=100)
    assert (report.resumed, report.rows_read, report.ties) == (True, 600 - kept, True)
    assert select("SELECT count(*), count(DISTINCT key) FROM bill") == [(600, 600)]


def test_an_intacct_that_answers_nothing_is_not_asked_for_ever(pull_bills: Pull) -> None:
    it = company()
    slow(it, -1)
    with pytest.raises(ReplyError):
        pull_bills(it, lines=False, page_size=10)
    assert len(it.queries) < 30


def test_a_count_that_takes_too_long_leaves_the_table_unproven_and_no_worse(pull_bills: Pull) -> None:
    it = company(600)
    slow(it, 150, counting=True)
    report = pull_bills(it, lines=False, page_size=100)
    assert (report.rows_read, report.error) == (600, None)
    assert [line.ties for line in report.tie_out] == [None]


def test_a_stop_while_catching_up_does_not_read_everything_again(pull_bills: Pull, select: Select) -> None:
    it = company()

    def stop(it: ScriptedCompany, payload: dict[str, Any]) -> None:
        if any("$gte" in condition for condition in payload.get("filters", [])):
            raise KeyboardInterrupt

    it.on_query = stop
    with pytest.raises(KeyboardInterrupt):
        pull_bills(it, lines=False, page_size=10, tie_out=False)
    again = company()
    report = pull_bills(again, lines=False, page_size=10)
    assert (report.resumed, report.rows_read, report.ties) == (True, 0, True)
    assert select("SELECT count(*) FROM bill") == [(120,)]
