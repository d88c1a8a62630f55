"""What follows once a record is there: files, actions; each step once, each with an outcome of its own."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import openpyxl
import pytest

from tests.forks import Forks
from tests.push.desk import Desk
from tests.push.inbox.test_workbook import rows_of
from tests.push.wire import Line, lost_answer, lost_request
from tieout import push
from tieout.cli.main import main
from tieout.connections import connect
from tieout.errors import ConfigurationError
from tieout.project import load
from tieout.rest import Reply, Request
from tieout.simulator import Simulator
from tieout.simulator.app import SimulatorThread

BILLS = """
[push.bills]
object = "bills"
source = "bills.csv"
id = "Bill"
steps = [{steps}]
{more}
[push.bills.fields]
billNumber = "Bill"
"vendor.id" = {{ constant = "V-2001" }}
createdDate = {{ constant = "2026-11-16" }}
dueDate = {{ constant = "2026-12-16" }}
"lines.glAccount.id" = {{ constant = "6120" }}
"lines.txnAmount" = "Amount"
"lines.dimensions.location.id" = {{ constant = "E110" }}
"lines.dimensions.department.id" = {{ constant = "100" }}
"""
SCAN = 'attachment = { column = "Scan", folder = "scans" }'


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """The demo company: bills need vendors, accounts and places."""
    with Simulator("demo") as made:
        yield made


def set_up(desk: Desk, steps: str, more: str = "", *, bills: int = 3) -> None:
    (desk.root / "tieout.toml").write_text(BILLS.format(steps=steps, more=more))
    desk.project = load(desk.root)
    (desk.root / "scans").mkdir(exist_ok=True)
    lines = []
    for number in range(1, bills + 1):
        (desk.root / "scans" / f"{number}.txt").write_text(f"scan {number}")
        lines.append(f"T-{number},{number}.50,{number}.txt\n")
    (desk.root / "bills.csv").write_text("Bill,Amount,Scan\n" + "".join(lines))


def states(desk: Desk) -> dict[str, str]:
    """Bill -> Sage's own state; each bill is there once."""
    with connect(desk.project) as client:
        rows = list(client.query("bills", ["billNumber", "state"], "billNumber starts with 'T-'", private=True))
    found = {row["billNumber"]: row["state"] for row in rows}
    assert len(found) == len(rows)
    return found


def files(desk: Desk) -> dict[str, list[tuple[str, bytes | None]]]:
    with connect(desk.project) as client:
        rows = list(client.query("bills", ["key", "billNumber"], "billNumber starts with 'T-'", private=True))
        return {r["billNumber"]: [(f.name, f.data) for f in client.attached_files("bills", r.key)] for r in rows}


SUBMITTED = {"T-1": "posted", "T-2": "posted", "T-3": "posted"}
SCANS = {f"T-{n}": [(f"{n}.txt", f"scan {n}".encode())] for n in (1, 2, 3)}


def test_bills_are_created_attached_to_and_submitted(desk: Desk) -> None:
    set_up(desk, '"attach", "submit"', SCAN)
    report = desk.push("bills")
    assert (report.posted, report.exit_code) == (3, 0)
    assert report.steps == {"attach": {"posted": 3}, "link": {"posted": 3}, "submit": {"posted": 3}}
    assert report.by_sage_state == {"posted": 3}
    assert states(desk) == SUBMITTED
    assert files(desk) == SCANS
    again = desk.push("bills")
    assert (again.skipped, again.steps, again.exit_code) == (3, {}, 0)
    assert files(desk) == SCANS


def test_without_steps_a_bill_stays_a_draft_and_the_report_says_so(desk: Desk) -> None:
    set_up(desk, "")
    report = desk.push("bills")
    assert (report.posted, report.by_sage_state, report.steps) == (3, {"draft": 3}, {})


def refused_submit(request: Request, deliver: Callable[[], Reply]) -> Reply:
    """Intacct refuses to submit the second of them."""
    bodies = msgspec.json.decode(request.body or b"[]")
    error = {"code": "operationFailed", "errorId": "AP-0100", "message": "The period is closed"}
    kept = [body for body in bodies if body is not bodies[1]]
    reply = deliver_only(request, kept)
    results = msgspec.json.decode(reply.body)["ia::result"]
    results.insert(1, {"ia::error": error, "ia::status": 422})
    meta = {"totalCount": 3, "totalSuccess": 2, "totalError": 1}
    return Reply(207, {}, msgspec.json.encode({"ia::result": results, "ia::meta": meta}))


