"""Pulling the demo company: plausible data, real paging, real changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest

import tieout
from tieout import Intacct
from tieout.project import Project
from tieout.pull import verify
from tieout.pull.destinations.open import open_destination
from tieout.pull.run import pull
from tieout.pull.settings import DEFAULT_DESTINATION
from tieout.pull.sources import Source
from tieout.simulator import Simulator

Select = Callable[..., list[tuple[Any, ...]]]
OBJECTS = ["vendors", "bills", "timesheets", "journal-entry"]


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with Simulator("demo") as shared:
        yield shared


@pytest.fixture
def demo(simulator: Simulator) -> Iterator[Intacct]:
    with tieout.simulated(simulator=simulator) as client:
        yield client


def test_documents_and_lines_arrive_and_tie(demo: Intacct, project: Project, select: Select) -> None:
    reports = pull(project, objects=OBJECTS, source=Source(demo, "demo"))
    tables = {one.table: one for report in reports for one in report.all()}
    assert set(tables) == {
        "vendor", "bill", "bill_line", "timesheet", "timesheet_line", "journal_entry", "journal_entry_line",
    }  # fmt: skip
    for one in tables.values():
        assert one.rows_read == one.new > 0
        assert {line.ties for line in one.tie_out} == {True}
        assert one.misfits == 0
    assert select("SELECT count(*) FROM timesheet_line l ANTI JOIN timesheet t ON l.timesheet__key = t.key") == [(0,)]
    ours = dict(select('SELECT key, "totalTxnAmount" FROM bill LIMIT 50'))
    for record in demo.get_many("bills", ours):
        assert not isinstance(record, Exception)
        assert ours[record["key"]] == record["totalTxnAmount"]


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_other_destinations_hold_the_same_to_the_last_digit(
    demo: Intacct, project: Project, kind: str, request: pytest.FixtureRequest
) -> None:
    source = Source(demo, "demo")
    url = "sqlite:///company.db" if kind == "sqlite" else request.getfixturevalue("postgres_url")
    for destination in (None, url):
        (report,) = pull(project, objects=["bills"], destination=destination, source=source)
        assert {(one.table, one.ties, one.misfits) for one in report.all()} == {
            ("bill", True, 0), ("bill_line", True, 0),
        }  # fmt: skip
    lines = verify(project, destination=url, source=source)
    assert {line.ties for line in lines} == {True}
    assert len({line.subject for line in lines}) == 2
    ours, theirs = (open_destination(project.root, one) for one in (DEFAULT_DESTINATION, url))
    for table in ("bill", "bill_line"):
        state = theirs.state(table)
        assert state is not None
        keys = [key for lot in ours.keys(table) for key in lot]
        assert theirs.rows(table, keys, state.columns) == ours.rows(table, keys, state.columns)
        assert len(keys) == state.rows > 0


def test_the_next_run_brings_changes_and_nothing_else(demo: Intacct, project: Project, select: Select) -> None:
    source = Source(demo, "demo")
    pull(project, objects=["customers", "timesheets"], source=source)
    customer = next(iter(demo.query("customers", ["key", "id"], limit=1)))
    demo.update("customers", customer.key, {"name": "Løkke & Sønn's"})
    sheet = next(iter(demo.query("timesheets", ["key"], "state = 'draft'", limit=1)))
    lines = demo.get("timesheets", sheet.key)["lines"]
    demo.update("timesheets", sheet.key, {"lines": [{"key": lines[0]["key"], "quantity": 1.25}]})
    customers, sheets = pull(project, objects=["customers", "timesheets"], source=source)
    assert (customers.strategy, customers.new, customers.changed) == ("incremental", 0, 1)
    assert customers.ties
    assert select("SELECT name FROM customer WHERE key = ?", [customer.key]) == [("Løkke & Sønn's",)]
    assert select("SELECT quantity FROM timesheet_line WHERE key = ?", [lines[0]["key"]]) == [(Decimal("1.25"),)]
    assert sheets.ties


def test_an_entity_sees_its_own_and_shared_rows(project: Project) -> None:
    with tieout.simulated(user="us", entity="E110") as us:
        (report,) = pull(project, objects=["bills"], source=Source(us, "demo"))
        assert report.ties
        assert report.new > 0
