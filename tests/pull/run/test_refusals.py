"""What Intacct refuses: one object among several, one sum among several, and what stops a whole run."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import duckdb
import pytest

from tests.pull import scripted
from tests.pull.conftest import Pull
from tests.pull.scripted import BILL, LINE, ScriptedCompany, bill, line
from tieout.errors import ForbiddenError, UnreachableError
from tieout.project import Project
from tieout.pull import verify
from tieout.pull.destinations.open import open_destination
from tieout.pull.run import pull
from tieout.pull.sources import Source


@pytest.fixture
def it() -> ScriptedCompany:
    return ScriptedCompany([bill(i) for i in range(1, 11)], [line(i, i % 10 + 1) for i in range(1, 31)])


def alone(project: Project) -> Project:
    """Bills without their lines."""
    return Project(project.root, project.root / "tieout.toml", "[pull.bills]\nobject = 'bills'\nlines = false\n")


def test_one_object_that_is_refused_does_not_lose_the_others(it: ScriptedCompany, project: Project) -> None:
    it.forbidden = {BILL}
    with it.client() as client:
        bills, unknown, lines = pull(
            alone(project), ["bills"], objects=["platform-apps/nsp::nothing", LINE], source=Source(client, "demo")
        )
    assert isinstance(bills.error, ForbiddenError)
    assert (bills.rows_read, bills.ties, bills.exit_code, bills.tie_out) == (0, False, 3, [])
    assert unknown.error is not None
    assert unknown.table == "nsp_nothing"
    assert (lines.new, lines.ties, lines.exit_code) == (30, True, 0)


def test_lines_that_are_refused_do_not_lose_their_documents(it: ScriptedCompany, pull_bills: Pull) -> None:
    it.forbidden = {LINE}
    report = pull_bills(it)
    assert report.error is None
    assert {one.ties for one in report.tie_out} == {True}
    assert isinstance(report.children[0].error, ForbiddenError)
    assert (report.ties, report.exit_code) == (False, 3)
    it.forbidden = set()
    again = pull_bills(it)
    assert (again.children[0].new, again.exit_code) == (30, 0)


def test_a_single_object_that_is_refused_is_raised(it: ScriptedCompany, pull_bills: Pull) -> None:
    it.forbidden = {BILL}
    with pytest.raises(ForbiddenError):
        pull_bills(it)


def test_rows_that_cannot_be_counted_were_still_pulled(it: ScriptedCompany, pull_bills: Pull) -> None:
    def refuse(company: ScriptedCompany, payload: dict[str, Any]) -> None:
        company.forbidden = {BILL} if payload["size"] == 1 else set()

    it.on_query = refuse
    report = pull_bills(it, lines=False)
    assert (report.new, report.error, [one.ties for one in report.tie_out]) == (10, None, [None])
    assert "permission" in report.tie_out[0].note


def test_no_answer_stops_the_run_at_once(it: ScriptedCompany, project: Project) -> None:
    asked: list[str] = []

    def cut(company: ScriptedCompany, payload: dict[str, str]) -> None:
        asked.append(payload["object"])
        raise UnreachableError("No answer.")

    it.on_query = cut
    with it.client(concurrency=1) as client, pytest.raises(UnreachableError):
        pull(alone(project), ["bills"], objects=[LINE], source=Source(client, "demo"))
    assert set(asked) == {BILL}


def test_a_number_that_intacct_will_not_sum_does_not_lose_the_money(it: ScriptedCompany, project: Project) -> None:
    it.unsummable = {"rate"}
    with it.client() as client:
        (report,) = pull(project, objects=["bills"], source=Source(client, "demo"))
        found = {one.what: one for one in report.tie_out}
        assert (found["sum totalDue"].ties, found["sum rate"].ties) == (True, None)
        assert "REST-1106" in found["sum rate"].note
        asked = sum("sum:rate" in query["fields"] for query in it.queries)
        assert {one.what: one.ties for one in verify(project, ["bill"], source=Source(client, "demo"))}[
            "sum rate"
        ] is None
    assert sum("sum:rate" in query["fields"] for query in it.queries) == asked == 1


def test_a_refusal_that_names_no_field_costs_the_numbers_only(it: ScriptedCompany, pull_bills: Pull) -> None:
    it.unsummable, it.names_the_culprit = {"rate"}, False
    found = {one.what: one.ties for one in pull_bills(it, lines=False).tie_out}
    assert found == {"rows": True, "sum totalDue": True, "sum rate": None}


def test_numbers_are_summed_exactly(it: ScriptedCompany, pull_bills: Pull, project: Project) -> None:
    for row in it.rows[BILL]:
        row["rate"] = Decimal("0.1")
    (rate,) = [one for one in pull_bills(it, lines=False).tie_out if one.what == "sum rate"]
    assert (rate.source, rate.intacct, str(rate.source)) == (Decimal(1), Decimal(1), "1")
    with duckdb.connect(str(project.root / "company.duckdb")) as db:
        db.execute("UPDATE bill SET rate = rate + 0.0000000001 WHERE key = '9'")
    with it.client() as client:
        (rate,) = [o for o in verify(project, source=Source(client, "demo")) if o.what == "sum rate"]
    assert (rate.ties, rate.difference) == (False, Decimal("0.0000000001"))


def test_a_sum_that_misses_misfits_says_so(it: ScriptedCompany, pull_bills: Pull) -> None:
    it.rows[BILL][0]["rate"] = Decimal("0.123456789012345")
    (rate,) = [one for one in pull_bills(it, lines=False).tie_out if one.what == "sum rate"]
    assert rate.ties is False
    assert "1 value fits no column" in rate.note


def test_a_row_without_a_key_is_kept_once_and_said_to_be_one(
    it: ScriptedCompany, pull_bills: Pull, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scripted, "_order", lambda value, name: int(value or 0) if name == "key" else value or "")
    it.rows[BILL].append(bill(99, key=None, **{"audit.modifiedDateTime": "2026-02-01T11:59:00Z"}))
    for full in (False, False, True):
        (rows, *_) = pull_bills(it, lines=False, full=full).tie_out
        assert (rows.difference, rows.note) == (-1, "1 row came without a key and lies raw in _tieout_misfits")
    assert open_destination(project.root, "duckdb:///company.duckdb").misfits("bill") == {"key": 1}