deliver_only: Callable[[Request, list[Any]], Reply]


def test_a_bill_whose_submit_was_refused_is_a_draft_and_listed_as_one(
    desk: Desk, line: Line, simulator: Simulator
) -> None:
    global deliver_only

    def only(request: Request, bodies: list[Any]) -> Reply:
        body = msgspec.json.encode(bodies)
        headers = {**request.headers, "Idempotency-Key": request.headers["Idempotency-Key"] + "x"}
        return line._inner.send(msgspec.structs.replace(request, body=body, headers=headers), 30)

    deliver_only = only
    set_up(desk, '"submit"')
    line.only, line.fault = ("POST", "/workflows/"), refused_submit
    report = desk.push("bills")
    assert (report.posted, report.failed, report.exit_code) == (3, 0, 1)
    assert report.steps == {"submit": {"posted": 2, "failed": 1}}
    assert report.by_sage_state == {"posted": 2, "draft": 1}
    (record,) = push.failed(desk.project, "bills")
    assert (record.source_id, record.state, record.error_id) == ("T-2", "draft, submit refused", "AP-0100")
    file = desk.root / "inbox.xlsx"
    command = ["--project", str(desk.root / "tieout.toml"), "failed", "bills", "--workbook", str(file)]
    assert main(command) == 1, "as without --workbook: something is to be done"
    (row,) = rows_of(file, "Draft")
    assert (row["Bill"], row["tieout_state"]) == ("T-2", "draft, submit refused")
    assert row["tieout_link"].startswith("https://"), "where a person finds it, as Intacct says"
    assert openpyxl.load_workbook(file)["Draft"].cell(2, len(row)).hyperlink.target == row["tieout_link"]
    assert [other["Bill"] for other in rows_of(file, "Posted")] == ["T-1", "T-3"]
    line.fault = None
    waiting = desk.push("bills")
    assert (waiting.steps, waiting.exit_code) == ({"submit": {"failed": 1}}, 1), "not by itself"
    retried = desk.retry("bills")
    assert (retried.steps, retried.exit_code) == ({"submit": {"posted": 1}}, 0)
    assert states(desk) == SUBMITTED
    assert push.failed(desk.project, "bills") == []
    assert push.write_workbook(desk.project, "bills", desk.root / "after.xlsx").is_whole


def test_a_step_that_somebody_did_by_hand_can_be_dismissed(desk: Desk, line: Line) -> None:
    set_up(desk, '"submit"', bills=1)
    line.only = ("POST", "/workflows/")
    line.fault = lambda *_: Reply(422, {}, b'{"ia::result":{"ia::error":{"code":"operationFailed","message":"No"}}}')
    desk.push("bills")
    assert len(push.failed(desk.project, "bills")) == 1
    assert push.dismiss(desk.project, "bills", ["T-1"]) == ["T-1"]
    assert push.failed(desk.project, "bills") == []
    report = desk.push("bills")
    assert (report.skipped, report.steps, report.exit_code) == (1, {}, 0)


@pytest.mark.parametrize("fault", [lost_answer, lost_request])
@pytest.mark.parametrize(
    "only", [("POST", "/workflows/"), ("POST", "/company-config/attachment"), ("PATCH", "/objects/")]
)
def test_a_step_without_an_answer_is_settled_and_done_once(
    desk: Desk, line: Line, only: tuple[str, str], fault: Callable[[Request, Callable[[], Reply]], Reply]
) -> None:
    set_up(desk, '"attach", "submit"', SCAN)
    line.only, line.fault = only, fault
    report = desk.push("bills")
    assert (report.posted, report.exit_code) == (3, 1)
    assert {"unknown": 3} in report.steps.values()
    assert {"unknown" in record.state for record in push.failed(desk.project, "bills")} == {True}
    line.fault = None
    report = desk.push("bills")
    assert (report.skipped, report.exit_code) == (3, 0)
    assert states(desk) == SUBMITTED
    assert files(desk) == SCANS
    assert push.failed(desk.project, "bills") == []


