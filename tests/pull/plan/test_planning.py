"""What a pull says beforehand is what it then does: rows, pages, transactions; and planning writes nothing."""

from __future__ import annotations

import pytest

from tests.pull.scripted import BILL, LINE, ScriptedCompany, bill, company
from tieout.project import Project
from tieout.pull import PullPlan, TablePlan, plan
from tieout.pull.run import pull
from tieout.pull.sources import Source

LATER = "2026-02-01T12:00:00Z"


def planned(it: ScriptedCompany, project: Project, **options: bool) -> PullPlan:
    with it.client() as client:
        return plan(project, objects=["bills"], source=Source(client, "demo"), **options)


def of(plan: PullPlan, table: str) -> TablePlan:
    return next(one for one in plan.tables if one.table == table)


@pytest.mark.parametrize("bills", [0, 1, 25, 9_000])
def test_the_plan_of_a_first_pull_is_what_the_pull_then_costs(bills: int, project: Project) -> None:
    it = ScriptedCompany([bill(i) for i in range(1, bills + 1)])
    with it.client() as client:
        source = Source(client, "demo")
        before = plan(project, objects=["bills"], source=source)
        asked = len(it.queries)
        (report,) = pull(project, objects=["bills"], source=source)
    for one in report.all():
        said = of(before, one.table)
        assert (said.rows, said.pages, said.transactions) == (one.rows_read, one.pages, one.transactions)
        assert (said.strategy, said.held) == ("full", 0)
    assert before.transactions == len(it.queries) - asked == sum(one.transactions for one in report.all())
    assert before.cost == asked == 2


def test_planning_writes_nothing_and_reads_no_rows(project: Project) -> None:
    it = company()
    planned(it, project)
    assert list(project.root.iterdir()) == []
    assert it.pages() == []


def test_the_plan_of_the_next_pull_counts_what_changed(project: Project) -> None:
    it = company()
    with it.client() as client:
        pull(project, objects=["bills"], source=Source(client, "demo"))
    it.rows[BILL][3] |= {"audit.modifiedDateTime": LATER}
    found = of(planned(it, project), "bill")
    assert (found.strategy, found.rows, found.held, found.pages) == ("incremental", 1, 25, 1)
    whole = of(planned(it, project, full=True), "bill")
    assert (whole.strategy, whole.rows) == ("full", 25)


def test_the_plan_says_which_fields_are_left_out_and_why(project: Project) -> None:
    it = company()
    it.refused = {"extra"}
    with it.client() as client:
        source = Source(client, "demo")
        pull(project, objects=["bills"], source=source)
        found = of(plan(project, objects=["bills"], source=source), "bill")
    assert found.left_out["SSN"].startswith("personal")
    assert "cannot be used in query" in found.left_out["extra"]
    assert set(found.left_out) == {"SSN", "extra"}


def test_lines_that_are_refused_do_not_lose_the_plan_of_their_documents(project: Project) -> None:
    it = company()
    it.forbidden = {LINE}
    found = planned(it, project)
    assert of(found, "bill").rows == 25
    assert of(found, "bill_line").error is not None
    assert found.cost == 1
