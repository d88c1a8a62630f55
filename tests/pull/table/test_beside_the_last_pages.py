"""A long read asks for the totals while its last pages are on their way: what changes in between is found anyway."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from tests.pull.conftest import Pull
from tests.pull.scripted import BILL, ScriptedCompany, bill
from tieout.pull import table
from tieout.rest import attempt

Select = Callable[..., list[tuple[Any, ...]]]
NOW = "2026-02-01T12:00:00Z"


class Late(ScriptedCompany):
    """Answers for the last page only after it has said the totals, and `meanwhile` has happened: of pages of 10 rows,
    which overlap by one."""

    def __init__(self, rows: int = 99) -> None:
        super().__init__([bill(i) for i in range(1, rows + 1)])
        self.meanwhile: Callable[[], None] = lambda: None
        self.last = (rows - 2) // 9 * 9 + 1
        self.slow = False
        """The last page takes too long, so that ranges of keys are read instead; `meanwhile` is during the last one."""
        self._told = threading.Event()

    def answer(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, Mapping[str, str], bytes]:
        asked = json.loads(body) if target.endswith("/query") else {}
        if asked.get("start") == self.last and not asked.get("filters"):
            assert self._told.wait(timeout=20), "the totals were not asked for beside the last page"
            if self.slow:
                error = {"code": "operationFailed", "message": "The query timed out", "errorId": "X-1"}
                return self._reply(400, {"ia::result": {"ia::error": error}, "ia::meta": {}})
        found = super().answer(method, target, headers, body)
        if asked and ":" in asked["fields"][0] and not self._told.is_set():
            if not self.slow:
                self.meanwhile()
            self._told.set()
        if self.slow and asked.get("size", 0) > 2 and [list(each) for each in asked.get("filters", [])] == [["$gt"]]:
            self.slow = False  # the last range
            self.meanwhile()
        return found


@pytest.fixture
def it() -> Late:
    return Late()


def test_they_cost_one_transaction_and_no_time(it: Late, pull_bills: Pull) -> None:
    report = pull_bills(it, lines=False, page_size=10)
    assert (report.rows_read, report.pages, report.transactions, report.ties) == (99, 11, 12, True)


def test_a_row_of_the_last_page_that_changes_meanwhile(it: Late, pull_bills: Pull, select: Select) -> None:
    it.meanwhile = lambda: it.rows[BILL][97].update({"totalDue": "7.77", "audit.modifiedDateTime": NOW})
    report = pull_bills(it, lines=False, page_size=10)
    assert (report.transactions, report.ties) == (13, True)  # the totals were asked for once more
    assert [str(total) for (total,) in select("SELECT totalDue FROM bill WHERE key = '98'")] == ["7.77"]


def test_a_row_of_an_earlier_page_that_changes_meanwhile_is_the_next_pulls(
    it: Late, pull_bills: Pull, select: Select
) -> None:
    it.meanwhile = lambda: it.rows[BILL][0].update({"totalDue": "7.77", "audit.modifiedDateTime": NOW})
    report = pull_bills(it, lines=False, page_size=10)
    assert (report.transactions, report.ties) == (12, True)
    report = pull_bills(it, lines=False, page_size=10)
    assert (report.strategy, report.changed, report.ties) == ("incremental", 1, True)
    assert [str(total) for (total,) in select("SELECT totalDue FROM bill WHERE key = '1'")] == ["7.77"]


def test_rows_of_both_that_change_meanwhile(it: Late, pull_bills: Pull, select: Select) -> None:
    def change() -> None:
        for at in (0, 97):
            it.rows[BILL][at].update({"totalDue": "7.77", "audit.modifiedDateTime": NOW})

    it.meanwhile = change
    assert pull_bills(it, lines=False, page_size=10).ties
    assert select("SELECT count(*) FROM bill WHERE totalDue = 7.77") == [(2,)]


def test_rows_that_come_and_go_meanwhile(it: Late, pull_bills: Pull, select: Select) -> None:
    def change() -> None:
        it.rows[BILL].append(bill(101) | {"audit.modifiedDateTime": NOW})
        del it.rows[BILL][96]

    it.meanwhile = change
    assert pull_bills(it, lines=False, page_size=10).ties
    live = select("SELECT key FROM bill WHERE _tieout_deleted IS NULL")
    assert sorted(int(key) for (key,) in live) == [*range(1, 97), 98, 99, 101]


def test_a_row_that_goes_meanwhile_so_that_the_last_page_brings_none(pull_bills: Pull) -> None:
    it = Late(11)
    it.meanwhile = lambda: it.rows[BILL].pop()
    report = pull_bills(it, lines=False, page_size=10)
    assert (report.rows_read, report.transactions, report.ties) == (10, 4, True)


def test_where_the_rest_is_read_in_parts_they_are_asked_for_at_its_end(
    pull_bills: Pull, select: Select, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempt, "FIRST_WAIT", 0.0)
    it = Late(399)
    it.slow = True
    it.meanwhile = lambda: it.rows[BILL][0].update({"totalDue": "7.77", "audit.modifiedDateTime": NOW})
    assert pull_bills(it, lines=False, page_size=10).ties
    assert [str(total) for (total,) in select("SELECT totalDue FROM bill WHERE key = '1'")] == ["7.77"]


def test_where_the_last_pages_take_long_they_are_asked_for_again(
    it: Late, pull_bills: Pull, select: Select, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table, "A_MOMENT", 0.0)
    it.meanwhile = lambda: it.rows[BILL][0].update({"totalDue": "7.77", "audit.modifiedDateTime": NOW})
    assert pull_bills(it, lines=False, page_size=10).ties
    assert [str(total) for (total,) in select("SELECT totalDue FROM bill WHERE key = '1'")] == ["7.77"]


def test_one_request_at_a_time_leaves_no_place_for_them(pull_bills: Pull) -> None:
    it = ScriptedCompany([bill(i) for i in range(1, 100)])
    ask = it.client
    it.client = lambda **options: ask(concurrency=1, **options)  # type: ignore[method-assign]
    report = pull_bills(it, lines=False, page_size=10)
    assert (report.transactions, report.ties) == (12, True)
    assert ":" in it.queries[-1]["fields"][0]
