"""Steps follow what becomes of their record: new files, an update, lines that came later."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.push.desk import Desk
from tests.push.dispatch.test_steps import BILLS, SCAN, files, states
from tests.push.wire import Line, lost_answer
from tieout import push
from tieout.connections import connect
from tieout.project import load
from tieout.rest import Reply
from tieout.simulator import Simulator


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator("demo") as made:
        yield made


def set_up(desk: Desk, steps: str, more: str = "", *, head: str = "") -> None:
    (desk.root / "tieout.toml").write_text(head + BILLS.format(steps=steps, more=more))
    desk.project = load(desk.root)
    (desk.root / "scans").mkdir(exist_ok=True)


def bill(desk: Desk, amount: str, scans: str = "", number: str = "T-1") -> None:
    for name in scans.split():
        (desk.root / "scans" / name).write_text(f"scan {name}")
    (desk.root / "bills.csv").write_text(f"Bill,Amount,Scan\n{number},{amount},{scans}\n")


def names(desk: Desk) -> list[str]:
    return sorted(name for name, _ in files(desk)["T-1"])


SEVERAL = SCAN.replace(" }", ', separator = " " }')


def no(*_: object) -> Reply:
    return Reply(422, {}, b'{"ia::result":{"ia::error":{"code":"operationFailed","message":"No"}}}')


def test_files_that_a_posted_record_names_by_now_are_added_to_its_attachment(desk: Desk) -> None:
    set_up(desk, '"attach", "submit"', SEVERAL)
    bill(desk, "10.00", "a.txt")
    assert desk.push("bills").steps == {"attach": {"posted": 1}, "link": {"posted": 1}, "submit": {"posted": 1}}
    for scans, added, there in [
        ("b.txt a.txt", {"attach": {"posted": 1}}, ["a.txt", "b.txt"]),
        ("b.txt a.txt", {}, ["a.txt", "b.txt"]),
        ("c.txt", {"attach": {"posted": 1}}, ["a.txt", "b.txt", "c.txt"]),  # what is not named any more stays
        ("", {}, ["a.txt", "b.txt", "c.txt"]),
        ("a.txt c.txt", {}, ["a.txt", "b.txt", "c.txt"]),
    ]:
        bill(desk, "10.00", scans)
        report = desk.push("bills")
        assert (report.skipped, report.steps, report.exit_code) == (1, added, 0)
        assert names(desk) == there
    assert states(desk) == {"T-1": "posted"}


def test_a_record_without_files_that_names_one_later_has_it_attached(desk: Desk) -> None:
    set_up(desk, '"attach", "submit"', SEVERAL)
    bill(desk, "10.00")
    assert desk.push("bills").steps == {"submit": {"posted": 1}}
    bill(desk, "10.00", "a.txt")
    assert desk.push("bills").steps == {"attach": {"posted": 1}, "link": {"posted": 1}}
    assert names(desk) == ["a.txt"]


def test_of_an_attachment_that_was_refused_the_files_of_today_go_out(desk: Desk, line: Line) -> None:
    set_up(desk, '"attach"', SEVERAL)
    bill(desk, "10.00", "a.txt")
    line.only, line.fault = ("POST", "/company-config/attachment"), no
    assert desk.push("bills").steps["attach"] == {"failed": 1}
    line.fault = None
    assert desk.push("bills").steps["attach"] == {"failed": 1}, "the same is not sent again by itself"
    bill(desk, "10.00", "b.txt")
    assert desk.push("bills").steps["attach"] == {"posted": 1}
    assert names(desk) == ["b.txt"]


def test_a_file_that_was_refused_is_added_by_a_retry_and_by_a_file_after_it(desk: Desk, line: Line) -> None:
    set_up(desk, '"attach"', SEVERAL)
    bill(desk, "10.00", "a.txt")
    desk.push("bills")
    bill(desk, "10.00", "a.txt b.txt")
    line.only, line.fault = ("PATCH", "/company-config/attachment"), no
    assert desk.push("bills").steps == {"attach": {"failed": 1}}
    line.fault = None
    assert desk.retry("bills").steps == {"attach": {"posted": 1}}
    bill(desk, "10.00", "c.txt")
    assert desk.push("bills").steps == {"attach": {"posted": 1}}
    assert names(desk) == ["a.txt", "b.txt", "c.txt"]


def test_a_file_whose_answer_got_lost_is_there_once(desk: Desk, line: Line) -> None:
    set_up(desk, '"attach"', SEVERAL)
    bill(desk, "10.00", "a.txt")
    desk.push("bills")
    bill(desk, "10.00", "a.txt b.txt")
    line.only, line.fault = ("PATCH", "/company-config/attachment"), lost_answer
    assert desk.push("bills").steps == {"attach": {"unknown": 1}}
    line.fault = None
    assert desk.push("bills").exit_code == 0
    assert names(desk) == ["a.txt", "b.txt"]


def test_a_connection_that_may_not_change_attachments_is_told_so(desk: Desk) -> None:
    allowed = ["accounts-payable/bill:create", "accounts-payable/bill:update", "company-config/*:create"]
    set_up(desk, '"attach"', SEVERAL, head=f"[connections.demo]\nallow = {allowed}\n")
    bill(desk, "10.00", "a.txt")
    assert desk.push("bills").exit_code == 0
    bill(desk, "10.00", "a.txt b.txt")
    report = desk.push("bills")
    assert (report.skipped, report.steps, report.exit_code) == (1, {"attach": {"held": 1}}, 1)
    (record,) = push.failed(desk.project, "bills")
    assert "company-config/attachment" in record.reason


def test_a_submit_that_was_refused_is_tried_again_after_an_update_and_one_that_was_done_is_not(
    desk: Desk, line: Line
) -> None:
    set_up(desk, '"submit"', 'on_change = "update"')
    bill(desk, "10.00")
    line.only, line.fault = ("POST", "/workflows/"), no
    desk.push("bills")
    assert [record.state for record in push.failed(desk.project, "bills")] == ["draft, submit refused"]
    line.fault = None
    assert desk.push("bills").steps == {"submit": {"failed": 1}}, "nothing was changed"
    bill(desk, "12.00")
    report = desk.push("bills")
    assert (report.posted, report.steps, report.exit_code) == (1, {"submit": {"posted": 1}}, 0)
    assert states(desk) == {"T-1": "posted"}
    bill(desk, "13.00")
    line.posts.clear()
    report = desk.push("bills")
    assert (report.posted, report.steps) == (1, {})
    assert len(line.posts) == 1, "the update; a submit that was done stays done"


def test_a_refused_update_changes_nothing_about_a_refused_submit(desk: Desk, line: Line) -> None:
    set_up(desk, '"submit"', 'on_change = "update"')
    bill(desk, "10.00")
    line.only, line.fault = ("", ""), lambda request, deliver: deliver() if request.url.endswith("/bill") else no()
    desk.push("bills")
    bill(desk, "12.00")
    line.fault = no
    report = desk.push("bills")
    assert (report.failed, report.steps) == (1, {"submit": {"failed": 1}})


LINES = """
[push.bills]
object = "bills"
source = "bills.csv"
id = ["Bill", "Line"]
group_by = "Bill"
on_late_rows = "append"
steps = ["submit"]
[push.bills.fields]
billNumber = "Bill"
"vendor.id" = { constant = "V-2001" }
createdDate = { constant = "2026-11-16" }
dueDate = { constant = "2026-12-16" }
"lines.glAccount.id" = { constant = "6120" }
"lines.txnAmount" = "Amount"
"lines.dimensions.location.id" = { constant = "E110" }
"lines.dimensions.department.id" = { constant = "100" }
"""


def test_a_submit_that_was_refused_is_tried_again_after_lines_were_appended(desk: Desk, line: Line) -> None:
    (desk.root / "tieout.toml").write_text(LINES)
    desk.project = load(desk.root)
    (desk.root / "bills.csv").write_text("Bill,Line,Amount\nT-1,1,10.00\n")
    line.only, line.fault = ("POST", "/workflows/"), no
    desk.push("bills")
    line.fault = None
    (desk.root / "bills.csv").write_text("Bill,Line,Amount\nT-1,1,10.00\nT-1,2,5.00\n")
    report = desk.push("bills")
    assert (report.posted, report.steps, report.exit_code) == (1, {"submit": {"posted": 1}}, 0)
    with connect(desk.project) as client:
        (row,) = client.query("bills", ["totalTxnAmount", "state"], "billNumber = 'T-1'", private=True)
    assert (str(row["totalTxnAmount"]), row["state"]) == ("15.00", "posted")
