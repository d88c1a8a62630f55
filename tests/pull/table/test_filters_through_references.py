"""A filter that looks at other records: rows enter and leave it while their own stamps stand still."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import tieout
from tests.pull.conftest import Pull
from tests.pull.scripted import BILL, LINE, ScriptedCompany, bill, field, line, ref
from tieout.project import Project
from tieout.pull import PullReport
from tieout.pull.destinations.base import Takes
from tieout.pull.destinations.duckdb import DuckFile
from tieout.pull.run import pull
from tieout.pull.sources import Source

Select = Callable[..., list[tuple[Any, ...]]]
LATER = {"audit.modifiedDateTime": "2026-02-01T12:00:00Z"}
NEVER_STAMPED = "its filter looks at vendor.id, and a change there leaves no stamp here"


@pytest.fixture
def it() -> ScriptedCompany:
    """Bills 1 to 6 of vendor 7 and 7 to 12 of vendor 8, each with two lines."""
    second = {"vendor.key": "8", "vendor.id": "V8"}
    bills = [bill(n, **(second if n > 6 else {}), totalDue="1.00", days=n % 2) for n in range(1, 13)]
    return ScriptedCompany(bills, [line(n, (n - 1) // 2 + 1) for n in range(1, 25)])


def swap_ids(it: ScriptedCompany) -> None:
    """The vendors exchange ids: as many bills enter a filter on one as leave it, of the same total, none changed."""
    for row in it.rows[BILL]:
        row["vendor.id"] = {"V7": "V8", "V8": "V7"}[row["vendor.id"]]


def pull_lines(it: ScriptedCompany, project: Project, where: str) -> PullReport:
    text = f'[pull.x]\nobject = "accounts-payable/bill-line"\nwhere = "{where}"\n'
    with it.client() as client:
        (report,) = pull(Project(project.root, project.root / "tieout.toml", text), source=Source(client, "demo"))
    return report


def test_rows_follow_a_renamed_customer_into_and_out_of_the_filter(project: Project, select: Select) -> None:
    text = "[pull.proj]\nobject = 'projects'\nwhere = \"customer.name contains 'Zeta'\"\n"
    filtered = Project(project.root, project.root / "tieout.toml", text)
    with tieout.simulated() as demo:
        of: dict[str, list[str]] = {}
        for row in demo.query("projects", ["key", "customer.key"], "customer.key is not null"):
            of.setdefault(row["customer.key"], []).append(row.key)
        alike = [c for c in of if sum(len(of[c]) == len(of[d]) for d in of) > 1]
        out = alike[0]
        into = next(c for c in alike if c != out and len(of[c]) == len(of[out]))
        demo.update("customers", out, {"name": "Zeta Works"})
        pull(filtered, source=Source(demo, "demo"))
        assert {key for (key,) in select("SELECT key FROM project")} == set(of[out])
        demo.update("customers", out, {"name": "Alpha Works"})
        demo.update("customers", into, {"name": "Zeta Mills"})
        (report,) = pull(filtered, source=Source(demo, "demo"))
    assert {key for (key,) in select("SELECT key FROM project WHERE _tieout_deleted IS NULL")} == set(of[into])
    assert (report.strategy, report.new, report.missing) == ("full", len(of[into]), len(of[out]))
    assert "read in full each time: its filter looks at customer.name," in report.reason
    assert report.ties


@pytest.mark.parametrize("where", ["vendor.id = 'V7'", "days = 1 and (vendor.id = 'V7' or vendor.key = '99')"])
def test_a_target_whose_id_changes_moves_rows_without_a_stamp(
    it: ScriptedCompany, pull_bills: Pull, select: Select, where: str
) -> None:
    assert NEVER_STAMPED in pull_bills(it, where=where, lines=False).reason
    before = {key for (key,) in select("SELECT key FROM bill")}
    swap_ids(it)
    report = pull_bills(it, where=where, lines=False)
    after = {key for (key,) in select("SELECT key FROM bill WHERE _tieout_deleted IS NULL")}
    assert (len(before), len(after), before & after) == (report.new, report.missing, set())
    assert (report.strategy, report.ties) == ("full", True)


def test_a_filter_on_the_pointer_or_on_own_fields_reads_what_changed(it: ScriptedCompany, pull_bills: Pull) -> None:
    where = "vendor.key = '7' and audit.modifiedDateTime >= '2025-01-01T00:00:00Z'"
    pull_bills(it, where=where, lines=False)
    it.rows[BILL][8] |= LATER | {"vendor.key": "7", "vendor.id": "V7"}
    report = pull_bills(it, where=where, lines=False)
    assert (report.strategy, report.reason, report.rows_read, report.new) == ("incremental", "", 1, 1)


def test_a_reference_within_a_group_counts_too(it: ScriptedCompany, pull_bills: Pull) -> None:
    it.models[BILL]["groups"]["dimensions"] = {"fields": {"note": field()}, "refs": {"location": ref("x/location")}}
    for row in it.rows[BILL]:
        row |= {"dimensions.location.id": "E110", "dimensions.location.key": "1", "dimensions.note": "n"}
    for where, strategy in (
        ("dimensions.location.id = 'E110'", "full"),
        ("dimensions.location.key = '1'", "incremental"),
        ("dimensions.note = 'n'", "incremental"),
    ):
        pull_bills(it, where=where, lines=False)
        assert pull_bills(it, where=where, lines=False).strategy == strategy, where


def test_an_interrupted_read_begins_again(
    it: ScriptedCompany, pull_bills: Pull, select: Select, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DuckFile, "takes", Takes(commit_rows=2))

    def lose_the_third_page(company: ScriptedCompany, payload: dict[str, Any]) -> None:
        if len(company.pages()) == 3:
            raise KeyboardInterrupt

    it.on_query = lose_the_third_page
    with pytest.raises(KeyboardInterrupt):
        pull_bills(it, where="vendor.id = 'V7'", lines=False, page_size=2)
    it.on_query = lambda company, payload: None
    assert select("SELECT count(*) > 0 FROM bill") == [(True,)]
    swap_ids(it)
    report = pull_bills(it, where="vendor.id = 'V7'", lines=False, page_size=2)
    live = select("SELECT key FROM bill WHERE _tieout_deleted IS NULL")
    assert {int(key) for (key,) in live} == set(range(7, 13))
    assert (report.resumed, report.ties) == (False, True)


def test_lines_by_their_documents_own_fields_are_read_as_documents_change(
    it: ScriptedCompany, pull_bills: Pull
) -> None:
    pull_bills(it, where="id in ('3', '4')")
    it.rows[BILL][2] |= LATER
    report = pull_bills(it, where="id in ('3', '4')")
    (lines,) = report.children
    assert (report.strategy, lines.strategy, lines.reason, lines.rows_read) == ("incremental", "incremental", "", 2)
    assert lines.ties


def test_lines_by_what_their_documents_refer_to_are_read_in_full(
    it: ScriptedCompany, pull_bills: Pull, select: Select
) -> None:
    it.models[LINE]["refs"]["bill"]["refs"] = {"vendor": ref("accounts-payable/vendor")}

    def follow() -> None:
        for row in it.rows[LINE]:
            document = it.rows[BILL][int(row["bill.key"]) - 1]
            row |= {f"bill.{name}": document[name] for name in ("vendor.key", "vendor.id")}

    follow()
    pull_bills(it, where="vendor.id = 'V7'")
    swap_ids(it)
    follow()
    report = pull_bills(it, where="vendor.id = 'V7'")
    assert "looks at bill.vendor.id," in report.children[0].reason
    live = select("SELECT key FROM bill_line WHERE _tieout_deleted IS NULL")
    assert {int(key) for (key,) in live} == set(range(13, 25))


def test_lines_pulled_by_themselves_have_no_documents_to_tell(it: ScriptedCompany, project: Project) -> None:
    pull_lines(it, project, "bill.id = '3'")
    again = pull_lines(it, project, "bill.id = '3'")
    assert (again.strategy, "looks at bill.id," in again.reason) == ("full", True)
