"""What may be called proven, what is held because it would be lost or doubled, and what is left on the list."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.forks import Forks
from tests.push.desk import CUSTOMERS, HEADER, SHEETS, Desk
from tests.push.test_push import customer
from tieout import push
from tieout.connections import connect
from tieout.errors import ConfigurationError, UnknownNameError, UnreachableError
from tieout.project import load
from tieout.project.report import TieOutLine
from tieout.simulator import Simulator
from tieout.simulator.app import SimulatorThread

BAD = {"term": {"id": "NONE"}}


def proven(desk: Desk, name: str = "customers") -> dict[str, TieOutLine]:
    return {line.what: line for line in push.verify(desk.project, name)}


def edit(desk: Desk, **limits: Any) -> None:
    with connect(desk.project) as client:
        keys = {row.id: row["key"] for row in client.query("customers", ["id", "key"])}
        for source_id, limit in limits.items():
            client.update("customers", keys[source_id], {"creditLimit": limit})


def test_errors_that_cancel_each_other_out_do_not_tie(desk: Desk) -> None:
    desk.customers([customer(1, creditLimit=100), customer(2, creditLimit=200), customer(3)])
    desk.push()
    edit(desk, C0001=150, C0002=150)
    lines = proven(desk)
    assert lines["sum creditLimit"].ties is True
    equal = lines["documents agree"]
    assert (equal.source, equal.intacct, equal.ties) == (3, 1, False)
    assert "C0001 (key " in equal.note
    assert "creditLimit 100, in Intacct 150" in equal.note
    assert "creditLimit 200, in Intacct 150" in equal.note
    desk.customers([customer(3)])
    assert [line.ties for line in push.verify(desk.project, "customers") if line.what == "documents agree"] == [
        True,
        False,
    ], "what earlier sources posted is compared as well"


def test_money_that_is_missing_is_seen(desk: Desk) -> None:
    desk.customers([customer(1, creditLimit=100), customer(2, creditLimit=200, **BAD)])
    lines = {line.what: line for line in desk.push().tie_out}
    whole, posted = lines["sum creditLimit"], lines["sum creditLimit (posted)"]
    assert (whole.source, whole.intacct, whole.difference, whole.ties) == (300, 100, 200, False)
    assert (posted.source, posted.intacct, posted.ties) == (100, 100, True)


def test_a_sum_that_lacks_cells_is_not_proven_where_it_happens_to_agree(desk: Desk) -> None:
    desk.sheets(["1,A,2026-11-16,8,", "2,B,2026-11-16,eight,"])
    lines = {line.what: line for line in desk.push("times").tie_out}
    assert lines["sum lines.quantity"].ties is None
    assert "cannot be read" in lines["sum lines.quantity"].note


@pytest.mark.usefixtures("impatient")
def test_without_an_answer_nothing_is_proven(simulator: Simulator, tmp_path: Path) -> None:
    with SimulatorThread(simulator) as running:
        desk = Desk.connect(tmp_path / "project", running.url)
        desk.customers([customer(1)])
        desk.push()
    with pytest.raises(UnreachableError):
        push.verify(desk.project, "customers")


def test_a_source_that_is_absent_proves_nothing_and_stops_nothing(desk: Desk) -> None:
    (line,) = push.verify(desk.project, "customers")
    assert line.ties is None
    assert "There is no file" in line.note
    desk.customers([customer(1)])
    desk.push()
    (desk.root / "customers.jsonl").write_text("{")
    lines = push.verify(desk.project, "customers")
    assert (lines[0].ties, lines[0].subject) == (None, "push customers")
    assert {line.ties for line in lines[1:]} == {True}


@pytest.mark.parametrize("dry_run", [False, True])
def test_a_push_under_a_new_name_posts_nothing_again(desk: Desk, dry_run: bool) -> None:
    desk.sheets(["1,A,2026-11-16,8,", "2,B,2026-11-16,7.5,"])
    desk.push("times")
    (desk.root / "tieout.toml").write_text(CUSTOMERS + SHEETS.replace("push.times", "push.hours"))
    desk.project = load(desk.root)
    report = desk.push("hours", dry_run=dry_run)
    assert (report.held, report.posted, report.exit_code) == (2, 0, 1)
    assert "already posted by push times as key" in str(report.problems[0])
    assert "go back to that, or use other ids" in str(report.problems[0])
    assert desk.held_by_company("timesheets", "description") == {"A": 1, "B": 1}


def test_a_document_is_never_posted_without_rows_it_had(desk: Desk, tmp_path: Path) -> None:
    desk.sheets(["1,A,2026-11-16,x,", "2,A,2026-11-17,8,", "3,A,2026-11-18,8,"])
    assert desk.push("times").held == 1
    part = tmp_path / "part.csv"
    part.write_text(HEADER + "1,A,2026-11-16,7,\n")
    for _ in range(2):
        report = desk.retry("times", from_file=part)
        assert (report.held, report.posted) == (1, 0)
        assert "2 rows of this record (2, 3) are not in this file; give the whole record" in str(report.problems[0])
    part.write_text(HEADER + "1,A,2026-11-16,7,\n2,A,2026-11-17,8,\n3,A,2026-11-18,8,\n")
    assert desk.retry("times", from_file=part).posted == 1


def test_rows_that_were_taken_out_on_purpose_can_be_dismissed(desk: Desk) -> None:
    desk.sheets(["1,A,2026-11-16,x,", "2,A,2026-11-17,8,"])
    desk.push("times")
    desk.sheets(["2,A,2026-11-17,8,"])
    assert desk.push("times").held == 1
    assert push.dismiss(desk.project, "times", ["A"]) == ["A"]
    assert desk.push("times").exit_code == 0
    assert proven(desk, "times")["sum lines.quantity"].intacct == Decimal(8)


def test_verify_and_failed_agree_on_what_left_the_source(desk: Desk) -> None:
    desk.customers([customer(1), customer(2, **BAD)])
    desk.push()
    desk.customers([customer(1)])
    assert desk.push().exit_code == 0
    assert [r.source_id for r in push.failed(desk.project)] == ["C0002"]
    lines = {(line.subject, line.what): line for line in push.verify(desk.project, "customers")}
    earlier = lines["push customers, earlier sources", "documents"]
    assert (earlier.source, earlier.intacct, earlier.ties, earlier.note) == (1, 0, False, "1 failed (C0002)")
    with pytest.raises(UnknownNameError):
        push.dismiss(desk.project, "customers", ["C0003"])
    with pytest.raises(ConfigurationError, match="is posted"):
        push.dismiss(desk.project, "customers", ["C0001"])
    push.dismiss(desk.project, "customers", ["C0002"])
    assert push.failed(desk.project) == []
    assert {line.ties for line in push.verify(desk.project, "customers")} == {True}
    with connect(desk.project) as client:
        client.create("accounts-receivable/term", {"id": "NONE", "description": "now it exists"})
    desk.customers([customer(1), customer(2, **BAD)])
    assert desk.push().posted == 1, "what comes back is sent, and not answered with the refusal of then"


def test_a_push_says_how_it_stands(desk: Desk, forked: Forks) -> None:
    desk.customers([customer(1)])
    desk.push(dry_run=True)
    (standing,) = push.standings(desk.project, "customers")
    assert (standing.begun_at, standing.is_whole) == ("", True)
    desk.child(forked, "customers", "push.after_ledger_write")
    (standing,) = push.standings(desk.project, "customers")
    assert (standing.finished, standing.is_whole) == (False, False)
    assert [r.state for r in standing.records] == ["sending"]
    desk.push()
    (standing,) = push.standings(desk.project, "customers")
    assert standing.finished
    assert standing.is_whole
    assert standing.begun_at


def test_a_section_that_changes_its_object_is_refused(desk: Desk) -> None:
    """The ids of one object mean nothing for another: its posted records would be taken for this one's."""
    desk.sheets(["1,A,2026-11-16,8,"])
    desk.push("times")
    text = (desk.root / "tieout.toml").read_text()
    (desk.root / "tieout.toml").write_text(text.replace('object = "timesheets"', 'object = "employee-expenses"'))
    desk.project = load(desk.root)
    with pytest.raises(ConfigurationError, match="posted to time/timesheet before"):
        desk.push("times")