@pytest.mark.parametrize(
    ("place", "number"),
    [
        *(("push.after_send", number) for number in (1, 2, 3, 4)),
        *(("push.after_ledger_write", number) for number in (2, 3, 4)),
        ("push.before_result_commit", 3),
    ],
)
def test_a_kill_at_any_step_leaves_nothing_undone_or_done_twice(
    desk: Desk, forked: Forks, place: str, number: int
) -> None:
    set_up(desk, '"attach", "submit"', SCAN)
    code, said = desk.child(forked, "bills", f"{place}:{number}")
    assert code == -signal.SIGKILL, said
    report = desk.push("bills")
    assert report.exit_code == 0
    assert states(desk) == SUBMITTED
    assert files(desk) == SCANS


def test_what_an_interrupted_run_left_is_done_though_its_file_is_gone(desk: Desk, forked: Forks) -> None:
    set_up(desk, '"submit"')
    code, said = desk.child(forked, "bills", "push.after_ledger_write:2")
    assert code == -signal.SIGKILL, said
    (desk.root / "bills.csv").write_text("Bill,Amount,Scan\n")
    report = desk.push("bills")
    assert report.exit_code == 0
    assert states(desk) == SUBMITTED


def test_a_record_without_files_goes_on_to_the_next_step(desk: Desk) -> None:
    set_up(desk, '"attach", "submit"', SCAN)
    text = (desk.root / "bills.csv").read_text().replace("2.txt", "")
    (desk.root / "bills.csv").write_text(text)
    report = desk.push("bills")
    assert (report.steps["attach"], report.steps["submit"]) == ({"posted": 2}, {"posted": 3})
    assert states(desk) == SUBMITTED
    assert files(desk) == {**SCANS, "T-2": []}


def test_a_file_that_is_not_there_holds_its_record(desk: Desk) -> None:
    set_up(desk, '"attach"', SCAN)
    (desk.root / "scans" / "2.txt").unlink()
    report = desk.push("bills")
    assert (report.posted, report.held) == (2, 1)
    assert "'2.txt' cannot be attached: No such file" in str(report.problems[0])
    assert report.problems[0].row == 3


@pytest.mark.parametrize(
    ("steps", "more", "words"),
    [
        ('"attach"', "", "which column names the files"),
        ('"submit", "submit"', "", "names a step twice"),
        ('"submit"', 'operation = "update"', "follow a record that was created"),
    ],
)
def test_steps_that_make_no_sense_are_refused(desk: Desk, steps: str, more: str, words: str) -> None:
    set_up(desk, steps, more)
    with pytest.raises(ConfigurationError, match=words):
        desk.push("bills")


def test_steps_and_changes_work_over_postgresql(
    simulator: Simulator, tmp_path: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch, forked: Forks
) -> None:
    monkeypatch.setenv("TIEOUT_STATE_URL", postgres_url)
    with SimulatorThread(simulator) as running:
        desk = Desk.connect(tmp_path / "over", running.url)
        set_up(desk, '"attach", "submit"', SCAN + '\non_change = "update"')
        code, said = desk.child(forked, "bills", "push.after_send:3")
        assert code == -signal.SIGKILL, said
        assert desk.push("bills").exit_code == 0
        assert (states(desk), files(desk)) == (SUBMITTED, SCANS)
        text = (desk.root / "bills.csv").read_text().replace("1.50", "1.75")
        (desk.root / "bills.csv").write_text(text)
        report = desk.push("bills")
        assert report.posted + report.failed == 1, "whether a posted bill may be changed is Intacct's to say"
        assert {record.state for record in push.failed(desk.project, "bills")} <= {"posted, update refused"}
        (desk.root / "scans" / "new.txt").write_text("new")
        (desk.root / "bills.csv").write_text(text.replace("2.txt", "new.txt").replace("3.txt", ""))
        assert desk.push("bills").steps == {"attach": {"posted": 1}}
        assert [name for name, _ in files(desk)["T-2"]] == ["2.txt", "new.txt"]
