"""Rows say how far the steps of their record go: `Submit` or `Draft`, each document for itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.push.desk import Desk
from tests.push.dispatch.test_steps import BILLS, SCAN, files, states
from tests.push.fixtures import BILL_COLUMNS
from tests.push.support import TIMESHEET, assemble, settings
from tests.push.wire import Line
from tieout import push
from tieout.errors import ConfigurationError
from tieout.project import load
from tieout.rest import Reply
from tieout.simulator import Simulator

WORDS = 'last_step = { column = "Action", map = { Submit = "submit", Draft = "draft" } }'


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator("demo") as made:
        yield made


def set_up(desk: Desk, *, steps: str = '"submit"', more: str = WORDS, head: str = "") -> None:
    (desk.root / "tieout.toml").write_text(head + BILLS.format(steps=steps, more=more))
    desk.project = load(desk.root)
    (desk.root / "scans").mkdir(exist_ok=True)


def bills(desk: Desk, actions: Mapping[str, str], *, scan: str = "") -> None:
    if scan:
        (desk.root / "scans" / scan).write_text("a scan")
    lines = [f"{number},10.50,{action},{scan}\n" for number, action in actions.items()]
    (desk.root / "bills.csv").write_text("Bill,Amount,Action,Scan\n" + "".join(lines))


def test_each_bill_is_submitted_or_stays_a_draft_as_its_row_says(desk: Desk) -> None:
    set_up(desk)
    bills(desk, {"T-1": "Submit", "T-2": "Draft", "T-3": ""})
    looked = desk.push("bills", dry_run=True)
    assert "1 record is to be followed by submit, as the rows say." in looked.notes
    report = desk.push("bills")
    assert (report.posted, report.steps, report.exit_code) == (3, {"submit": {"posted": 1}}, 0)
    assert states(desk) == {"T-1": "posted", "T-2": "draft", "T-3": "draft"}
    assert push.failed(desk.project, "bills") == []


def test_what_a_later_file_says_is_done_then_and_what_was_done_stays(desk: Desk) -> None:
    set_up(desk)
    bills(desk, {"T-1": "Submit", "T-2": "Draft"})
    desk.push("bills")
    bills(desk, {"T-1": "Draft", "T-2": "Submit"})
    report = desk.push("bills")
    assert (report.skipped, report.steps, report.exit_code) == (2, {"submit": {"posted": 1}}, 0)
    assert states(desk) == {"T-1": "posted", "T-2": "posted"}


def test_a_refused_submit_that_nobody_wants_any_more_is_off_the_list_and_can_be_wanted_again(
    desk: Desk, line: Line
) -> None:
    set_up(desk)
    bills(desk, {"T-1": "Submit"})
    line.only = ("POST", "/workflows/")
    line.fault = lambda *_: Reply(422, {}, b'{"ia::result":{"ia::error":{"code":"operationFailed","message":"No"}}}')
    desk.push("bills")
    assert [record.state for record in push.failed(desk.project, "bills")] == ["draft, submit refused"]
    line.fault = None
    bills(desk, {"T-1": "Draft"})
    assert (desk.push("bills").steps, push.failed(desk.project, "bills")) == ({}, [])
    bills(desk, {"T-1": "Submit"})
    report = desk.push("bills")
    assert (report.steps, states(desk)) == ({"submit": {"posted": 1}}, {"T-1": "posted"})
    keys = [key for key, body in line.posts if b"txnAmount" not in body]
    assert len(keys) == len(set(keys)) == 2, "under the old key Intacct would repeat its refusal"


def test_files_go_to_drafts_too_in_any_order_of_steps(desk: Desk) -> None:
    set_up(desk, steps='"submit", "attach"', more=f"{SCAN}\n{WORDS}")
    bills(desk, {"T-1": "Submit", "T-2": "Draft"}, scan="1.txt")
    report = desk.push("bills")
    assert report.steps == {"attach": {"posted": 2}, "link": {"posted": 2}, "submit": {"posted": 1}}
    assert states(desk) == {"T-1": "posted", "T-2": "draft"}
    assert all(len(each) == 1 for each in files(desk).values())


def test_a_word_that_means_nothing_holds_its_row(desk: Desk) -> None:
    set_up(desk, more='last_step = "Action"')
    bills(desk, {"T-1": "submit", "T-2": "sumbit"})
    report = desk.push("bills")
    assert (report.posted, report.held) == (1, 1)
    assert [str(problem) for problem in report.problems] == [
        "row 3, column Action: 'sumbit' is not one of draft, submit (did you mean 'submit'?)"
    ]


def test_rows_of_one_record_agree(tmp_path: Path) -> None:
    rows = ["1,E1,11/16/2026,,11/16/2026,8,P1,", "2,E1,11/16/2026,,11/17/2026,8,P1,submit"]
    rows += ["3,E1,11/16/2026,,11/18/2026,8,P1,draft"]
    fields = {path: entry for path, entry in TIMESHEET["fields"].items() if path != "lines.isBillable"}
    given = settings(**TIMESHEET | {"last_step": "Billable", "steps": ["submit"], "fields": fields})
    head = "Entry,Employee,Week,About,Date,Hours,Project,Billable"
    (document,) = assemble(tmp_path, "\n".join([head, *rows]) + "\n", given)
    assert [str(problem) for problem in document.problems] == [
        "row 4, column Billable: draft differs from submit in row 3 of the same document"
    ]
    assert document.last_step == "submit"


def test_a_record_of_one_row_says_it_too(tmp_path: Path) -> None:
    given = settings(
        object="vendors",
        source="times.csv",
        id="id",
        steps=["approve"],
        last_step="Do",
        fields={"id": "id", "name": "name"},
    )
    first, second = assemble(tmp_path, "id,name,Do\n1,a,approve\n2,b,\n", given)
    assert (first.last_step, second.last_step) == ("approve", "")


def test_a_plan_has_it_in_it(desk: Desk, tmp_path: Path) -> None:
    set_up(desk)
    bills(desk, {"T-1": "Submit", "T-2": "Draft"})
    desk.push("bills", plan=tmp_path / "bills.plan")
    report = push.apply(desk.project, "bills", tmp_path / "bills.plan")
    assert (report.steps, report.exit_code) == ({"submit": {"posted": 1}}, 0)
    assert states(desk) == {"T-1": "posted", "T-2": "draft"}


def test_a_connection_that_may_not_submit_takes_drafts_and_is_told_of_others_before_anything_is_sent(
    desk: Desk,
) -> None:
    set_up(desk, head='[connections.demo]\nallow = ["accounts-payable/bill:create"]\n')
    bills(desk, {"T-1": "Draft", "T-2": ""})
    assert desk.push("bills").posted == 2
    bills(desk, {"T-3": "Draft", "T-4": "Submit"})
    with pytest.raises(ConfigurationError, match="submit"):
        desk.push("bills")
    assert states(desk) == {"T-1": "draft", "T-2": "draft"}


@pytest.mark.parametrize(
    ("steps", "more", "words"),
    [
        ("", WORDS, "has last_step, but no action among its steps"),
        ('"approve"', WORDS, "gives 'submit', which is neither draft nor one of approve"),
        ('"submit"', 'last_step = { column = "Action", lookup = "name" }', "last_step has a lookup"),
    ],
)
def test_a_section_that_contradicts_itself_is_refused(desk: Desk, steps: str, more: str, words: str) -> None:
    set_up(desk, steps=steps, more=more)
    with pytest.raises(ConfigurationError, match=words):
        desk.push("bills")


def template_file(desk: Desk, *actions: str) -> None:
    lines = [",".join(BILL_COLUMNS)]
    for number, action in enumerate(actions, 1):
        row = {
            "BILL_NO": f"T-{number}", "VENDOR_ID": "V-2001", "CREATED_DATE": "11/16/2026", "DUE_DATE": "12/16/2026",
            "LINE_NO": "1", "ACCT_NO": "6120", "LOCATION_ID": "E110", "DEPT_ID": "100", "AMOUNT": "10.50",
            "ACTION": action,
        }  # fmt: skip
        lines.append(",".join(row.get(column, "") for column in BILL_COLUMNS))
    (desk.root / "bills.csv").write_text("\n".join(lines) + "\n")


def test_the_bill_template_does_what_action_says(desk: Desk) -> None:
    (desk.root / "tieout.toml").write_text('[push.bills]\nsource = "bills.csv"\ntemplate = "intacct-bill"\n')
    desk.project = load(desk.root)
    template_file(desk, "Submit", "Draft", "", "Approve")
    report = desk.push("bills")
    assert (report.posted, report.held, report.steps) == (3, 1, {"submit": {"posted": 1}})
    assert states(desk) == {"T-1": "posted", "T-2": "draft", "T-3": "draft"}
    assert "ACTION" not in report.unused_columns
    assert [problem.row for problem in report.problems] == [5]


def test_steps_of_the_section_go_to_all_bills_and_action_is_named_as_not_sent(desk: Desk) -> None:
    text = '[push.bills]\nsource = "bills.csv"\ntemplate = "intacct-bill"\nsteps = ["submit"]\n'
    (desk.root / "tieout.toml").write_text(text)
    desk.project = load(desk.root)
    template_file(desk, "Submit", "Draft", "")
    report = desk.push("bills")
    assert set(states(desk).values()) == {"posted"}
    assert "ACTION" in report.unused_columns
