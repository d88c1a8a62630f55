"""A plan: what was checked is what goes out, by somebody else where the project wants two, and nothing that changed."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import stat
from decimal import Decimal
from pathlib import Path

import pytest

from tests.push.desk import CUSTOMERS, SHEETS, Desk
from tests.push.test_push import customer
from tieout import push
from tieout.errors import ConfigurationError, SourceError
from tieout.project import load
from tieout.push.plan_file import VERSION

ROWS = ["1,A,2026-11-16,8,", "2,B,2026-11-16,7.5,", "3,B,2026-11-17,8,", "4,C,2026-11-17,x,"]


@pytest.fixture
def plan(desk: Desk, tmp_path: Path) -> Path:
    path = tmp_path / "november.plan"
    desk.sheets(ROWS)
    report = desk.push("times", plan=path, by="Ada")
    assert (report.ready, report.held, report.posted, report.dry_run) == (2, 1, 0, True)
    return path


def test_a_plan_sends_nothing_and_applying_it_sends_exactly_its_records(desk: Desk, plan: Path, tmp_path: Path) -> None:
    assert desk.held_by_company("timesheets", "description") == {}
    assert stat.S_IMODE(plan.stat().st_mode) == 0o600
    audit = tmp_path / "audit.jsonl"
    report = push.apply(desk.project, "times", plan, by="Grace", audit=audit)
    assert (report.posted, report.held, report.exit_code) == (2, 1, 1)
    assert desk.held_by_company("timesheets", "description") == {"A": 1, "B": 1}
    head = json.loads(audit.read_text().splitlines()[0])
    assert (head["planned_by"], head["applied_by"]) == ("Ada", "Grace")
    again = push.apply(desk.project, "times", plan, by="Grace")
    assert (again.posted, again.skipped) == (0, 2), "applied twice, posted once"


def test_the_second_person_sees_what_a_plan_would_send_and_nothing_is_sent(desk: Desk, plan: Path) -> None:
    report = push.apply(desk.project, "times", plan, by="Grace", dry_run=True, list_records=True)
    assert (report.dry_run, report.ready, report.held, report.planned_requests) == (True, 2, 1, 1)
    assert report.plan is not None
    assert (report.plan.planned_by, report.plan.to_send) == ("Ada", 2)
    assert report.plan.source_sha256 == hashlib.sha256((desk.root / "times.csv").read_bytes()).hexdigest()
    assert [problem.row for problem in report.problems] == [5]
    (sums,) = report.sums
    assert (sums.period, sums.documents, sums.amounts) == ("2026-11", 2, {"lines.quantity": Decimal("23.5")})
    listed = [(r.source_id, r.action, r.rows, r.amounts) for r in report.records]
    assert listed[:2] == [
        ("A", "new", (2,), {"lines.quantity": Decimal(8)}),
        ("B", "new", (3, 4), {"lines.quantity": Decimal("15.5")}),
    ]
    assert [(r.source_id, r.action) for r in report.records[2:]] == [("C", "held")]
    assert desk.held_by_company("timesheets", "description") == {}
    assert push.apply(desk.project, "times", plan, by="Grace").posted == 2, "a look does not use it up"
    late = push.apply(desk.project, "times", plan, by="Grace", dry_run=True)
    assert (late.ready, late.skipped) == (0, 2)
    assert "2 records are planned to be sent; by what has become of them since, 0 would be." in late.notes


def test_a_plan_knows_its_file_and_what_of_it_is_not_sent(desk: Desk, tmp_path: Path) -> None:
    other = tmp_path / "december.csv"
    desk.sheets(ROWS[:2])
    (desk.root / "times.csv").rename(other)
    desk.sheets(ROWS[3:])
    text = (desk.root / "tieout.toml").read_text().replace('"lines.dimensions.project.id" = "Project"\n', "")
    (desk.root / "tieout.toml").write_text(text)
    desk.project = load(desk.root)
    path = tmp_path / "d.plan"
    made = desk.push("times", from_file=other, plan=path, by="Ada")
    for report in (
        push.apply(desk.project, "times", path, dry_run=True),
        push.apply(desk.project, "times", path, by="Grace"),
    ):
        assert report.source == str(other)
        assert report.unused_columns == made.unused_columns == ("Project",)
    assert report.posted == 2


def test_what_sends_nothing_writes_no_audit_file(desk: Desk, plan: Path, tmp_path: Path) -> None:
    for asked in ({"plan": tmp_path / "q"}, {"dry_run": True}):
        with pytest.raises(ConfigurationError, match="has no audit file"):
            desk.push("times", audit=tmp_path / "a.jsonl", **asked)
    with pytest.raises(ConfigurationError, match="has no audit file"):
        push.apply(desk.project, "times", plan, dry_run=True, audit=tmp_path / "a.jsonl")


def test_a_plan_of_another_version_says_so(desk: Desk, plan: Path) -> None:
    with sqlite3.connect(plan) as database:
        database.execute("update plan set head = replace(head, ?, ?)", (f'"version":{VERSION}', '"version":1'))
        database.execute("drop table last_steps")
    with pytest.raises(SourceError, match="another version"):
        push.apply(desk.project, "times", plan, dry_run=True)


def test_a_changed_source_voids_it(desk: Desk, plan: Path) -> None:
    desk.sheets([*ROWS, "5,D,2026-11-17,8,"])
    with pytest.raises(SourceError, match="changed since it was planned"):
        push.apply(desk.project, "times", plan)
    assert desk.held_by_company("timesheets", "description") == {}


def test_so_does_a_changed_mapping(desk: Desk, plan: Path) -> None:
    file = desk.root / "tieout.toml"
    file.write_text(file.read_text().replace("2026-11-16", "2026-11-09"))
    with pytest.raises(ConfigurationError, match="was changed since"):
        push.apply(load(desk.root), "times", plan)


@pytest.mark.parametrize(
    "edit",
    [
        "update documents set body = replace(body, '7.5', '9.5')",
        "delete from documents where seq = 2",
        "update plan set head = replace(head, 'Ada', 'Bob')",
        "update plan set sealed = zeroblob(length(sealed))",
    ],
)
def test_a_plan_that_somebody_changed_is_not_applied(desk: Desk, plan: Path, edit: str) -> None:
    with sqlite3.connect(plan) as database:
        assert database.execute(edit).rowcount
    with pytest.raises(SourceError, match="changed"):
        push.apply(desk.project, "times", plan)
    assert desk.held_by_company("timesheets", "description") == {}


def test_a_plan_of_another_push_and_what_is_no_plan_are_refused(desk: Desk, plan: Path, tmp_path: Path) -> None:
    desk.customers([customer(1)])
    with pytest.raises(ConfigurationError, match="plan of push times"):
        push.apply(desk.project, "customers", plan)
    with pytest.raises(SourceError, match="no plan"):
        push.apply(desk.project, "times", tmp_path / "nothing")
    (tmp_path / "text").write_text("hello")
    with pytest.raises(SourceError, match="is no plan"):
        push.apply(desk.project, "times", tmp_path / "text")
    with pytest.raises(SourceError, match="there already"):
        desk.push("times", plan=plan)


def test_what_was_posted_meanwhile_is_not_posted_again(desk: Desk, plan: Path) -> None:
    assert desk.push("times").posted == 2
    assert push.apply(desk.project, "times", plan).posted == 0
    assert desk.held_by_company("timesheets", "description") == {"A": 1, "B": 1}


def test_two_people_where_the_project_wants_two(desk: Desk, tmp_path: Path) -> None:
    text = CUSTOMERS + SHEETS.replace('source = "times.csv"', 'source = "times.csv"\ntwo_people = true')
    (desk.root / "tieout.toml").write_text(text)
    desk.project = load(desk.root)
    desk.sheets(ROWS[:2])
    with pytest.raises(ConfigurationError, match="two people"):
        desk.push("times")
    path = tmp_path / "p.plan"
    desk.push("times", plan=path, by="Ada")
    looked = push.apply(desk.project, "times", path, by="ada", dry_run=True)
    assert "Ada made this plan, so somebody else must apply it." in looked.notes
    assert not push.apply(desk.project, "times", path, by="Grace", dry_run=True).notes
    for by in ("Ada", "ADA", " Ada ", "", " "):
        with pytest.raises(ConfigurationError, match="another person"):
            push.apply(desk.project, "times", path, by=by)
    assert push.apply(desk.project, "times", path, by="Grace").posted == 2
