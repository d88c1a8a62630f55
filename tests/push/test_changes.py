"""A posted record whose source says something else, or whose rows come later: refused, updated, appended, made anew."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from tests.push.desk import CUSTOMERS, SHEETS, Desk
from tests.push.test_push import customer
from tests.push.wire import Line, lost_answer, lost_request
from tieout import push
from tieout.cli import push as command
from tieout.cli.output import Output
from tieout.connections import connect
from tieout.errors import ConfigurationError
from tieout.project import load
from tieout.rest import Record, Reply, Request


def set_up(desk: Desk, *, customers: str = "", sheets: str = "") -> Desk:
    text = CUSTOMERS + customers + "\n" + SHEETS.replace("[push.times.fields]", f"{sheets}\n[push.times.fields]")
    (desk.root / "tieout.toml").write_text(text)
    desk.project = load(desk.root)
    return desk


def sheet(desk: Desk) -> dict[str, list[tuple[str, Decimal]]]:
    """Description -> (day, hours) of each line."""
    with connect(desk.project) as client:
        keys = [row.key for row in client.query("timesheets", ["key"], private=True)]
        found: dict[str, list[tuple[str, Decimal]]] = {}
        for record in client.get_many("timesheets", keys):
            assert isinstance(record, Record)
            lines = [(str(line["entryDate"]), Decimal(str(line["quantity"]))) for line in record["lines"]]
            assert str(record["description"]) not in found
            found[str(record["description"])] = sorted(lines)
        return found


A1, A2, A3 = "1,A,2026-11-16,8,", "2,A,2026-11-17,7.5,", "3,A,2026-11-18,6,"
B1 = "4,B,2026-11-16,8,"
HOURS = {1: ("2026-11-16", Decimal(8)), 2: ("2026-11-17", Decimal("7.5")), 3: ("2026-11-18", Decimal(6))}


def ties(report: push.PushReport) -> bool:
    return report.exit_code == 0 and all(line.ties for line in report.tie_out)


def test_a_changed_record_is_updated_each_time_it_changes(desk: Desk) -> None:
    set_up(desk, customers='on_change = "update"')
    desk.customers([customer(1), customer(2)])
    assert desk.push().posted == 2
    for limit in (50, 1, 50, 60):
        desk.customers([customer(1, creditLimit=limit), customer(2)])
        report = desk.push()
        assert (report.posted, report.skipped) == (1, 1)
        assert ties(report)
        assert desk.held_by_company("customers", "creditLimit") == {Decimal(limit): 1, Decimal(2): 1}
        assert (desk.push().skipped, desk.push().posted) == (2, 0)
    assert all(line.ties for line in push.verify(desk.project, "customers"))
    desk.customers([])
    assert all(line.ties for line in push.verify(desk.project, "customers")), "also when the source is gone"


@pytest.mark.parametrize("fault", [lost_answer, lost_request])
def test_an_update_that_got_no_answer_is_settled_like_any_other(
    desk: Desk, line: Line, fault: Callable[[Request, Callable[[], Reply]], Reply]
) -> None:
    set_up(desk, customers='on_change = "update"')
    desk.customers([customer(1), customer(2)])
    desk.push()
    desk.customers([customer(1, creditLimit=77), customer(2)])
    line.only, line.fault = ("PATCH", "/objects/"), fault
    report = desk.push()
    assert (report.unknown, report.skipped, report.exit_code) == (1, 1, 1)
    (record,) = push.failed(desk.project, "customers")
    assert record.state == "posted, update unknown"
    line.fault = None
    report = desk.push()
    assert (report.skipped, report.posted) == (2, 0)
    assert ties(report)
    assert desk.held_by_company("customers", "creditLimit") == {Decimal(77): 1, Decimal(2): 1}


def test_an_update_that_intacct_refuses_is_listed_and_tried_again_by_retry(desk: Desk) -> None:
    set_up(desk, customers='on_change = "update"')
    desk.customers([customer(1)])
    desk.push()
    desk.customers([customer(1, term={"id": "N30"})])
    assert desk.push().failed == 1
    assert desk.push().failed == 1
    (record,) = push.failed(desk.project, "customers")
    assert record.state == "posted, update refused"
    with connect(desk.project) as client:
        client.create("accounts-receivable/term", {"id": "N30", "description": "30 days"})
    assert desk.retry().posted == 1
    assert push.failed(desk.project, "customers") == []


def test_an_updated_document_has_the_lines_of_the_source_in_the_end(desk: Desk) -> None:
    set_up(desk, sheets='on_change = "update"')
    desk.sheets([A1, A2, B1])
    desk.push("times")
    before = line_keys(desk)
    desk.sheets([A1, A2.replace("7.5", "4"), B1])
    report = desk.push("times")
    assert (report.posted, report.skipped) == (1, 1)
    assert ties(report)
    assert sheet(desk)["A"] == [HOURS[1], ("2026-11-17", Decimal(4))]
    assert len(before & line_keys(desk)) == 2, "what did not change was not touched"
    desk.sheets([A1, A3, B1])  # one taken out, one put in
    assert ties(desk.push("times"))
    assert sheet(desk)["A"] == [HOURS[1], HOURS[3]]


def line_keys(desk: Desk) -> set[str]:
    with connect(desk.project) as client:
        return {row.key for row in client.query("time/timesheet-line", ["key"], private=True)}


def test_on_change_new_makes_a_second_record_once(desk: Desk) -> None:
    set_up(desk, sheets='on_change = "new"')
    desk.sheets([A1])
    desk.push("times")
    desk.sheets([A1.replace(",8,", ",5,")])
    report = desk.push("times")
    assert (report.posted, report.exit_code) == (1, 0)
    assert desk.held_by_company("timesheets", "description") == {"A": 2}
    again = desk.push("times")
    assert (again.skipped, again.posted) == (1, 0)
    desk.sheets([A1.replace(",8,", ",6,")])
    assert desk.push("times").posted == 1
    assert desk.held_by_company("timesheets", "description") == {"A": 3}


def test_late_rows_are_refused_unless_said_otherwise(desk: Desk) -> None:
    desk.sheets([A1])
    desk.push("times")
    desk.sheets([A1, A2])
    assert (desk.push("times").changed, sheet(desk)["A"]) == (1, [HOURS[1]])


def test_late_rows_are_appended_once_from_a_growing_file(desk: Desk) -> None:
    set_up(desk, sheets='on_late_rows = "append"')
    desk.sheets([A1, B1])
    desk.push("times")
    desk.sheets([A1, A2, B1])
    report = desk.push("times")
    assert (report.posted, report.skipped) == (1, 1)
    assert ties(report)
    assert desk.push("times").skipped == 2
    desk.sheets([A1, A2, A3, B1])
    assert ties(desk.push("times"))
    assert sheet(desk)["A"] == [HOURS[1], HOURS[2], HOURS[3]]
    assert all(line.ties for line in push.verify(desk.project, "times"))


def test_late_rows_are_appended_once_from_files_that_hold_only_them(desk: Desk) -> None:
    set_up(desk, sheets='on_late_rows = "append"')
    desk.sheets([A1, B1])
    desk.push("times")
    desk.sheets([A2])
    late = desk.push("times")
    assert (late.posted, ties(late), late.exit_code) == (1, True, 0), late.tie_out
    assert desk.push("times").skipped == 1
    assert sheet(desk)["A"] == [HOURS[1], HOURS[2]]
    assert all(line.ties for line in push.verify(desk.project, "times"))


@pytest.mark.parametrize("fault", [lost_answer, lost_request])
def test_lines_whose_adding_got_no_answer_are_there_once(
    desk: Desk, line: Line, fault: Callable[[Request, Callable[[], Reply]], Reply]
) -> None:
    set_up(desk, sheets='on_late_rows = "append"')
    desk.sheets([A1])
    desk.push("times")
    desk.sheets([A1, A2])
    line.only, line.fault = ("PATCH", "/objects/"), fault
    assert desk.push("times").unknown == 1
    line.fault = None
    assert ties(desk.push("times"))
    assert sheet(desk)["A"] == [HOURS[1], HOURS[2]]


def test_rows_that_were_refused_when_they_were_appended_can_be_corrected(desk: Desk) -> None:
    set_up(desk, sheets='on_late_rows = "append"')
    desk.sheets([A1])
    desk.push("times")
    desk.sheets([A1, "2,A,2026-11-17,7.5,NONE"])
    assert desk.push("times").failed == 1
    desk.sheets([A1, A2])
    assert ties(desk.push("times"))
    assert sheet(desk)["A"] == [HOURS[1], HOURS[2]]
    assert push.failed(desk.project, "times") == []


def test_late_rows_may_become_a_record_of_their_own(desk: Desk) -> None:
    set_up(desk, sheets='on_late_rows = "new"')
    desk.sheets([A1, B1])
    desk.push("times")
    for rows in ([A1, A2, B1], [A1, A2, A3, B1]):
        desk.sheets(rows)
        report = desk.push("times")
        assert report.posted == 1
        assert ties(report)
        again = desk.push("times")
        assert (again.posted, again.exit_code) == (0, 0)
    with connect(desk.project) as client:
        rows = client.query("time/timesheet-line", ["quantity"], private=True)
        assert sorted(row["quantity"] for row in rows) == [Decimal(6), Decimal("7.5"), Decimal(8), Decimal(8)]
    assert desk.held_by_company("timesheets", "description") == {"A": 3, "B": 1}


def test_a_row_that_is_there_and_changed_is_not_taken_for_a_late_one(desk: Desk) -> None:
    set_up(desk, sheets='on_late_rows = "append"')
    desk.sheets([A1])
    desk.push("times")
    desk.sheets([A1.replace(",8,", ",9,"), A2])
    assert (desk.push("times").changed, sheet(desk)["A"]) == (1, [HOURS[1]])


# What people deleted -----------------------------------------------------------------------------------------------


def remove(desk: Desk, *ids: str) -> None:
    with connect(desk.project) as client:
        for row in list(client.query("customers", ["key", "id"])):
            if row.id in ids:
                client.delete("customers", row.key)


def test_what_people_deleted_is_said_and_never_posted_again_by_itself(desk: Desk) -> None:
    desk.customers([customer(n) for n in (1, 2, 3)])
    desk.push()
    remove(desk, "C0002")
    for _ in range(2):
        report = desk.push()
        assert (report.gone, report.skipped, report.posted, report.exit_code) == (1, 2, 0, 1)
    assert desk.retry().gone == 1
    (record,) = push.failed(desk.project, "customers")
    assert (record.source_id, record.state) == ("C0002", "gone")
    assert "does not hold it any more" in record.reason
    assert "`tieout retry customers --again C0002`" in record.advice
    assert "`tieout failed customers --dismiss C0002`" in record.advice
    assert desk.held_by_company("customers", "id").keys() == {"C0001", "C0003"}


def test_what_people_deleted_on_purpose_is_dismissed_and_left_alone(desk: Desk, tmp_path: Path) -> None:
    desk.customers([customer(n) for n in (1, 2, 3)])
    desk.push()
    remove(desk, "C0002", "C0003")
    gone = desk.push(audit=tmp_path / "gone.jsonl")
    assert (gone.gone, gone.exit_code) == (2, 1)
    assert {line.what: line.ties for line in push.check_audit(tmp_path / "gone.jsonl").lines}["rows accounted for"]
    assert push.dismiss(desk.project, "customers", ["C0002"]) == ["C0002"]
    assert push.dismiss(desk.project, "customers", ["C0003"]) == ["C0003"]
    desk.customers([customer(1), customer(2, name="and changed"), customer(3)])
    audit = tmp_path / "audit.jsonl"
    for report in (desk.push(dry_run=True), desk.push(audit=audit), desk.retry()):
        assert (report.dismissed, report.gone, report.skipped, report.exit_code) == (2, 0, 1, 0)
        assert report.rows == sum(report.rows_by_outcome.values()) == 3
    assert push.failed(desk.project, "customers") == []
    assert push.check_audit(audit).ties
    lines = {line.what: line for line in push.verify(desk.project, "customers")}
    assert all(line.ties for line in lines.values())
    assert lines["documents"].note == "2 dismissed, not counted here"
    assert desk.held_by_company("customers", "id").keys() == {"C0001"}
    assert desk.retry(again=["C0003"]).posted == 1, "whoever thinks better of it names it"
    assert desk.push().dismissed == 1


def test_what_people_deleted_can_be_posted_again_on_purpose(desk: Desk, line: Line) -> None:
    desk.customers([customer(n) for n in (1, 2)])
    desk.push()
    first = line.posts[0][0]
    remove(desk, "C0001", "C0002")
    desk.push()
    report = desk.retry(again=["C0002"])
    assert (report.posted, report.gone) == (1, 1)
    assert desk.held_by_company("customers", "id") == {"C0002": 1}
    assert line.posts[-1][0] != first
    looked = desk.retry(again=["C0001"], dry_run=True)
    assert looked.ready == 1, "a dry run says what would be sent"
    report = desk.retry(again=["C0001"])
    assert (report.posted, report.skipped, report.exit_code) == (1, 1, 0)


def test_what_people_just_deleted_is_named_as_people_write_ids(desk: Desk) -> None:
    text = SHEETS.replace('group_by = "Sheet"', 'group_by = ["Sheet", "Day"]')
    (desk.root / "tieout.toml").write_text(text)
    desk.project = load(desk.root)
    desk.sheets(["1,A,2026-11-16,8,", "2,A,2026-11-17,7,"])
    desk.push("times")
    with connect(desk.project) as client:
        for row in list(client.query("timesheets", ["key"], private=True)):
            client.delete("timesheets", row.key)
    assert desk.retry("times", again=["A 2026-11-17"], dry_run=True).ready == 1
    assert desk.retry("times", again=["A 2026-11-17"]).posted == 1


def test_only_what_is_gone_can_be_posted_again(desk: Desk) -> None:
    desk.customers([customer(1)])
    desk.push()
    with pytest.raises(ConfigurationError, match="is in Intacct"):
        desk.retry(again=["C0001"])
    with pytest.raises(ConfigurationError, match="C0009"):
        desk.retry(again=["C0009"])


def test_a_record_that_is_back_is_no_longer_gone(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    from sqlalchemy import text

    from tieout.store import open_store

    desk.customers([customer(1)])
    desk.push()
    with open_store(desk.project.state_url) as store, store.begin() as connection:
        connection.execute(text("update push_records set gone_at = '2026-11-01T00:00:00Z'"))
    assert (desk.push().skipped, push.failed(desk.project, "customers")) == (1, [])


def test_new_records_and_changes_are_told_apart_before_and_after(
    desk: Desk, line: Line, capsys: pytest.CaptureFixture[str]
) -> None:
    set_up(desk, sheets='on_change = "update"\non_late_rows = "append"')
    desk.sheets(["1,A,2026-11-16,8,", "2,B,2026-11-16,7,", "3,C,2026-11-16,6,"])
    assert desk.push("times").by_action == {"new": {"posted": 3}}
    rows = ["1,A,2026-11-16,7.5,", "2,B,2026-11-16,7,", "4,B,2026-11-17,5,", "3,C,2026-11-16,6,", "5,D,2026-11-17,4,"]
    desk.sheets([*rows, "6,E,2026-11-17,3,NONE", "7,F,2026-11-17,x,"])
    looked = desk.push("times", dry_run=True)
    assert looked.by_action == {a: {"pending": n} for a, n in (("append", 1), ("new", 2), ("update", 1))}
    command.conclude(Output(), looked, dry_run=True)
    words = (
        "4 ready (2 new, 1 change of a posted one, 1 adding lines to a posted one), 1 posted before, skipped, 1 held"
    )
    assert words.replace("posted before, skipped", "skipped") in " ".join(capsys.readouterr().out.split())
    sent = desk.push("times")
    assert sent.by_action == {
        "append": {"posted": 1},
        "new": {"posted": 1, "failed": 1},
        "update": {"posted": 1},
    }
    assert (sent.ready, sent.posted, sent.failed) == (4, 3, 1)
    command.conclude(Output(), sent, dry_run=False)
    shown = [" ".join(text.split()) for text in capsys.readouterr().out.splitlines()]
    assert "3 posted (1 new, 1 change of a posted one, 1 adding lines to a posted one)" in shown
    assert "1 failed: Intacct refused them" in shown
    assert desk.push("times").by_action == {}, "what is not sent is not counted as sent"


def test_what_is_posted_beside_another_and_what_an_earlier_run_sent_is_said(
    desk: Desk, line: Line, capsys: pytest.CaptureFixture[str]
) -> None:
    set_up(desk, customers='on_change = "new"')
    desk.customers([customer(1)])
    line.fault = lost_answer
    assert desk.push().unknown == 1
    line.fault = None
    desk.customers([customer(1), customer(2)])
    report = desk.push()
    command.conclude(Output(), report, dry_run=False)
    assert "2 posted (1 new, 1 sent by an earlier run)" in " ".join(capsys.readouterr().out.split())
    desk.customers([customer(1, name="other"), customer(2)])
    looked = desk.push(dry_run=True, list_records=True)
    assert (looked.by_action, looked.skipped) == ({"beside": {"pending": 1}}, 1)
    assert [(each.source_id, each.action) for each in looked.records] == [("C0001~2", "beside"), ("C0002", "skipped")]
