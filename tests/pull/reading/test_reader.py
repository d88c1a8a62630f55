"""Several pages of a read under way at once, and what comes when one of them is not what was asked for."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from tests.pull.scripted import BILL, ScriptedCompany, bill
from tieout.errors import BudgetError
from tieout.pull.reading.decode import Decoder
from tieout.pull.reading.reader import Spent, Step, read
from tieout.pull.schema.types import Column, Kind
from tieout.rest import Query

COLUMNS = (Column("key", "key", Kind.TEXT), Column("days", "days", Kind.INTEGER))
QUERY = Query(object=BILL, fields=("key", "days"), order_by=(("key", "asc"),))
Reply = tuple[int, Mapping[str, str], bytes]


class Company(ScriptedCompany):
    """Its answers can be held back or spoilt."""

    def __init__(self, rows: int) -> None:
        super().__init__([bill(i) for i in range(1, rows + 1)])
        self.gate: threading.Barrier | None = None
        self.spoil: dict[int, bytes] = {}
        self.held: dict[int, threading.Event] = {}

    def answer(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Reply:
        status, heads, text = super().answer(method, target, headers, body)
        if target.endswith("/query"):
            if self.gate is not None and len(self.queries) > 1:
                self.gate.wait(timeout=60)
            start = json.loads(body)["start"]
            assert start not in self.held or self.held[start].wait(timeout=60)
            text = self.spoil.pop(start, text)
        return status, heads, text


def keys(steps: Sequence[Step]) -> list[str]:
    return [key for step in steps for key in step.page.batch.keys]


@pytest.fixture
def company() -> Company:
    return Company(99)


@contextmanager
def reading(company: Company, *, places: int = 3, budget: int | None = None) -> Iterator[Any]:
    with company.client(concurrency=places, budget=budget) as client:
        spent = Spent()
        yield read(client, QUERY, Decoder(COLUMNS), size=10, spent=spent), spent


def test_as_many_pages_are_under_way_as_the_client_may_have(company: Company) -> None:
    company.gate = threading.Barrier(5)  # it opens only while five wait
    with reading(company, places=5) as (steps, spent):
        found = list(steps)
    assert keys(found) == [str(i) for i in range(1, 100)]
    assert (spent.pages, spent.transactions) == (11, 11)


def test_that_only_the_last_pages_are_on_their_way_is_told_once(company: Company) -> None:
    free, told = threading.Event(), 0

    def ending() -> None:
        nonlocal told
        told += 1
        free.set()

    company.held = {82: free, 91: free}
    with company.client(concurrency=3) as client:
        found = list(read(client, QUERY, Decoder(COLUMNS), size=10, ending=ending))
    assert (keys(found), told) == ([str(i) for i in range(1, 100)], 1)


@pytest.mark.parametrize(("places", "size"), [(1, 10), (3, 100)])
def test_where_no_place_is_left_or_one_page_is_all_nobody_is_told(company: Company, places: int, size: int) -> None:
    with company.client(concurrency=places) as client:
        assert list(read(client, QUERY, Decoder(COLUMNS), size=size, ending=lambda: pytest.fail("told")))


def test_a_slow_taker_does_not_fill_the_memory(company: Company) -> None:
    with reading(company, places=2) as (steps, _):
        next(steps)
        next(steps)
        steps.close()
    assert len(company.queries) <= 2 + 2 * 3


@pytest.mark.parametrize("spoilt", [b'{"ia::result": 7, "ia::meta": {}}', b"[1]"])
def test_an_answer_that_is_no_page_is_asked_for_again(company: Company, spoilt: bytes) -> None:
    company.spoil = {28: spoilt}
    with reading(company) as (steps, _):
        assert keys(list(steps)) == [str(i) for i in range(1, 100)]


def test_what_came_before_the_budget_ended_is_handed_on(company: Company) -> None:
    found: list[Step] = []
    with reading(company, budget=4) as (steps, spent), pytest.raises(BudgetError):
        found += steps
    assert spent.pages == 4
    assert keys(found) == [str(i) for i in range(1, 38)]


def test_rows_deleted_meanwhile_hide_no_others_and_cost_one_page(company: Company) -> None:
    def delete(it: ScriptedCompany, payload: dict[str, Any]) -> None:
        if payload["start"] == 28:
            del it.rows[BILL][:5]
            it.on_query = lambda company, payload: None

    company.on_query = delete
    with reading(company, places=1) as (steps, spent):
        found = list(steps)
    assert set(keys(found)) == {str(i) for i in range(1, 100)}
    assert [query["filters"] for query in company.queries if query.get("filters")][-1] == [
        {"$gt": {"key": "28"}},
        {"$lt": {"key": "33"}},
    ]
    assert spent.transactions == len(company.queries)
