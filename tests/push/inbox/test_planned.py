"""A corrected workbook where two people are wanted: one corrects and plans, another looks and applies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import openpyxl
import pytest

from tests.push.desk import CUSTOMERS, SHEETS, Desk
from tests.push.inbox.test_workbook import book_of, cell, edit
from tieout import push
from tieout.connections import connect
from tieout.errors import ConfigurationError, SourceError
from tieout.project import load

GOOD, BAD, LATE = "T1,S1,2026-11-16,8,", "T2,S2,2026-11-17,eight,", "T3,S3,2026-11-17,8,NONE"


@pytest.fixture
def two(desk: Desk) -> Desk:
    """Two people are wanted, and all but one record is posted."""
    text = SHEETS.replace('group_by = "Sheet"\n', 'group_by = "Sheet"\ntwo_people = true\n')
    (desk.root / "tieout.toml").write_text(CUSTOMERS + text)
    made = Desk(load(desk.root), desk.url)
    made.sheets([GOOD, BAD])
    apply(made, planned(made))
    return made


def planned(desk: Desk, **options: Any) -> Path:
    path = desk.root / f"{len(list(desk.root.glob('*.plan')))}.plan"
    desk.push("times", plan=path, by="Ann", **options)
    return path


def apply(desk: Desk, plan: Path, **options: Any) -> push.PushReport:
    return push.apply(desk.project, "times", plan, **{"by": "Bo", **options})


def corrected(desk: Desk, hours: str = "8") -> Path:
    path = book_of(desk)
    edit(path, lambda sheet: setattr(cell(sheet, "T2", "Hours"), "value", hours))
    return path


def test_a_corrected_workbook_is_planned_by_one_and_applied_by_another(two: Desk) -> None:
    path, plan = corrected(two), two.root / "corrected.plan"
    report = two.retry("times", from_file=path, plan=plan, by="Ann")
    assert (report.ready, report.posted, report.dry_run) == (1, 0, True)
    with pytest.raises(ConfigurationError, match="another person"):
        apply(two, plan, by="Ann")
    looked = apply(two, plan, dry_run=True)
    assert (looked.ready, [c.after for c in looked.corrections]) == (1, ["8"])
    done = apply(two, plan, audit=two.root / "audit.jsonl")
    assert (done.posted, done.rows, done.exit_code) == (1, 1, 0)
    (change,) = done.corrections
    assert (change.row, change.column, change.before, change.after, change.by) == (3, "Hours", "eight", "8", "Ann")
    assert push.check_audit(two.root / "audit.jsonl").ties
    assert two.held_by_company("timesheets", "description") == {"S1": 1, "S2": 1}
    assert push.failed(two.project, "times") == []
    assert apply(two, planned(two)).corrected == 1, "the source still says the old"


def test_what_a_planned_correction_left_can_be_corrected_again(two: Desk) -> None:
    path, plan = corrected(two), two.root / "corrected.plan"
    edit(path, lambda sheet: setattr(cell(sheet, "T2", "Project"), "value", "NONE"))
    two.retry("times", from_file=path, plan=plan, by="Ann")
    assert apply(two, plan).failed == 1
    again, second = two.root / "again.xlsx", two.root / "second.plan"
    push.write_workbook(two.project, "times", again)
    assert openpyxl.load_workbook(again)["Failed"]["D2"].value == "8", "what was corrected before is kept"
    edit(again, lambda sheet: setattr(cell(sheet, "T2", "Project"), "value", None))
    two.retry("times", from_file=again, plan=second, by="Ann")
    assert apply(two, second).posted == 1
    assert apply(two, planned(two)).corrected == 1


def test_the_plan_is_void_where_the_workbook_or_the_source_says_something_else_since(two: Desk) -> None:
    path, plan = corrected(two), two.root / "corrected.plan"
    two.retry("times", from_file=path, plan=plan, by="Ann")
    edit(path, lambda sheet: setattr(cell(sheet, "T2", "Hours"), "value", "80"))
    with pytest.raises(SourceError, match="was changed since it was planned"):
        apply(two, plan)
    path.unlink()
    with pytest.raises(SourceError, match="of which the plan was made, cannot be read"):
        apply(two, plan)
    path = corrected(two)
    second = two.root / "second.plan"
    two.retry("times", from_file=path, plan=second, by="Ann")
    moved = path.rename(two.root / "elsewhere.xlsx")
    assert apply(two, second, dry_run=True, from_file=moved).ready == 1
    two.sheets([GOOD, BAD.replace("eight", "nine")])
    apply(two, planned(two))
    with pytest.raises(SourceError, match="the plan is void"):
        apply(two, second, from_file=moved)
    assert two.held_by_company("timesheets", "description") == {"S1": 1}


def test_the_plan_holds_where_the_source_only_gained_a_row_above(two: Desk) -> None:
    path, plan = corrected(two), two.root / "corrected.plan"
    two.retry("times", from_file=path, plan=plan, by="Ann")
    two.sheets([LATE.replace("NONE", ""), GOOD, BAD])
    assert apply(two, planned(two)).posted == 1
    done = apply(two, plan)
    assert (done.posted, done.exit_code) == (1, 0)
    assert two.held_by_company("timesheets", "description") == {"S1": 1, "S2": 1, "S3": 1}


def test_a_plan_of_what_intacct_refused_sends_it_again(two: Desk) -> None:
    two.sheets([GOOD, LATE])
    assert apply(two, planned(two)).failed == 1
    with connect(two.project) as client:
        client.create("projects/project", {"id": "NONE", "name": "by now", "category": "contract"})
    assert apply(two, planned(two)).failed == 1, "a push sends nothing again that did not change"
    plan = two.root / "again.plan"
    two.retry("times", plan=plan, by="Ann")
    assert apply(two, plan).posted == 1


def test_who_takes_the_wrong_way_is_shown_the_right_one(two: Desk) -> None:
    path = corrected(two)
    with pytest.raises(ConfigurationError) as refused:
        two.retry("times", from_file=path, by="Ann")
    assert f"`tieout retry times --from {path} --plan PLAN`" in refused.value.advice
    assert "`tieout push times --apply PLAN`" in refused.value.advice
    with pytest.raises(ConfigurationError) as refused:
        two.push("times", from_file=path, plan=two.root / "p.plan", by="Ann")
    assert f"`tieout retry times --from {path} --plan {two.root / 'p.plan'}`" in refused.value.advice
    raw = two.root / "rest.csv"
    push.write_csv(two.project, "times", raw)
    with pytest.raises(ConfigurationError, match="tieout_record"):
        two.push("times", from_file=raw, dry_run=True)


def test_what_people_deleted_is_posted_again_by_a_plan(two: Desk) -> None:
    with connect(two.project) as client:
        for row in list(client.query("timesheets", ["key"], private=True)):
            client.delete("timesheets", row.key)
    assert apply(two, planned(two)).gone == 1
    plan = two.root / "again.plan"
    two.retry("times", again=["S1"], plan=plan, by="Ann")
    assert apply(two, plan).posted == 1
